//! A drawing in pixels, its text in a font of our own: a bare machine has none.

use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform};
use ttf_parser::{Face, OutlineBuilder};

use super::figure::{Anchor, Colour, Figure, Mark};

/// `figure` at `scale` pixels a unit.
pub(super) fn png(figure: &Figure, scale: f32) -> Vec<u8> {
    let pixels = |length: f32| (length * scale).ceil().clamp(1.0, 16_384.0) as u32;
    let mut pixmap = Pixmap::new(pixels(figure.width), pixels(figure.height)).expect("a size above 0");
    pixmap.fill(tiny_skia::Color::WHITE);
    let face = Face::parse(dejavu::sans::regular(), 0).expect("the font that is built in");
    for mark in &figure.marks {
        draw(&mut pixmap, mark, &face, Transform::from_scale(scale, scale));
    }
    pixmap.encode_png().expect("memory takes all")
}

fn draw(pixmap: &mut Pixmap, mark: &Mark, face: &Face<'_>, scale: Transform) {
    let paint = |[r, g, b]: Colour| {
        let mut paint = Paint::default();
        paint.set_color_rgba8(r, g, b, 255);
        paint
    };
    match mark {
        Mark::Line { places, width, colour, dashed } => {
            let mut path = PathBuilder::new();
            for (i, &(x, y)) in places.iter().enumerate() {
                if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
            }
            let dash = dashed.then(|| StrokeDash::new(vec![4.0, 3.0], 0.0)).flatten();
            let stroke = Stroke {
                width: *width,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash,
                ..Stroke::default()
            };
            if let Some(path) = path.finish() {
                pixmap.stroke_path(&path, &paint(*colour), &stroke, scale, None);
            }
        }
        Mark::Dot { place: (x, y), radius, colour } => {
            if let Some(circle) = PathBuilder::from_circle(*x, *y, *radius) {
                pixmap.fill_path(&circle, &paint(*colour), FillRule::Winding, scale, None);
            }
        }
        Mark::Text { place, size, anchor, colour, text } => {
            let (path, width) = outline(face, text, *size);
            let start = match anchor {
                Anchor::Start => place.0,
                Anchor::Middle => place.0 - width / 2.0,
                Anchor::End => place.0 - width,
            };
            if let Some(path) = path {
                let at = scale.pre_translate(start, place.1);
                pixmap.fill_path(&path, &paint(*colour), FillRule::Winding, at, None);
            }
        }
    }
}

/// The outline of a line of text that begins at the origin, and its width.
fn outline(face: &Face<'_>, text: &str, size: f32) -> (Option<Path>, f32) {
    let scale = size / f32::from(face.units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), scale, x: 0.0 };
    for character in text.chars() {
        let glyph = face.glyph_index(character).unwrap_or_default();
        face.outline_glyph(glyph, &mut pen);
        pen.x += scale * f32::from(face.glyph_hor_advance(glyph).unwrap_or(0));
    }
    (pen.path.finish(), pen.x)
}

/// Turns a font's outlines, whose y points up, into a path.
struct Pen {
    path: PathBuilder,
    scale: f32,
    x: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
