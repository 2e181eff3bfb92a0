//! IDX, CIFAR and npy.

use std::ffi::OsStr;

use super::{error, gzip, ids, open_path, pixels, write};
use crate::progress::Silent;
use crate::source::{Data, Input, Options, SourceError, cifar, idx, npy, open};

fn idx_file(kind: u8, dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dimensions.len() as u8];
    dimensions.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

#[test]
fn idx_with_and_without_gzip_and_labels() {
    let images = idx_file(8, &[11, 2, 3], &(0..66).collect::<Vec<u8>>());
    let labels = idx_file(8, &[11], &[5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3]);
    for (image_name, label_name) in [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte", "t10k-labels.idx1-ubyte"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let packed = |name: &str, bytes: &[u8]| if name.ends_with(".gz") { gzip(bytes) } else { bytes.to_vec() };
        write(&root.path().join(image_name), packed(image_name, &images));
        let alone = open_path(&root.path().join(image_name)).unwrap();
        assert_eq!(alone.source.items()[0].label, None);
        write(&root.path().join(label_name), packed(label_name, &labels));
        let collection = open_path(&root.path().join(image_name)).unwrap();
        let item = &collection.source.items()[10];
        assert_eq!((item.id.as_str(), item.name.as_os_str()), ("10", OsStr::new("10.png")));
        assert_eq!((ids(&collection)[2], item.label.as_deref()), ("02", Some("3")));
        let image = pixels(&collection, 10);
        assert_eq!((image.width(), image.height(), image.as_bytes()), (3, 2, &[60, 61, 62, 63, 64, 65][..]));
    }
}

#[test]
fn idx_of_colours() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("colours");
    write(&path, idx_file(8, &[2, 1, 1, 3], &[1, 2, 3, 4, 5, 6]));
    let image = pixels(&open_path(&path).unwrap(), 1);
    assert_eq!((image.as_bytes(), image.color()), (&[4, 5, 6][..], image::ColorType::Rgb8));
}

#[test]
fn labels_of_another_file_are_an_error_that_names_both() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("x-images-idx3-ubyte"), idx_file(8, &[2, 1, 1], &[1, 2]));
    write(&root.path().join("x-labels-idx1-ubyte"), idx_file(8, &[3], &[1, 2, 3]));
    let message = error(&root.path().join("x-images-idx3-ubyte"));
    assert!(message.contains("x-labels-idx1-ubyte holds 3 labels"), "{message}");
    assert!(message.contains("x-images-idx3-ubyte holds 2 images"), "{message}");
    assert!(error(&root.path().join("x-labels-idx1-ubyte")).contains("name the images"));
}

#[test]
fn hostile_idx_headers() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x");
    for (bytes, expected) in [
        (idx_file(8, &[1 << 31, 28, 28], &[0; 9]), "found 25 bytes"),
        (idx_file(8, &[u32::MAX; 3], &[0; 9]), "fit the file"),
        (idx_file(8, &[u32::MAX, 0, 0], &[]), "1 to 2^31 bytes"),
        (idx_file(8, &[2, 2, 2], &[0; 9]), "24 bytes for 2 pictures of 2 x 2; found 25 bytes"),
        (idx_file(0x0d, &[1, 1, 1], &[0; 4]), "IDX type 0x0d"),
        (idx_file(8, &[1, 1, 1, 2], &[0; 2]), "[1, 1, 1, 2]"),
        (vec![0, 0, 8, 3, 0, 0], "ends inside its header"),
    ] {
        write(&path, &bytes);
        let message = error(&path);
        assert!(message.contains(expected), "{message}");
        write(&path, gzip(&bytes));
        open_path(&path).err().expect("gzipped it is no better");
    }
    write(&path, &gzip(&idx_file(8, &[1, 30, 30], &[7; 900]))[..40]);
    assert!(error(&path).contains("a whole gzip file"), "{}", error(&path));
}

#[test]
fn a_gzip_bomb_is_inflated_no_further_than_its_header_says() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x");
    write(&path, gzip(&idx_file(8, &[1, 2, 2], &vec![0; 1 << 24])));
    assert!(error(&path).contains("20 bytes for 1 pictures of 2 x 2; found 21 bytes"), "{}", error(&path));
    write(&path, gzip(&idx_file(8, &[1, 1 << 12, 1 << 12], &vec![0; 1 << 24])));
    let limited = open(&Input::Path(path), &Options { max_bytes: 1 << 20, ..Options::default() }, &Silent);
    assert!(matches!(limited, Err(SourceError::TooLarge { .. })));
}

fn cifar_file(labels: &[&[u8]]) -> Vec<u8> {
    let planes = || (0..3u8).flat_map(|plane| (0..1024u32).map(move |i| plane * 100 + (i % 90) as u8));
    labels.iter().flat_map(|label| label.iter().copied().chain(planes())).collect()
}

