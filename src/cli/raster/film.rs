//! The pictures of a run: one a loop, the first and the last side by side, and all in motion.

use std::path::Path;

use image::{ImageFormat, RgbImage};

use crate::files::write_whole;
use crate::raster::picture::{Animation, side_by_side};

/// Writes pictures into a directory as they come.
pub struct Film<'a> {
    dir: &'a Path,
    animation: Animation<&'a mut Vec<u8>>,
    first: Option<RgbImage>,
    last: Option<RgbImage>,
    outcome: anyhow::Result<()>,
}

impl<'a> Film<'a> {
    /// Pictures into `dir`; the animation, whose frames stay for `millis`, into memory.
    pub fn new(dir: &'a Path, gif: &'a mut Vec<u8>, millis: u32) -> Self {
        Self { dir, animation: Animation::new(gif, millis), first: None, last: None, outcome: Ok(()) }
    }

    /// Adds a frame to the animation.
    pub fn frame(&mut self, picture: RgbImage) {
        if self.outcome.is_ok() {
            self.outcome = self.animation.push(&picture).map_err(Into::into);
        }
        self.first.get_or_insert_with(|| picture.clone());
        self.last = Some(picture);
    }

    /// Writes a picture of its own.
    pub fn still(&mut self, name: &str, picture: &RgbImage) {
        if self.outcome.is_ok() {
            self.outcome = write_png(&self.dir.join(name), picture);
        }
    }

    /// Leaves the first frame and the last side by side; fails if anything did.
    pub fn finish(self) -> anyhow::Result<()> {
        self.outcome?;
        let frames: Vec<&RgbImage> = [&self.first, &self.last].into_iter().flatten().collect();
        write_png(&self.dir.join("first-last.png"), &side_by_side(&frames))
    }
}

/// Writes a picture as PNG.
pub fn write_png(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(write_whole(path, |out| out.write_all(bytes.get_ref()))?)
}
