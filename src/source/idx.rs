//! IDX, the format of MNIST: two zero bytes, the element type, the number of dimensions, each dimension as a
//! big-endian u32, and the elements.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::stack::Stack;
use super::{Collection, Data, Layout, Malformed, Options, PixelOrder, SourceError};
use crate::files::At;

const UNSIGNED_BYTES: u8 = 0x08;

/// The dimensions that a header states, and the header's length.
struct Header {
    dimensions: Vec<u64>,
    length: u64,
}

impl Header {
    fn parse(mut reader: impl Read, of: &str) -> Result<Self, Malformed> {
        let short = |_| Malformed::new(format!("an IDX header of {of}"), "a file that ends inside its header");
        let mut magic = [0; 4];
        reader.read_exact(&mut magic).map_err(short)?;
        let [0, 0, kind, n_dimensions] = magic else {
            return Err(Malformed::new(format!("an IDX file of {of}"), format!("the magic number {magic:02x?}")));
        };
        if kind != UNSIGNED_BYTES {
            return Err(Malformed::new("unsigned bytes (IDX type 0x08)", format!("IDX type {kind:#04x}")));
        }
        let mut dimensions = Vec::new();
        for _ in 0..n_dimensions {
            let mut dimension = [0; 4];
            reader.read_exact(&mut dimension).map_err(short)?;
            dimensions.push(u32::from_be_bytes(dimension).into());
        }
        Ok(Self { dimensions, length: 4 + 4 * u64::from(n_dimensions) })
    }

    /// The size of the file that the header describes.
    fn file_size(&self) -> u64 {
        self.dimensions.iter().fold(1u64, |size, &n| size.saturating_mul(n)).saturating_add(self.length)
    }

    fn layout(&self, size: u64) -> Result<Layout, Malformed> {
        let (count, height, width, order) = match self.dimensions[..] {
            [count, height, width] | [count, height, width, 1] => (count, height, width, PixelOrder::Grey),
            [count, height, width, 3] => (count, height, width, PixelOrder::Rgb),
            [_] => {
                return Err(Malformed::new("an images file", "an IDX file of one dimension: labels; name the images"));
            }
            ref other => {
                return Err(Malformed::new(
                    "dimensions (n, height, width) or (n, height, width, 3)",
                    format!("{other:?}"),
                ));
            }
        };
        Layout::new((self.length, 0, size), count, (width, height), order)
    }
}

/// Parses an IDX file of pictures: 8-bit, (n, height, width), (n, height, width, 1) or (n, height, width, 3).
///
/// # Errors
/// If the header is of another kind, or states another size than the data has.
pub fn parse(data: &Data) -> Result<Layout, Malformed> {
    let mut head = vec![0; 4 + 4 * 255];
    let length = data.read_at(&mut head, 0).map_err(|e| Malformed::new("an IDX file", e.to_string()))?;
    let size = data.size().map_err(|e| Malformed::new("an IDX file", e.to_string()))?;
    Header::parse(&head[..length], "pictures")?.layout(size)
}

/// Opens an images file, with the labels file beside it if there is one.
pub(super) fn open(path: &Path, gzip: bool, options: &Options) -> Result<Collection, SourceError> {
    let data = if gzip { inflate(path, options, "pictures")? } else { Data::File(File::open(path).at("open", path)?) };
    let layout = parse(&data).map_err(|problem| problem.at(path))?;
    let labels = match labels_beside(path) {
        Some(beside) => read_labels(path, &beside, layout.count(), options)?,
        None => Vec::new(),
    };
    let describe = |index: usize| (labels.get(index).map(u8::to_string), Vec::new());
    let source = Box::new(Stack::new(path.into(), data, layout, describe));
    Ok(Collection { source, skipped: Vec::new(), ignored: 0, columns: Vec::new() })
}

/// Inflates a gzipped IDX file, but no further than its header needs and the limit allows.
fn inflate(path: &Path, options: &Options, of: &str) -> Result<Data, SourceError> {
    let reopen = || -> Result<_, SourceError> { Ok(MultiGzDecoder::new(File::open(path).at("open", path)?)) };
    let needed = Header::parse(reopen()?, of).map_err(|problem| problem.at(path))?.file_size();
    if needed > options.max_bytes {
        let what = format!("{} unpacked (run gunzip on it: unpacked it needs no memory)", path.display());
        return Err(SourceError::TooLarge { what, limit: options.max_bytes });
    }
    let mut bytes = Vec::new();
    match reopen()?.take(needed + 1).read_to_end(&mut bytes) {
        Ok(_) => Ok(Data::Memory(bytes)),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            ) =>
        {
            Err(Malformed::new("a whole gzip file", e.to_string()).at(path))
        }
        Err(e) => Err(e).at("read", path)?,
    }
}

/// `train-images-idx3-ubyte.gz` has its labels in `train-labels-idx1-ubyte`, gzipped or not, with `-` or `.` before
/// `idx1`.
fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let start = plain.rfind("images")?;
    let labels = format!("{}labels{}", &plain[..start], &plain[start + "images".len()..]);
    let labels = labels.replace("idx3", "idx1").replace("idx4", "idx1");
    let spellings = [labels.clone(), labels.replace("-idx1", ".idx1"), labels.replace(".idx1", "-idx1")];
    let names = spellings.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]);
    names.map(|name| path.with_file_name(name)).find(|path| path.is_file())
}

fn read_labels(images: &Path, path: &Path, n_images: u64, options: &Options) -> Result<Vec<u8>, SourceError> {
    let data = if path.extension().is_some_and(|e| e == "gz") {
        inflate(path, options, "labels")?
    } else {
        Data::File(File::open(path).at("open", path)?)
    };
    let size = data.size().at("read", path)?;
    let mut head = [0; 8];
    let n_read = data.read_at(&mut head, 0).at("read", path)?;
    let header = Header::parse(&head[..n_read], "labels").map_err(|problem| problem.at(path))?;
    let [n_labels] = header.dimensions[..] else {
        let found = format!("{:?}", header.dimensions);
        return Err(Malformed::new("labels, in one dimension", found).at(path));
    };
    if n_labels != n_images {
        return Err(SourceError::LabelCount { images: images.into(), n_images, labels: path.into(), n_labels });
    }
    if header.file_size() != size {
        let expected = format!("{} bytes for {n_labels} labels", header.file_size());
        return Err(Malformed::new(expected, format!("{size} bytes")).at(path));
    }
    let mut labels = vec![0; n_labels as usize];
    data.read_exact_at(&mut labels, header.length).at("read", path)?;
    Ok(labels)
}