#[test]
fn cifar_ten_and_hundred() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data_batch_1.bin");
    write(&path, cifar_file(&[&[3], &[9]]));
    let collection = open_path(&path).unwrap();
    assert_eq!(collection.source.items()[1].label.as_deref(), Some("9"));
    let image = pixels(&collection, 1).into_rgb8();
    assert_eq!((image.dimensions(), image[(1, 1)].0), ((32, 32), [33, 133, 233]));
    write(&root.path().join("batches.meta.txt"), "airplane\nautomobile\nbird\ncat\n\n");
    assert_eq!(open_path(&path).unwrap().source.items()[0].label.as_deref(), Some("cat"));

    let path = root.path().join("train.bin");
    write(&path, cifar_file(&[&[11, 49], &[15, 99], &[0, 0]]));
    let collection = open_path(&path).unwrap();
    let item = &collection.source.items()[1];
    assert_eq!((item.label.as_deref(), &item.extra[..]), (Some("99"), &["15".to_string()][..]));
    assert_eq!((ids(&collection).len(), &collection.columns[..]), (3, &["coarse".to_string()][..]));
    assert_eq!(pixels(&collection, 2).into_rgb8()[(1, 1)].0, [33, 133, 233]);
}

#[test]
fn hostile_cifar_batches() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.bin");
    for bytes in [vec![], vec![0; 3072], vec![0; 3075], cifar_file(&[&[10]]), cifar_file(&[&[3, 100]])] {
        write(&path, &bytes);
        assert!(error(&path).contains("CIFAR-10 or CIFAR-100 batch"), "{}", error(&path));
    }
}

fn npy_file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn npy_of_pictures_and_of_embeddings() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.npy");
    for (shape, expected) in [("(2, 2, 1)", &[3, 4][..]), ("(2, 2, 1, 1)", &[3, 4]), ("(1, 1, 1, 3)", &[1, 2, 3])] {
        let size: usize = if shape.starts_with("(2") { 4 } else { 3 };
        write(&path, npy_file("|u1", "False", shape, &[1, 2, 3, 4][..size]));
        let collection = open_path(&path).unwrap();
        assert_eq!(pixels(&collection, ids(&collection).len() - 1).as_bytes(), expected);
    }
    write(&path, npy_file("<f4", "False", "(2, 3)", &[0; 24]));
    assert!(matches!(open_path(&path), Err(SourceError::Embeddings { .. })));
}

#[test]
fn hostile_npy_headers() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.npy");
    let nested = format!("{}1{}", "(".repeat(3_000), ",)".repeat(3_000));
    let mut endless = b"\x93NUMPY\x02\x00".to_vec();
    endless.extend(u32::MAX.to_le_bytes());
    for (bytes, expected) in [
        (npy_file("|u1", "False", "(1000000000000000000, 28, 28)", &[0; 9]), "fit the file"),
        (npy_file("|u1", "False", "(18446744073709551615, 18446744073709551615, 3)", &[0; 9]), "sides below"),
        (npy_file("|u1", "False", "(2, 2, 2)", &[0; 9]), "for 2 pictures of 2 x 2; found 82 bytes"),
        (npy_file("|u1", "True", "(1, 3, 3)", &[0; 9]), "Fortran order"),
        (npy_file("<f4", "False", "(1, 3, 3)", &[0; 36]), "<f4 of shape [1, 3, 3]"),
        (npy_file("|u1", "False", "(9,)", &[0; 9]), "|u1 of shape [9]"),
        (npy_file("|u1", "False", &nested, &[]), "nested lists"),
        (npy_file("|u1", "{{{{{{{{{{{{{{{{{{{{{{{{{{{{", "(2, 2, 2)", &[]), "nested lists"),
        (npy_file("|u1", "{1: 2}", "(2, 2, 2)", &[]), "nested lists"),
        (endless, "one of 4294967295 bytes"),
        (b"\x93NUMPY\x01\x00\x00\x00".to_vec(), "expected the header of a .npy file"),
        (b"text".to_vec(), "the end of the file"),
        (b"text of a letter".to_vec(), "starts with \"text of \""),
    ] {
        write(&path, &bytes);
        let message = error(&path);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_change_of_a_header_panics() {
    let files = [idx_file(8, &[2, 1, 3], &[0; 6]), npy_file("|u1", "False", "(2, 1, 3)", &[0; 6]), cifar_file(&[&[3]])];
    for whole in files {
        for at in 0..whole.len().min(100) {
            for value in [0, 1, 0x28, 0x39, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let data = Data::Memory(bytes);
                let _ = (idx::parse(&data), cifar::parse(&data), npy::parse(&data));
            }
            let data = Data::Memory(whole[..at].to_vec());
            let _ = (idx::parse(&data), cifar::parse(&data), npy::parse(&data));
        }
    }
}
