//! Many pictures as one: examples of a cluster, or centroids side by side.

use image::{DynamicImage, Rgb, RgbImage, imageops};

use super::thumbnail::{eight_bit, shrink};

/// How a [`sheet`] is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetLayout {
    /// Cells in a row; 0 counts as 1.
    pub columns: usize,
    /// Side of a cell in pixels; 0 counts as 1.
    pub cell: u32,
    /// Pixels between the cells and around them.
    pub gap: u32,
    /// What shows where no picture is.
    pub background: Rgb<u8>,
}

impl Default for SheetLayout {
    /// Ten columns of 64 pixels, 4 apart, on white.
    fn default() -> Self {
        Self { columns: 10, cell: 64, gap: 4, background: Rgb([255; 3]) }
    }
}

/// Lays `pictures` out row by row, each in the middle of its square cell; `None` leaves a cell empty.
///
/// A larger picture is shrunk to its cell; a smaller one is enlarged by the largest whole number that fits, each
/// pixel a block. A row that isn't full stays short on the right.
///
/// ```
/// use alike::report::{SheetLayout, sheet};
/// let digit = image::DynamicImage::new_luma8(28, 28);
/// let layout = SheetLayout { columns: 5, cell: 56, gap: 2, ..SheetLayout::default() };
/// let examples = sheet(&vec![Some(digit); 25], &layout);
/// assert_eq!(examples.dimensions(), (292, 292));
/// ```
pub fn sheet(pictures: &[Option<DynamicImage>], layout: &SheetLayout) -> RgbImage {
    let columns = layout.columns.clamp(1, pictures.len().max(1));
    let cell = layout.cell.max(1);
    let pitch = cell + layout.gap;
    let length = |cells: usize| layout.gap + u32::try_from(cells).unwrap_or(u32::MAX) * pitch;
    let rows = pictures.len().div_ceil(columns).max(1);
    let mut sheet = RgbImage::from_pixel(length(columns), length(rows), layout.background);
    for (place, picture) in pictures.iter().enumerate() {
        let Some(picture) = picture.as_ref().filter(|p| p.width() > 0 && p.height() > 0) else { continue };
        let picture = fit(picture, cell);
        let x = length(place % columns) + (cell - picture.width()) / 2;
        let y = length(place / columns) + (cell - picture.height()) / 2;
        imageops::replace(&mut sheet, &picture, x.into(), y.into());
    }
    sheet
}

/// `picture`, not empty, as large as a square of `cell` allows.
fn fit(picture: &DynamicImage, cell: u32) -> RgbImage {
    let picture = eight_bit(picture);
    let longest = picture.width().max(picture.height());
    if longest > cell {
        return shrink(&picture, cell).into_rgb8();
    }
    let blocks = cell / longest;
    let picture = picture.into_rgb8();
    let (width, height) = (picture.width() * blocks, picture.height() * blocks);
    imageops::resize(&picture, width, height, imageops::FilterType::Nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgb<u8> = Rgb([255, 0, 0]);

    fn red(width: u32, height: u32) -> Option<DynamicImage> {
        Some(RgbImage::from_pixel(width, height, RED).into())
    }

    #[test]
    fn pictures_stand_in_the_middle_of_their_cells() {
        let layout = SheetLayout { columns: 2, cell: 10, gap: 1, background: Rgb([0; 3]) };
        let sheet = sheet(&[red(3, 3), None, red(40, 20)], &layout);
        assert_eq!(sheet.dimensions(), (23, 23));
        let reds = |x0: u32, y0: u32| {
            let inside = |x: u32, y: u32| (x0..x0 + 10).contains(&x) && (y0..y0 + 10).contains(&y);
            sheet.enumerate_pixels().filter(|&(x, y, p)| inside(x, y) && *p == RED).count()
        };
        assert_eq!(reds(1, 1), 81, "3 x 3 becomes 9 x 9");
        assert_eq!(reds(12, 1), 0);
        assert_eq!(reds(1, 12), 50, "40 x 20 becomes 10 x 5");
        assert_eq!(*sheet.get_pixel(1, 13), Rgb([0; 3]));
        assert_eq!(*sheet.get_pixel(1, 14), RED);
    }

    #[test]
    fn nothing_to_show_is_an_empty_cell() {
        assert_eq!(sheet(&[], &SheetLayout::default()).dimensions(), (72, 72));
        let layout = SheetLayout { columns: 0, cell: 0, gap: 0, ..SheetLayout::default() };
        assert_eq!(sheet(&[red(5, 5), None], &layout).dimensions(), (1, 2));
    }
}
