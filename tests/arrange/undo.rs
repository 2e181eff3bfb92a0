//! Taking back: only what is alike's and is not the last of its kind goes.

use std::fs;
use std::path::{Path, PathBuf};

use alike::arrange::{ArrangeError, Mode, Origin, Output, Placement, State, apply, clear, plan, undo};
use alike::progress::Silent;
use tempfile::tempdir;

use crate::rules::{MODES, input};
use crate::tree::{self, sort};

fn undo_at(out: &Path) -> alike::arrange::UndoReport {
    undo(Output::existing(out).unwrap(), &Silent).unwrap()
}

#[test]
fn every_mode_goes_back_without_a_trace() {
    for mode in MODES {
        let (_dir, input, out) = input(300);
        let before = tree::files(&input);
        sort(tree::placements(&input, 300), mode, &out).unwrap();
        let report = undo_at(&out);
        let (removed, returned) = if mode == Mode::Move { (0, 360) } else { (360, 0) };
        assert_eq!((report.removed, report.returned, report.complete()), (removed, returned, true));
        assert_eq!((tree::files(&input), out.exists()), (before, false), "{mode}");
    }
}

#[test]
fn a_directory_that_was_there_before_stays() {
    let (_dir, input, out) = input(3);
    fs::create_dir(&out).unwrap();
    sort(tree::placements(&input, 3), Mode::Copy, &out).unwrap();
    undo_at(&out);
    assert!(out.exists() && fs::read_dir(&out).unwrap().next().is_none());
}

#[test]
fn changed_copies_and_added_files_stay_and_are_reported() {
    let (_dir, input, out) = input(30);
    sort(tree::placements(&input, 30), Mode::Copy, &out).unwrap();
    let edited = out.join("cluster-000/IMG_0.jpg");
    let time = tree::content(&edited).1;
    fs::write(&edited, b"retouched").unwrap();
    fs::write(out.join("cluster-001/note.txt"), b"mine").unwrap();
    let same = out.join("cluster-001/IMG_1.jpg");
    tree::write(&same, &tree::content(&same).0, 77);
    let report = undo_at(&out);
    assert_eq!(report.kept.iter().map(|kept| &kept.path).collect::<Vec<_>>(), [Path::new("cluster-000/IMG_0.jpg")]);
    assert_eq!((report.removed, &*report.foreign), (35, &[PathBuf::from("cluster-001/note.txt")][..]));
    assert!(!out.join("cluster-002").exists() && !same.exists(), "only touched, and its original stands");
    assert!(matches!(Output::existing(&out).unwrap().state(), State::Undoing { .. }));
    tree::write(&edited, b"retouched", 1);
    assert_ne!(tree::content(&edited).1, time);
    fs::remove_file(&edited).unwrap();
    assert!(undo_at(&out).complete());
    assert_eq!(tree::files(&out).len(), 1);
    assert!(!out.join(".alike").exists() && !out.join("cluster-000").exists());
}

#[test]
fn the_only_copy_is_never_removed() {
    for mode in [Mode::Copy, Mode::HardLink] {
        let (_dir, input, out) = input(12);
        let (_, report) = sort(tree::placements(&input, 12), mode, &out).unwrap();
        let placed = |image: usize| out.join(report.destinations[image].as_ref().unwrap());
        fs::remove_file(input.join("d1/IMG_0.jpg")).unwrap();
        fs::rename(input.join("d2/IMG_0.jpg"), input.join("d2/elsewhere.jpg")).unwrap();
        fs::remove_file(input.join("d3/IMG_0.jpg")).unwrap();
        fs::write(input.join("d3/IMG_0.jpg"), b"another one").unwrap();
        let mut kept = vec![1, 2, 3];
        #[cfg(unix)]
        {
            fs::remove_file(input.join("d1/IMG_1.jpg")).unwrap();
            std::os::unix::fs::symlink(placed(5), input.join("d1/IMG_1.jpg")).unwrap();
            kept.push(5);
        }
        let contents: Vec<_> = kept.iter().map(|image| tree::content(&placed(*image))).collect();
        let undone = undo_at(&out);
        assert_eq!(undone.kept.len(), kept.len(), "{mode}: {undone:?}");
        let after: Vec<_> = kept.iter().map(|image| tree::content(&placed(*image))).collect();
        assert_eq!(after, contents, "{mode}");
    }
}

