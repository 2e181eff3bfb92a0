//! Many pictures of one size in one file, one after the other.

use std::path::PathBuf;

use image::{DynamicImage, GrayImage, RgbImage};

use super::{Content, Data, Item, Malformed, Source, SourceError};
use crate::files::At;

/// How the bytes of a picture become pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelOrder {
    /// One byte a pixel.
    Grey,
    /// Red, green and blue of a pixel together.
    Rgb,
    /// All of red, then all of green, then all of blue.
    RgbPlanes,
}

impl PixelOrder {
    fn channels(self) -> u64 {
        match self {
            Self::Grey => 1,
            Self::Rgb | Self::RgbPlanes => 3,
        }
    }
}

/// Where the pictures lie. A layout that exists fits its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    start: u64,
    stride: u64,
    count: u64,
    width: u32,
    height: u32,
    order: PixelOrder,
}

impl Layout {
    /// `count` pictures of `width` x `height` that fill a file of `size` bytes from the byte `start`, each with
    /// `margin` bytes before its pixels.
    pub(super) fn new(
        (start, margin, size): (u64, u64, u64),
        count: u64,
        (width, height): (u64, u64),
        order: PixelOrder,
    ) -> Result<Self, Malformed> {
        let shape = || format!("{count} pictures of {width} x {height}");
        let (Ok(narrow), Ok(low)) = (u32::try_from(width), u32::try_from(height)) else {
            return Err(Malformed::new("pictures with sides below 2^32", shape()));
        };
        // A sparse file may claim any size at no cost.
        let pixels = width.checked_mul(height).and_then(|n| n.checked_mul(order.channels())).filter(|n| *n < 1 << 31);
        let stride = pixels.and_then(|n| n.checked_add(margin));
        let end = stride.and_then(|n| n.checked_mul(count)).and_then(|n| n.checked_add(start));
        match (stride, end) {
            (Some(stride), Some(end)) if end == size && (pixels != Some(0) || count == 0) => {
                Ok(Self { start: start + margin, stride, count, width: narrow, height: low, order })
            }
            (_, Some(end)) if pixels != Some(0) => {
                Err(Malformed::new(format!("{end} bytes for {}", shape()), format!("{size} bytes")))
            }
            _ => Err(Malformed::new("pictures of 1 to 2^31 bytes that fit the file", shape())),
        }
    }

    /// Number of pictures.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Reads the picture `index`, below [`Layout::count`].
    ///
    /// # Errors
    /// Any I/O error.
    pub fn read(&self, data: &Data, index: u64) -> std::io::Result<DynamicImage> {
        let n_pixels = self.width as usize * self.height as usize;
        let mut bytes = vec![0; n_pixels * self.order.channels() as usize];
        data.read_exact_at(&mut bytes, self.start + index * self.stride)?;
        let image = match self.order {
            PixelOrder::Grey => GrayImage::from_raw(self.width, self.height, bytes).map(DynamicImage::ImageLuma8),
            PixelOrder::Rgb => RgbImage::from_raw(self.width, self.height, bytes).map(DynamicImage::ImageRgb8),
            PixelOrder::RgbPlanes => {
                let pixels = (0..n_pixels).flat_map(|i| [bytes[i], bytes[i + n_pixels], bytes[i + 2 * n_pixels]]);
                RgbImage::from_raw(self.width, self.height, pixels.collect()).map(DynamicImage::ImageRgb8)
            }
        };
        Ok(image.expect("the buffer was made for these dimensions"))
    }
}

/// A stack of pictures as a source.
pub struct Stack {
    path: PathBuf,
    data: Data,
    layout: Layout,
    items: Vec<Item>,
}

impl Stack {
    /// Labels and extra columns are asked for by index.
    pub fn new(
        path: PathBuf,
        data: Data,
        layout: Layout,
        describe: impl Fn(usize) -> (Option<String>, Vec<String>),
    ) -> Self {
        let digits = layout.count.saturating_sub(1).to_string().len();
        let item = |index: usize| {
            let id = format!("{index:0digits$}");
            let (label, extra) = describe(index);
            let name = format!("{id}.png").into();
            Item { id, name, path: None, stamp: None, companions: Vec::new(), label, extra }
        };
        let items = (0..layout.count as usize).map(item).collect();
        Self { path, data, layout, items }
    }
}

impl Source for Stack {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        Ok(Content::Pixels(self.layout.read(&self.data, index as u64).at("read", &self.path)?))
    }
}
