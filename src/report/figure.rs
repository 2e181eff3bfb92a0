//! Small line drawings, as SVG and as PNG, that look the same.

use std::fmt::Write;

/// A drawing of a fixed size, on white.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) marks: Vec<Mark>,
}

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Of letters and lines: the main ones, those that stand back, those of the ground; a curve, and what is picked out.
pub(super) const INK: Colour = [0x1f, 0x20, 0x23];
pub(super) const SOFT: Colour = [0x6b, 0x6c, 0x72];
pub(super) const FAINT: Colour = [0xde, 0xdb, 0xd4];
pub(super) const LINE: Colour = [0x1f, 0x65, 0x88];
pub(super) const PICK: Colour = [0xc4, 0x4e, 0x1c];

/// A place, x to the right and y down.
pub(super) type Place = (f32, f32);

/// What a drawing is made of; later marks lie above earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// Lines from place to place.
    Line { places: Vec<Place>, width: f32, colour: Colour, dashed: bool },
    /// A filled circle.
    Dot { place: Place, radius: f32, colour: Colour },
    /// Text on a base line.
    Text { place: Place, size: f32, anchor: Anchor, colour: Colour, text: String },
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Pixels of the PNG for a unit of the drawing.
const SCALE: f32 = 2.0;

impl Figure {
    /// The drawing as an SVG document, whose text is text. Self-contained but for the viewer's sans-serif font.
    pub fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
        );
        for mark in &self.marks {
            // Writing to a string never fails.
            let _ = writeln!(svg, "{}", element(mark));
        }
        svg + "</svg>\n"
    }

    /// The drawing as a PNG of twice its size in pixels.
    pub fn png(&self) -> Vec<u8> {
        super::raster::png(self, SCALE)
    }

    pub(super) fn text(&mut self, place: Place, size: f32, anchor: Anchor, colour: Colour, text: String) {
        self.marks.push(Mark::Text { place, size, anchor, colour, text });
    }

    pub(super) fn line(&mut self, places: Vec<Place>, width: f32, colour: Colour, dashed: bool) {
        self.marks.push(Mark::Line { places, width, colour, dashed });
    }

    pub(super) fn dot(&mut self, place: Place, radius: f32, colour: Colour) {
        self.marks.push(Mark::Dot { place, radius, colour });
    }
}

fn element(mark: &Mark) -> String {
    let hex = |[r, g, b]: Colour| format!("#{r:02x}{g:02x}{b:02x}");
    match mark {
        Mark::Line { places, width, colour, dashed } => {
            let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dashes = if *dashed { " stroke-dasharray=\"4 3\"" } else { "" };
            format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dashes}/>",
                points.join(" "),
                hex(*colour)
            )
        }
        Mark::Dot { place: (x, y), radius, colour } => {
            format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>", hex(*colour))
        }
        Mark::Text { place: (x, y), size, anchor, colour, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let text = maud::html! { (text) }.into_string();
            let fill = hex(*colour);
            format!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{text}</text>"
            )
        }
    }
}