#[test]
fn a_moved_file_goes_back_as_it_is_now_unless_its_place_is_taken() {
    let (_dir, input, out) = input(12);
    let (_, report) = sort(tree::placements(&input, 12), Mode::Move, &out).unwrap();
    let placed = |image: usize| out.join(report.destinations[image].as_ref().unwrap());
    fs::write(placed(1), b"rotated").unwrap();
    fs::write(input.join("d2/IMG_0.jpg"), b"a new one").unwrap();
    fs::remove_file(placed(3)).unwrap();
    fs::remove_dir(input.join("d1")).unwrap();
    let undone = undo_at(&out);
    assert_eq!(fs::read(input.join("d1/IMG_0.jpg")).unwrap(), b"rotated");
    assert_eq!(fs::read(input.join("d2/IMG_0.jpg")).unwrap(), b"a new one");
    assert_eq!(undone.kept.len(), 1);
    assert!(undone.kept[0].reason.contains("something else") && placed(2).exists());
    let missing = [(report.destinations[3].clone().unwrap(), input.join("d3/IMG_0.jpg"))];
    assert_eq!(undone.missing, missing);
    fs::rename(input.join("d2/IMG_0.jpg"), input.join("d2/new.jpg")).unwrap();
    let undone = undo_at(&out);
    assert_eq!((undone.returned, &undone.missing[..], undone.complete()), (1, &missing[..], false));
    fs::create_dir_all(placed(3).parent().unwrap()).unwrap();
    fs::write(placed(3), b"from a backup").unwrap();
    assert!(undo_at(&out).complete() && !out.exists());
    assert_eq!(tree::files(&input).len(), 12 + 4 + 1);
}

#[test]
fn moved_files_are_found_where_somebody_has_put_them_in_the_output() {
    let (_dir, input, out) = input(12);
    let before = tree::files(&input);
    let (_, report) = sort(tree::placements(&input, 12), Mode::Move, &out).unwrap();
    let cluster = report.destinations[0].as_ref().unwrap().parent().unwrap();
    fs::rename(out.join(cluster), out.join("dogs")).unwrap();
    let undone = undo_at(&out);
    assert!(undone.complete(), "{undone:?}");
    assert_eq!(tree::files(&input), before);
    assert!(!out.join(".alike").exists());
}

#[test]
fn files_made_from_an_archive_stay_when_it_is_gone() {
    let dir = tempdir().unwrap();
    let archive = dir.path().join("photos.zip");
    fs::write(&archive, "...").unwrap();
    let placement = |image: usize| Placement {
        id: image.to_string(),
        directory: "c".into(),
        name: format!("{image}.png").into(),
        origin: Origin::Bytes,
        companions: vec![],
    };
    let path = dir.path().join("out");
    let mut out = Output::open(&path, Some(&archive)).unwrap();
    let plan = plan((0..3).map(placement).collect(), Mode::Copy, &[]).unwrap();
    apply(&plan, &mut out, "", &|_| Ok(vec![1]), &Silent).unwrap();
    fs::write(path.join("c/1.png"), [1, 2]).unwrap();
    fs::rename(&archive, dir.path().join("away")).unwrap();
    let undone = undo(out, &Silent).unwrap();
    assert_eq!((undone.removed, undone.kept.len(), undone.complete()), (0, 3, false));
    fs::rename(dir.path().join("away"), &archive).unwrap();
    let undone = undo_at(&path);
    assert_eq!((undone.removed, undone.kept.len()), (2, 1));
}

