//! Tables and lists of paths.

use std::fs;
use std::path::Path;

use super::{encoded, error, ids, open_path, png, write};
use crate::progress::Silent;
use crate::source::{Input, Options, open};

#[test]
fn csv_with_labels_and_other_columns() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a.png", "sub/b.png", "with, comma.png"] {
        write(&root.path().join(name), png(1));
    }
    write(&root.path().join("a.xmp"), "x");
    let path = root.path().join("t.csv");
    write(
        &path,
        "\u{feff}year,path,label,note\n1999,a.png,cat,\"x\ny\"\n2000,sub/b.png,,\n2001,\"with, comma.png\",dog,\n\
         2002,absent.png,dog,\n2003,a.png,dog,\n2004,,dog,\n2005,sub,dog,\n",
    );
    let collection = open_path(&path).unwrap();
    assert_eq!(ids(&collection), ["a.png", "sub/b.png", "with, comma.png"]);
    assert_eq!(collection.columns, ["year", "note"]);
    let items = collection.source.items();
    assert_eq!((items[0].label.as_deref(), items[1].label.as_deref()), (Some("cat"), None));
    assert_eq!((&items[0].extra[..], items[0].companions.len()), (&["1999".to_string(), "x\ny".into()][..], 1));
    let skipped: Vec<&str> = collection.skipped.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(skipped, ["absent.png", "a.png", "row 6", "sub"]);
    assert_eq!(encoded(&collection, 1), png(1));

    write(&path, "file,label\na.png,cat\n");
    assert!(error(&path).contains("a column named \"path\"; found file, label"), "{}", error(&path));
    write(&path, "path,label\na.png\n");
    assert!(error(&path).contains("t.csv"), "{}", error(&path));
    write(&path, "");
    assert!(error(&path).contains("no columns"));
}

#[cfg(unix)]
#[test]
fn files_of_the_output_are_no_images_of_a_list_or_table() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    write(&at("in/a.png"), png(1));
    write(&at("out/c/a.png"), png(1));
    std::os::unix::fs::symlink(at("out"), at("alias")).unwrap();
    let options = Options { exclude: Some(at("out").canonicalize().unwrap()), ..Options::default() };
    let names = ["in/a.png", "out/c/a.png", "alias/c/a.png"].map(|name| at(name).display().to_string());
    let list = open(&Input::List(names.join("\n").into_bytes()), &options, &Silent).unwrap();
    assert_eq!((ids(&list), list.ignored, list.skipped.len()), (vec![names[0].as_str()], 2, 0));
    write(&at("t.csv"), format!("path\n{}\n", names.join("\n")));
    let table = open(&Input::Path(at("t.csv")), &options, &Silent).unwrap();
    assert_eq!((ids(&table).len(), table.skipped.len()), (1, 2));
    assert!(table.skipped.iter().all(|skipped| skipped.reason.contains("lies in the output")));
}

fn parquet_file(path: &Path, schema: &str, rows: &[(&str, &str, i32)]) {
    use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = parquet::schema::parser::parse_message_type(schema).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema.into(), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for text in [rows.iter().map(|r| r.0).collect::<Vec<_>>(), rows.iter().map(|r| r.1).collect()] {
        let values: Vec<ByteArray> = text.into_iter().map(ByteArray::from).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    let years: Vec<i32> = rows.iter().map(|r| r.2).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&years, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_tables_whole_and_damaged() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("a.png"), png(1));
    write(&root.path().join("b.png"), png(2));
    let path = root.path().join("t.parquet");
    let schema = "message m { required binary path (UTF8); required binary label (UTF8); required int32 year; }";
    parquet_file(&path, schema, &[("b.png", "dog", 2001), ("a.png", "cat", 1999)]);
    let collection = open_path(&path).unwrap();
    assert_eq!((ids(&collection), &collection.columns[..]), (vec!["b.png", "a.png"], &["year".to_string()][..]));
    let item = &collection.source.items()[0];
    assert_eq!((item.label.as_deref(), &item.extra[..]), (Some("dog"), &["2001".to_string()][..]));

    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] = !damaged[at];
        write(&path, &damaged);
        let _ = open_path(&path);
        write(&path, &whole[..at]);
        assert!(open_path(&path).is_err(), "cut to {at} bytes");
    }
    parquet_file(&path, &schema.replace(" path ", " file "), &[("b.png", "dog", 2001)]);
    assert!(error(&path).contains("found file, label, year"), "{}", error(&path));
}

#[test]
fn lists_by_line_and_by_nul() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    write(Path::new(&at("a.png")), png(1));
    write(Path::new(&at("new\nline.png")), png(1));
    write(Path::new(&at("notes.txt")), "text");
    let list = |text: String| open(&Input::List(text.into_bytes()), &Options::default(), &Silent).unwrap();
    let collection = list(format!("{}\r\n\n{}\n{}\n{}", at("a.png"), at("notes.txt"), at("gone.png"), at("")));
    assert_eq!((ids(&collection), collection.ignored), (vec![at("a.png").as_str()], 1));
    assert_eq!(collection.skipped.len(), 2);
    let collection = list(format!("{}\0{}\0", at("new\nline.png"), at("a.png")));
    assert_eq!(ids(&collection), [at("new\\x0aline.png"), at("a.png")]);
    assert!(list(String::new()).source.items().is_empty());
}
