//! Inputs of every kind, good and hostile, each made by its test.

mod archive;
mod folder;
mod stack;
mod table;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageFormat, Luma};

use super::{Collection, Content, Input, Options, SourceError, open};
use crate::progress::Silent;

fn open_path(path: &Path) -> Result<Collection, SourceError> {
    open(&Input::Path(path.into()), &Options::default(), &Silent)
}

fn error(path: &Path) -> String {
    open_path(path).err().unwrap_or_else(|| panic!("{} opened", path.display())).to_string()
}

/// A PNG of one grey pixel.
fn png(grey: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageLuma8(GrayImage::from_pixel(1, 1, Luma([grey]))).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn ids(collection: &Collection) -> Vec<&str> {
    collection.source.items().iter().map(|item| item.id.as_str()).collect()
}

fn encoded(collection: &Collection, index: usize) -> Vec<u8> {
    match collection.source.read(index).unwrap() {
        Content::Encoded(bytes) => bytes,
        Content::Pixels(_) => panic!("pixels"),
    }
}

fn pixels(collection: &Collection, index: usize) -> DynamicImage {
    match collection.source.read(index).unwrap() {
        Content::Pixels(image) => image,
        Content::Encoded(_) => panic!("bytes"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