#[test]
fn what_alike_writes_beside_goes_unless_it_was_edited() {
    let (_dir, input, path) = input(3);
    let mut out = Output::open(&path, Some(&input)).unwrap();
    let files = ["report.html", "report/thumbs/0.jpg", "report/1.html", "clusters.csv", ".alike/run.json", "never.txt"];
    out.register(files).unwrap();
    assert!(out.register(["/etc/passwd"]).is_err() && out.register(["../x"]).is_err());
    fs::create_dir_all(path.join("report/thumbs")).unwrap();
    for file in &files[..5] {
        fs::write(path.join(file), file).unwrap();
    }
    fs::write(path.join("mine.txt"), "mine").unwrap();
    assert!(out.register(["mine.txt"]).is_err());
    let plan = plan(tree::placements(&input, 3), Mode::Copy, &[]).unwrap();
    apply(&plan, &mut out, "", &tree::no_bytes, &Silent).unwrap();
    out.seal().unwrap();
    drop(out);
    fs::write(path.join("clusters.csv"), "with my notes").unwrap();
    fs::write(path.join("report/thumbs/mine.jpg"), "mine").unwrap();
    let undone = undo_at(&path);
    assert_eq!(undone.kept.iter().map(|kept| &kept.path).collect::<Vec<_>>(), [Path::new("clusters.csv")]);
    assert_eq!(undone.foreign, [PathBuf::from("mine.txt"), "report/thumbs/mine.jpg".into()]);
    fs::remove_file(path.join("clusters.csv")).unwrap();
    assert!(undo_at(&path).complete());
    assert_eq!(tree::files(&path).len(), 2);
    assert!(!path.join(".alike").exists());
}

#[test]
fn what_is_kept_when_an_output_is_cleared_is_the_users() {
    let (_dir, input, path) = input(12);
    let (_, report) = sort(tree::placements(&input, 12), Mode::Copy, &path).unwrap();
    let mut out = Output::open(&path, Some(&input)).unwrap();
    let placed = |image: usize| path.join(report.destinations[image].as_ref().unwrap());
    fs::remove_file(input.join("d0/IMG_0.jpg")).unwrap();
    // Edited by a program that puts the time back.
    let (bytes, time) = tree::content(&placed(1));
    fs::write(placed(1), vec![b'y'; bytes.len()]).unwrap();
    fs::File::open(placed(1)).unwrap().set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    let cleared = clear(&mut out, &Silent).unwrap();
    assert_eq!(cleared.kept.len(), 2, "{cleared:?}");
    assert_eq!(*out.state(), State::Fresh);
    assert!(placed(0).exists() && placed(1).exists() && !placed(2).exists());
}

#[test]
fn an_output_is_not_cleared_while_a_table_in_it_was_edited() {
    let (_dir, input, path) = input(3);
    sort(tree::placements(&input, 3), Mode::Copy, &path).unwrap();
    let mut out = Output::open(&path, Some(&input)).unwrap();
    out.register(["clusters.csv", "skipped.csv"]).unwrap();
    fs::write(path.join("clusters.csv"), "id,path").unwrap();
    out.seal().unwrap();
    fs::write(path.join("clusters.csv"), "with my notes").unwrap();
    let before = tree::files(&path);
    assert!(matches!(clear(&mut out, &Silent), Err(ArrangeError::Foreign { .. })));
    assert_eq!(tree::files(&path), before);
    fs::write(path.join("skipped.csv"), "mine: alike wrote none").unwrap();
    drop(out);
    assert_eq!(undo_at(&path).foreign, [PathBuf::from("skipped.csv")]);
}

#[test]
fn an_output_taken_back_can_be_arranged_anew() {
    let (_dir, input, path) = input(60);
    sort(tree::placements(&input, 60), Mode::Copy, &path).unwrap();
    fs::write(path.join("cluster-001/IMG_99.jpg"), "mine").unwrap();
    let mut out = Output::open(&path, Some(&input)).unwrap();
    assert!(clear(&mut out, &Silent).unwrap().complete());
    assert_eq!(*out.state(), State::Fresh);
    assert_eq!(out.taken().unwrap(), [PathBuf::from("cluster-001/IMG_99.jpg")]);
    let mut placements = tree::placements(&input, 60);
    placements[1].name = "img_99.JPG".into();
    let plan = plan(placements, Mode::HardLink, &out.taken().unwrap()).unwrap();
    let report = apply(&plan, &mut out, "again", &tree::no_bytes, &Silent).unwrap();
    assert_eq!(report.images, 60);
    assert_eq!(report.destinations[1], Some("cluster-001/img_99 (2).JPG".into()));
    assert_eq!(fs::read(path.join("cluster-001/IMG_99.jpg")).unwrap(), b"mine");
}
