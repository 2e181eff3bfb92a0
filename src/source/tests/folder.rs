//! Directories, links and companions.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::{encoded, error, ids, open_path, png, write};
use crate::progress::Silent;
use crate::source::{Input, Options, SourceError, open};

#[test]
fn a_tree_is_listed_in_order_without_hidden_entries() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in
        ["b.png", "a/z.JPG", "a-b.gif", "Ünï/ç.webp", ".hidden.png", ".git/x.png", "@eaDir/t.png", "zz/.y/q.png"]
    {
        write(&at(name), png(1));
    }
    write(&at("no-extension"), png(1));
    write(&at("picture.dat"), png(1));
    write(&at("notes.txt"), "text");
    write(&at("lonely.cr2"), "raw");
    let collection = open_path(root.path()).unwrap();
    assert_eq!(ids(&collection), ["a-b.gif", "a/z.JPG", "b.png", "no-extension", "picture.dat", "Ünï/ç.webp"]);
    assert_eq!((collection.skipped.len(), collection.ignored), (0, 2));
    let item = &collection.source.items()[1];
    assert_eq!((item.path.as_deref(), item.name.as_os_str()), (Some(at("a/z.JPG").as_path()), OsStr::new("z.JPG")));
    assert_eq!(item.stamp.unwrap().len, png(1).len() as u64);
    assert_eq!(encoded(&collection, 1), png(1));
}

#[test]
fn companions_belong_to_one_picture_each() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in ["IMG.JPG", "IMG.HEIC", "solo.png", "sub/IMG.jpg"] {
        write(&at(name), png(1));
    }
    let companions = [
        ("IMG.CR2", "IMG.HEIC"),
        ("IMG.MOV", "IMG.HEIC"),
        ("IMG.AAE", "IMG.HEIC"),
        ("IMG.jpg.XMP", "IMG.JPG"),
        ("IMG.JPG.supplemental-metadata.json", "IMG.JPG"),
        ("sub/IMG.dng", "sub/IMG.jpg"),
        ("solo.xmp", "solo.png"),
    ];
    for (name, _) in companions {
        write(&at(name), "x");
    }
    write(&at("other.xmp"), "x");
    let collection = open_path(root.path()).unwrap();
    let mut owners = BTreeMap::new();
    for item in collection.source.items() {
        for file in &item.companions {
            assert!(owners.insert(file.clone(), item.id.clone()).is_none(), "{} twice", file.display());
        }
    }
    let expected: BTreeMap<PathBuf, String> = companions.map(|(name, owner)| (at(name), owner.into())).into();
    assert_eq!(owners, expected);
    assert_eq!(collection.ignored, 1);

    let alone = open_path(&at("solo.png")).unwrap();
    assert_eq!(alone.source.items()[0].companions, [at("solo.xmp")]);
}

#[cfg(unix)]
#[test]
fn names_of_any_bytes_have_distinct_ids() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    let long = "é".repeat(125) + "x.png";
    let names: [&[u8]; 6] = [b"a\nb.png", b"a\\x0ab.png", b"\xff.png", b"\\xff.png", b" .png ", long.as_bytes()];
    assert_eq!(long.len(), 255);
    for name in names {
        write(&root.path().join(OsStr::from_bytes(name)), png(1));
    }
    let collection = open_path(root.path()).unwrap();
    let mut found = ids(&collection);
    found.sort_unstable();
    let mut expected = vec!["a\\x0ab.png", "a\\\\x0ab.png", "\\xff.png", "\\\\xff.png", " .png ", &long];
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!((0..6).all(|index| encoded(&collection, index) == png(1)));
}

#[cfg(unix)]
#[test]
fn links_bring_each_picture_once_and_stay_inside() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(&outside.path().join("secret.png"), png(9));
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    write(&at("a/real.png"), png(1));
    write(&at(".annex/object"), png(2));
    symlink("real.png", at("a/again.png")).unwrap();
    symlink("..", at("a/loop")).unwrap();
    symlink("self", at("self")).unwrap();
    symlink("nowhere.png", at("broken.png")).unwrap();
    symlink(outside.path(), at("out")).unwrap();
    symlink(outside.path().join("secret.png"), at("out.png")).unwrap();
    symlink(".annex/object", at("kept.png")).unwrap();
    symlink(".annex/object", at("kept-twice.png")).unwrap();
    let collection = open_path(root.path()).unwrap();
    assert_eq!(ids(&collection), ["a/real.png", "kept-twice.png"]);
    let kept = &collection.source.items()[1];
    assert_eq!((kept.path.as_ref(), encoded(&collection, 1)), (Some(&at("kept-twice.png")), png(2)));
    let skipped: Vec<&str> = collection.skipped.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(skipped, ["broken.png", "out", "out.png", "self"]);
    assert!(collection.skipped[1].reason.contains("leaves the input"), "{}", collection.skipped[1].reason);
}

#[cfg(unix)]
#[test]
fn unreadable_directories_and_pipes_harm_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    write(&at("fine.png"), png(1));
    write(&at("closed/x.png"), png(1));
    write(&at("closed-file.dat"), png(1));
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe.png"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(at("closed-file.dat"), fs::Permissions::from_mode(0o000)).unwrap();
    let collection = open_path(root.path()).unwrap();
    let privileged = fs::read_dir(at("closed")).is_ok();
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(collection.ignored, 1);
    // To one who may read everything nothing is closed.
    if !privileged {
        assert_eq!(ids(&collection), ["fine.png"]);
        let skipped: Vec<&str> = collection.skipped.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(skipped, ["closed", "closed-file.dat"]);
    }
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("a.png"), png(1));
    let input = Input::Path(root.path().into());
    let collection = open(&input, &Options { max_bytes: 10, ..Options::default() }, &Silent).unwrap();
    assert!(matches!(collection.source.read(0), Err(SourceError::TooLarge { limit: 10, .. })));
}

#[test]
fn what_is_no_input_says_what_is() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("notes.txt");
    write(&path, "text");
    assert!(error(&path).contains("expected a directory, a picture"));
    assert!(error(&root.path().join("absent")).contains("cannot read"));
}
