//! Files that are right are read back; files that are wrong say what is wrong.

use std::path::PathBuf;

use super::*;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn npy_of(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_of(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

fn labels() -> Labels {
    let ids = ["a.png", "b, \"c\"\n.png", "ü"].map(String::from).to_vec();
    Labels { ids, clusters: vec![Some(0), None, Some(12)] }
}

#[test]
fn labels_come_back_as_written() {
    let (dir, labels) = (Dir::new(), labels());
    let path = dir.0.path().join("labels.csv");
    write_labels(&path, &labels).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "id,cluster\na.png,0\n\"b, \"\"c\"\"\n.png\",\nü,12\n");
    let read = read_labels(&path).unwrap();
    assert_eq!(read, Column { ids: Some(labels.ids.clone()), values: labels.clusters.clone() });

    let path = dir.0.path().join("labels.NPY");
    write_labels(&path, &labels).unwrap();
    assert!(std::fs::read(&path).unwrap().ends_with(&[0, 0, 0, 0, 255, 255, 255, 255, 12, 0, 0, 0]));
    assert_eq!(read_labels(&path).unwrap(), Column { ids: None, values: labels.clusters.clone() });

    let error = write_labels(&dir.0.path().join("labels.txt"), &labels).unwrap_err();
    assert!(matches!(error, LabelFileError::Extension { .. }));
    let huge = Labels { ids: vec!["a".into()], clusters: vec![Some(1 << 40)] };
    let path = dir.0.path().join("huge.npy");
    assert!(write_labels(&path, &huge).is_err() && !path.exists());
}

#[test]
fn more_columns_byte_order_mark_and_crlf_are_fine() {
    let dir = Dir::new();
    let path = dir.file("l.csv", "\u{feff}path,id,cluster\r\nx,a,1\r\ny,b,\r\n");
    let read = read_labels(&path).unwrap();
    assert_eq!(read, Column { ids: Some(vec!["a".into(), "b".into()]), values: vec![Some(1), None] });
    let path = dir.file("t.csv", "label,id\ncat,a\n,b\n");
    let read = read_truth(&path).unwrap();
    assert_eq!(read, Column { ids: Some(vec!["a".into(), "b".into()]), values: vec![Some("cat".into()), None] });
}

#[test]
fn a_table_keeps_every_column_but_the_one_that_names_its_rows() {
    let dir = Dir::new();
    let table = |text: &str| read_table(&dir.file("t.csv", text));
    let Table { columns, rows } = table("\u{feff}path,,id\nx,1,a\n\"y\nz\",,b\n").unwrap();
    assert_eq!(columns, ["path", "column 2"]);
    assert_eq!(rows.ids, Some(vec!["a".into(), "b".into()]));
    assert_eq!(rows.values, [["x", "1"], ["y\nz", ""]].map(|row| Some(row.map(String::from).to_vec())));
    assert_eq!(table("age,path\n3,a\n").unwrap().columns, ["age"]);
    for (text, expected) in [
        ("age,name\n3,a\n", "a header with the column id or path"),
        ("id,age\na,3\nb,4\na,5\n", "id \"a\" appears in rows 1 and 3"),
        ("id,age\na,3\nb\n", "line 3: expected"),
        ("\0\0\u{8}\u{1}", "another format"),
    ] {
        let error = table(text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("t.csv"), "{error:?} lacks {expected:?}");
    }
}

#[test]
fn every_integer_type_and_byte_order_is_read() {
    let dir = Dir::new();
    let two = |descr: &str, data: &[u8]| {
        let path = dir.file("l.npy", npy(descr, "(2,)", data));
        (read_labels(&path).unwrap().values, read_truth(&path).unwrap().values)
    };
    for (descr, data) in [
        ("|i1", vec![3, 255]),
        ("<i2", vec![3, 0, 255, 255]),
        ("<i4", vec![3, 0, 0, 0, 255, 255, 255, 255]),
        (">i4", vec![0, 0, 0, 3, 255, 255, 255, 255]),
        ("<i8", [3_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat()),
        (">i8", [3_i64.to_be_bytes(), (-1_i64).to_be_bytes()].concat()),
    ] {
        assert_eq!(two(descr, &data), (vec![Some(3), None], vec![Some("3".into()), None]), "{descr}");
    }
    assert_eq!(two("|u1", &[3, 255]).0, [Some(3), Some(255)]);
    assert_eq!(two("<u4", &[3, 0, 0, 0, 0, 0, 0, 128]).0, [Some(3), Some(1 << 31)]);
}

#[test]
fn idx_labels_are_truth_gzipped_or_not() {
    let (dir, bytes) = (Dir::new(), [0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&bytes).unwrap();
    let expected = Column { ids: None, values: ["7", "0", "9"].map(|label| Some(label.to_owned())).to_vec() };
    assert_eq!(read_truth(&dir.file("t", bytes)).unwrap(), expected);
    assert_eq!(read_truth(&dir.file("t.gz", gz.finish().unwrap())).unwrap(), expected);
}

#[test]
fn broken_files_say_what_is_wrong() {
    let dir = Dir::new();
    let nested = format!("{{'descr': {}", "(".repeat(9_000));
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".into(), "a header with the columns id and cluster, found the columns \"\""),
        (b"name,cluster\na,1\n".into(), "found the columns \"name,cluster\""),
        (b"id,cluster\na,1\nb,-1\n".into(), "line 3: expected a cluster's number from 0, or nothing for noise"),
        (b"id,cluster\na,one\n".into(), "found \"one\" in the column cluster"),
        (b"id,cluster\na\n".into(), "line 2: expected"),
        (b"id,cluster\n\xff\xfe,1\n".into(), "bytes that are not UTF-8"),
        (b"id,cluster\na,1\nb,1\na,2\n".into(), "id \"a\" appears in rows 1 and 3"),
        (b"PK\x03\x04rest".into(), "save the array with numpy.save"),
        (b"\x1f\x8bnot gzip at all".into(), "read"),
        ([0, 0, 8, 1, 0, 0, 0, 0].into(), "found an IDX file"),
        (b"\x93NUMPY".into(), "expected the header of a .npy file, found the end of the file"),
        (b"\x93NUMPY\x09\x00\x02\x00\x00\x00{}".into(), "unsupported version"),
        (npy_of("{}", &[]), "missing key"),
        (npy_of(&nested, &[]), "one with nested lists"),
        (long, "one of 4294967295 bytes"),
        (npy("<i4", "(2,)", &[1, 0, 0, 0, 1]), "expected 2 values, as the header says, found the end of the file"),
        (npy("<i4", "(18446744073709551615,)", &[1, 0, 0, 0]), "found the end of the file"),
        (npy("<i4", "(4294967296, 4294967296)", &[]), "found the shape"),
        (npy("<i4", "(1,)", &[1, 0, 0, 0, 9]), "found more bytes"),
        (npy("<i4", "(1, 1)", &[1, 0, 0, 0]), "found the shape [1, 1]"),
        (npy("<i4", "(1,)", &[254, 255, 255, 255]), "or -1 for noise, found -2"),
        (npy("<f4", "(1,)", &[0, 0, 0, 0]), "found the type <f4"),
        (npy("<u8", "(1,)", &[0; 8]), "found the type <u8"),
        (npy("|O", "(1,)", &[0]), "found the type |O"),
    ];
    for (bytes, expected) in cases {
        let error = read_labels(&dir.file("labels", &bytes)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("labels"), "{error:?} lacks {expected:?}");
    }
    for (bytes, expected) in [
        (&[0, 0, 8, 3, 0, 0, 0, 1][..], "type 0x08 with 3 dimensions"),
        (&[0, 0, 8, 1, 255, 255, 255, 255, 1], "expected 4294967295 labels, as the header says, found 1"),
        (&[0, 0, 8, 1, 0, 0, 0, 1, 1, 2], "found more bytes"),
        (&[0, 0, 8], "found the end of the file"),
    ] {
        let error = read_truth(&dir.file("labels", bytes)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
    assert!(matches!(read_labels(&dir.0.path().join("none")).unwrap_err(), LabelFileError::File(_)));
    assert!(matches!(read_labels(dir.0.path()).unwrap_err(), LabelFileError::File(_)));
}

#[test]
fn no_flipped_or_missing_byte_makes_it_panic() {
    let dir = Dir::new();
    let path = dir.0.path().join("whole.npy");
    write_labels(&path, &labels()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let _ = read_labels(&dir.file("cut", &whole[..at])).unwrap_err();
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let _ = read_labels(&dir.file("flipped", &flipped));
        }
    }
}

#[test]
fn values_meet_their_rows() {
    let ids = ["a", "b", "c"].map(String::from);
    let by_row = Column { ids: None, values: vec![Some(1), None, Some(3)] };
    assert_eq!(align(&ids, &by_row).unwrap().values, by_row.values);
    let error = align(&ids[..2], &by_row).unwrap_err().to_string();
    assert_eq!(error, "3 values without ids for 2 rows: give one a row, or a .csv with ids");

    let by_id =
        Column { ids: Some(["c", "x", "a"].map(String::from).to_vec()), values: vec![Some(3), Some(9), Some(1)] };
    let expected = Aligned { values: vec![Some(1), None, Some(3)], missing: 1, unused: 1 };
    assert_eq!(align(&ids, &by_id).unwrap(), expected);
    let error = align(&["y".to_owned()], &by_id).unwrap_err();
    assert!(matches!(error, LabelFileError::NoCommonId { .. }), "{error}");
}
