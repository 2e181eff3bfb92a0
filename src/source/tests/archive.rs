//! tar and zip.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use super::{encoded, gzip, ids, open_path, png, write};
use crate::progress::Silent;
use crate::source::{Input, Options, SourceError, open};

fn tar_file(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn pictures() -> Vec<(String, Vec<u8>)> {
    let mut members = vec![("notes.txt".to_string(), b"text".to_vec()), ("no-extension".into(), png(9))];
    members.extend((0..5).map(|i| (format!("d/{i}.png"), png(i))));
    members.extend([("__MACOSX/d/._0.png".into(), vec![0]), ("d/raw.cr2".into(), vec![0])]);
    members.push((format!("{}/long.png", "x".repeat(150)), png(7)));
    members
}

fn check_archive(path: &Path, sequential: bool) {
    let collection = open_path(path).unwrap();
    let long = format!("{}/long.png", "x".repeat(150));
    assert_eq!(
        ids(&collection),
        ["no-extension", "d/0.png", "d/1.png", "d/2.png", "d/3.png", "d/4.png", long.as_str()],
        "{}",
        path.display()
    );
    assert_eq!((collection.ignored, collection.skipped.len()), (2, 0));
    assert_eq!(collection.source.sequential(), sequential);
    for (index, grey) in [(1, 0), (3, 2), (6, 7), (2, 1), (2, 1), (0, 9)] {
        assert_eq!(encoded(&collection, index), png(grey), "{} {index}", path.display());
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|i| assert_eq!(encoded(&collection, i + 1), png(i as u8))));
        }
    });
}

#[test]
fn archives_of_every_packing() {
    let root = tempfile::tempdir().unwrap();
    let members = pictures();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let tar = tar_file(&members);
    for (name, bytes, sequential) in [
        ("x.tar", tar.clone(), false),
        ("x.tgz", gzip(&tar), true),
        ("x.tar.zst", zstd::encode_all(&tar[..], 3).unwrap(), true),
    ] {
        write(&root.path().join(name), bytes);
        check_archive(&root.path().join(name), sequential);
    }
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated, zip::CompressionMethod::Zstd] {
        let path = root.path().join(format!("{method}.zip"));
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, content) in &members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap();
        check_archive(&path, false);
    }
}

#[test]
fn a_pax_name_and_a_repeated_member() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.tar");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions([("path", "ä/long name.png".as_bytes())]).unwrap();
    for content in [png(1), png(2)] {
        let mut header = tar::Header::new_ustar();
        header.set_path("short.png").unwrap();
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, &content[..]).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    header.set_path("short.png").unwrap();
    header.set_size(png(3).len() as u64);
    header.set_cksum();
    archive.append(&header, &png(3)[..]).unwrap();
    write(&path, archive.into_inner().unwrap());
    let collection = open_path(&path).unwrap();
    assert_eq!(ids(&collection), ["ä/long name.png", "short.png"]);
    assert_eq!((encoded(&collection, 0), encoded(&collection, 1)), (png(1), png(3)));
}

#[test]
fn members_are_held_to_the_limit() {
    let root = tempfile::tempdir().unwrap();
    let big = vec![0; 1 << 20];
    let tar = tar_file(&[("small.png", &png(1)), ("big.png", &big), ("last.png", &png(2))]);
    write(&root.path().join("x.tar"), &tar);
    write(&root.path().join("x.tar.zst"), zstd::encode_all(&tar[..], 3).unwrap());
    let mut archive = zip::ZipWriter::new(fs::File::create(root.path().join("x.zip")).unwrap());
    for (name, content) in [("small.png", png(1)), ("big.png", big), ("last.png", png(2))] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap();
    for name in ["x.tar", "x.tar.zst", "x.zip"] {
        let input = Input::Path(root.path().join(name));
        let collection = open(&input, &Options { max_bytes: 1000, ..Options::default() }, &Silent).unwrap();
        assert!(matches!(collection.source.read(1), Err(SourceError::TooLarge { .. })), "{name}");
        assert_eq!((encoded(&collection, 2), encoded(&collection, 0)), (png(2), png(1)), "{name}");
    }
}

