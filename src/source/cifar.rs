//! CIFAR's binary batches: records of one label (CIFAR-10) or a coarse and a fine one (CIFAR-100), and 32 x 32 pixels
//! in three planes (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).

use std::fs::{self, File};
use std::path::Path;

use super::stack::Stack;
use super::{Collection, Data, Layout, Malformed, PixelOrder, SourceError};
use crate::files::At;

/// The labels of a batch, as many as pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// CIFAR-10: the class, 0 to 9.
    Ten(Vec<u8>),
    /// CIFAR-100: the superclass, 0 to 19, and the class, 0 to 99.
    Hundred(Vec<[u8; 2]>),
}

/// Parses a batch. Having no header, it is told by its size, and by labels that are in range.
///
/// # Errors
/// If the size is no multiple of a record's, or a label is out of range.
pub fn parse(data: &Data) -> Result<(Layout, Labels), Malformed> {
    let io = |e: std::io::Error| Malformed::new("a CIFAR batch", e.to_string());
    let size = data.size().map_err(io)?;
    let ten = records::<1>(data, size, [10]).map_err(io)?;
    if let Some((layout, labels)) = ten {
        return Ok((layout, Labels::Ten(labels.concat())));
    }
    let hundred = records::<2>(data, size, [20, 100]).map_err(io)?;
    let (layout, labels) = hundred.ok_or_else(|| {
        Malformed::new(
            "a CIFAR-10 or CIFAR-100 batch: records of 3073 or 3074 bytes with labels in range",
            format!("{size} bytes that are not"),
        )
    })?;
    Ok((layout, Labels::Hundred(labels)))
}

/// The batch as records of `N` labels below `limits` and the pixels, if it is that.
fn records<const N: usize>(data: &Data, size: u64, limits: [u8; N]) -> std::io::Result<Option<(Layout, Vec<[u8; N]>)>> {
    let record = N as u64 + 3 * 32 * 32;
    let Ok(layout) = Layout::new((0, N as u64, size), size / record, (32, 32), PixelOrder::RgbPlanes) else {
        return Ok(None);
    };
    let mut labels = Vec::new();
    for index in 0..layout.count() {
        let mut label = [0; N];
        data.read_exact_at(&mut label, index * record)?;
        if label.iter().zip(limits).any(|(label, limit)| *label >= limit) {
            return Ok(None);
        }
        labels.push(label);
    }
    Ok((size > 0).then_some((layout, labels)))
}

/// Opens a batch; classes have their names if the file that lists them is beside it.
pub(super) fn open(path: &Path) -> Result<Collection, SourceError> {
    let data = Data::File(File::open(path).at("open", path)?);
    let (layout, labels) = parse(&data).map_err(|problem| problem.at(path))?;
    let names = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(path.with_file_name(file)).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect()
    };
    let name =
        |names: &[String], label: u8| names.get(usize::from(label)).cloned().unwrap_or_else(|| label.to_string());
    let (stack, columns) = match labels {
        Labels::Ten(labels) => {
            let classes = names("batches.meta.txt");
            let describe = |i: usize| (Some(name(&classes, labels[i])), Vec::new());
            (Stack::new(path.into(), data, layout, describe), Vec::new())
        }
        Labels::Hundred(labels) => {
            let (coarse, fine) = (names("coarse_label_names.txt"), names("fine_label_names.txt"));
            let describe = |i: usize| (Some(name(&fine, labels[i][1])), vec![name(&coarse, labels[i][0])]);
            (Stack::new(path.into(), data, layout, describe), vec!["coarse".into()])
        }
    };
    Ok(Collection { source: Box::new(stack), skipped: Vec::new(), ignored: 0, columns })
}