#[test]
fn a_zip_member_that_lies_about_its_size() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.zip");
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("bomb.png", options).unwrap();
    archive.write_all(&vec![0; 1 << 20]).unwrap();
    let mut bytes = archive.finish().unwrap().into_inner();
    // The unpacked size: at 22 of the local header, at 24 of the directory's entry.
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for at in [22, directory + 24] {
        assert_eq!(bytes[at..at + 4], (1u32 << 20).to_le_bytes());
        bytes[at..at + 4].copy_from_slice(&10u32.to_le_bytes());
    }
    write(&path, bytes);
    let collection = open(&Input::Path(path), &Options { max_bytes: 1000, ..Options::default() }, &Silent).unwrap();
    assert!(collection.source.read(0).is_err());
}

#[test]
fn encrypted_members_are_skipped() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("x.zip");
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("open.png", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&png(1)).unwrap();
    archive.start_file("locked.png", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&png(2)).unwrap();
    let mut bytes = archive.finish().unwrap().into_inner();
    // The flag for encryption: at 6 of the local header, at 8 of the directory's entry.
    let places =
        |kind: &[u8; 4]| bytes.windows(4).enumerate().filter(|(_, w)| w == kind).map(|(i, _)| i).nth(1).unwrap();
    for at in [places(b"PK\x03\x04") + 6, places(b"PK\x01\x02") + 8] {
        bytes[at] |= 1;
    }
    write(&path, bytes);
    let collection = open_path(&path).unwrap();
    assert_eq!(ids(&collection), ["open.png"]);
    assert_eq!(collection.skipped[0].id, "locked.png");
    assert!(collection.skipped[0].reason.contains("encrypted"));
}

#[test]
fn damaged_archives() {
    let root = tempfile::tempdir().unwrap();
    let members = pictures();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let tar = tar_file(&members);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in &members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    let zipped = archive.finish().unwrap().into_inner();
    for (name, whole) in [("x.tar", tar.clone()), ("x.tgz", gzip(&tar)), ("x.zip", zipped)] {
        let path = root.path().join(name);
        for at in (0..whole.len()).step_by(if name == "x.tar" { 97 } else { 7 }) {
            let mut damaged = whole.clone();
            damaged[at] = !damaged[at];
            for bytes in [&damaged[..], &whole[..at]] {
                write(&path, bytes);
                if let Ok(collection) = open_path(&path) {
                    (0..collection.source.items().len()).for_each(|i| drop(collection.source.read(i)));
                }
            }
        }
    }
    // What comes before the damage is kept, and the damage is told: at the listing, or by the member it hits.
    let third = tar.windows(8).enumerate().filter(|(_, w)| w.starts_with(b"\x89PNG")).nth(3).unwrap().0;
    write(&root.path().join("cut.tar"), &tar[..third + 20]);
    let cut = open_path(&root.path().join("cut.tar")).unwrap();
    let last = cut.source.items().len() - 1;
    assert_eq!(encoded(&cut, 1), png(0));
    assert!(cut.source.read(last).is_err());
    let packed = gzip(&tar);
    write(&root.path().join("cut.tgz"), &packed[..packed.len() - 20]);
    let cut = open_path(&root.path().join("cut.tgz")).unwrap();
    assert_eq!((encoded(&cut, 1), cut.skipped.len()), (png(0), 1));
}

#[test]
fn a_tar_cut_short_says_so_in_every_packing() {
    let root = tempfile::tempdir().unwrap();
    let members = [("a.png", png(1)), ("notes.txt", vec![b'x'; 5000]), ("b.png", png(2))];
    let whole = tar_file(&members.iter().map(|(name, bytes)| (*name, &bytes[..])).collect::<Vec<_>>());
    let cut = &whole[..4000];
    for (name, bytes) in [("x.tar", cut.to_vec()), ("x.tgz", gzip(cut))] {
        write(&root.path().join(name), bytes);
        let collection = open_path(&root.path().join(name)).unwrap();
        assert_eq!((ids(&collection).len(), collection.skipped.len()), (1, 1), "{name}");
        assert!(collection.skipped[0].reason.contains("can't be read after this point"), "{name}");
    }
}

#[test]
fn a_second_name_of_a_member_is_a_picture_too() {
    let root = tempfile::tempdir().unwrap();
    let long = format!("{}/first.png", "d".repeat(150));
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a.png", png(1)), (&long, png(2))] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    for (name, target) in [("again.png", "a.png"), ("far.png", &long), ("lost.png", "nowhere.png")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    }
    let path = root.path().join("x.tar");
    write(&path, archive.into_inner().unwrap());
    let collection = open_path(&path).unwrap();
    assert_eq!(ids(&collection), ["a.png", long.as_str(), "again.png", "far.png"]);
    assert_eq!((encoded(&collection, 2), encoded(&collection, 3)), (png(1), png(2)));
}
