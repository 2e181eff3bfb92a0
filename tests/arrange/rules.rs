//! Placing: nothing is overwritten, what changed is left alone, and an interruption or a full disk can be resumed.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use alike::arrange::{ArrangeError, Mode, Origin, Output, Placement, State, apply, plan, resume, undo};
use alike::progress::{Reporter, Silent};
use tempfile::{TempDir, tempdir};

use crate::tree::{self, sort};

pub const MODES: [Mode; 4] = [Mode::Copy, Mode::HardLink, Mode::Symlink, Mode::Move];

/// An input of `n` images and a place for the output.
pub fn input(n: usize) -> (TempDir, PathBuf, PathBuf) {
    let dir = tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    tree::make(&input, n);
    (dir, input, out)
}

fn made_from_bytes(n: usize) -> Vec<Placement> {
    let placement = |image| Placement {
        id: format!("{image:05}"),
        directory: format!("cluster-{}", image % 2),
        name: format!("{image}.png").into(),
        origin: Origin::Bytes,
        companions: vec![],
    };
    (0..n).map(placement).collect()
}

#[test]
fn every_mode_places_every_file_whole_with_its_time() {
    for mode in MODES {
        let (_dir, input, out) = input(300);
        let before = tree::files(&input);
        let (plan, report) = sort(tree::placements(&input, 300), mode, &out).unwrap();
        assert_eq!((report.images, report.companions, report.skipped.len()), (300, 60, 0), "{mode}");
        assert_eq!(tree::files(&out), tree::arranged(&before, &plan, &out.canonicalize().unwrap()), "{mode}");
        let after = if mode == Mode::Move { tree::Files::new() } else { before };
        assert_eq!(tree::files(&input), after, "{mode}");
        let placed = out.join(report.destinations[7].as_ref().unwrap());
        assert_eq!(placed.is_symlink(), mode == Mode::Symlink);
        if mode == Mode::Symlink {
            assert!(fs::read_link(placed).unwrap().is_absolute());
        }
    }
}

#[test]
fn a_finished_output_says_so_and_is_not_arranged_twice() {
    let (_dir, input, out) = input(20);
    let (plan, _) = sort(tree::placements(&input, 20), Mode::HardLink, &out).unwrap();
    let mut out = Output::open(&out, Some(&input)).unwrap();
    assert_eq!(*out.state(), State::Finished { mode: Mode::HardLink, settings: "settings".into() });
    let error = apply(&plan, &mut out, "", &tree::no_bytes, &Silent).unwrap_err();
    assert!(matches!(error, ArrangeError::Unready { .. }), "{error}");
    assert!(resume(&mut out, &|_| unreachable!(), &Silent).is_err());
}

#[test]
fn an_output_must_be_absent_empty_or_ours() {
    let (dir, input, out) = input(1);
    fs::create_dir(&out).unwrap();
    fs::write(out.join(".DS_Store"), "").unwrap();
    drop(Output::open(&out, Some(&input)).unwrap());
    drop(Output::open(&out, Some(&input)).unwrap());
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    assert!(matches!(Output::existing(&other), Err(ArrangeError::NotOurs { .. })));
    fs::write(other.join("letter.txt"), "dear").unwrap();
    assert!(matches!(Output::open(&other, None), Err(ArrangeError::NotEmpty { .. })));
    assert!(matches!(Output::open(&other.join("letter.txt"), None), Err(ArrangeError::File(_))));
    assert!(matches!(Output::open(&other.join("letter.txt/below"), None), Err(ArrangeError::File(_))));
    fs::write(out.join(".alike/marker"), r#"{"version":2,"made_root":true}"#).unwrap();
    let error = Output::open(&out, None).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn output_and_input_are_not_inside_one_another() {
    let (dir, input, _) = input(1);
    let link = dir.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&input, &link).unwrap();
    #[cfg(not(unix))]
    fs::create_dir(&link).unwrap();
    for out in [input.clone(), input.join("new"), input.join("d0/../new/newer"), dir.path().into()] {
        assert!(matches!(Output::open(&out, Some(&input)), Err(ArrangeError::Overlap { .. })), "{out:?}");
    }
    if cfg!(unix) {
        for out in [link.clone(), link.join("new")] {
            assert!(matches!(Output::open(&out, Some(&input)), Err(ArrangeError::Overlap { .. })), "{out:?}");
        }
    }
    assert_eq!(tree::files(&input).len(), 3, "and nothing was made there");
    let list = vec![tree::placements(&input, 1).remove(0)];
    sort(list, Mode::Copy, &dir.path().join("out")).unwrap();
    let placed = dir.path().join("out/cluster-000/IMG_0.jpg");
    let again = Placement { origin: Origin::file(&placed).unwrap(), ..tree::placements(&input, 1).remove(0) };
    undo(Output::existing(&dir.path().join("out")).unwrap(), &Silent).unwrap();
    tree::write(&input.join("d0/IMG_0.jpg"), b"x", 1);
    let mut out = Output::open(&dir.path().join("out"), None).unwrap();
    fs::create_dir(placed.parent().unwrap()).unwrap();
    let inside = apply(&plan(vec![again], Mode::Copy, &[]).unwrap(), &mut out, "", &tree::no_bytes, &Silent);
    assert!(matches!(inside, Err(ArrangeError::Overlap { .. })));
}

#[test]
fn two_runs_do_not_share_an_output() {
    let (_dir, input, out) = input(1);
    let first = Output::open(&out, Some(&input)).unwrap();
    assert!(matches!(Output::open(&out, Some(&input)), Err(ArrangeError::Locked { .. })));
    drop(first);
    Output::open(&out, Some(&input)).unwrap();
}

#[test]
fn a_preview_changes_nothing() {
    let (dir, input, out) = input(30);
    let placements = tree::placements(&input, 30);
    tree::write(&input.join("d1/IMG_0.jpg"), b"changed", 5);
    let before = tree::files(dir.path());
    let mut preview = Output::preview(&out, Some(&input)).unwrap();
    let plan = plan(placements, Mode::Move, &preview.taken().unwrap()).unwrap();
    preview.register(["report.html"]).unwrap();
    let report = apply(&plan, &mut preview, "", &tree::no_bytes, &Silent).unwrap();
    assert_eq!((report.images, report.skipped.len()), (29, 1));
    assert!(!out.exists());
    assert_eq!(tree::files(dir.path()), before);
}

#[test]
fn sources_that_changed_or_went_are_left_alone_with_their_companions() {
    for mode in MODES {
        let (_dir, input, out) = input(30);
        let placements = tree::placements(&input, 30);
        tree::write(&input.join("d0/IMG_0.jpg"), b"edited since", 99);
        fs::remove_file(input.join("d2/IMG_2.jpg")).unwrap();
        let (_, report) = sort(placements, mode, &out).unwrap();
        assert_eq!((report.images, report.companions), (28, 2), "{mode}: {report:?}");
        assert_eq!(report.skipped.len(), 6);
        assert!(report.destinations[0].is_none() && report.destinations[10].is_none());
        for name in ["d0/IMG_0.jpg", "d0/IMG_0.xmp", "d2/IMG_2.mov"] {
            assert!(input.join(name).exists(), "{mode}: {name}");
        }
    }
}

#[test]
fn what_somebody_puts_in_the_way_is_not_overwritten() {
    for mode in MODES {
        let (_dir, input, out) = input(30);
        let mut out = Output::open(&out, Some(&input)).unwrap();
        let plan = plan(tree::placements(&input, 30), mode, &[]).unwrap();
        let cluster = out.root().join("cluster-000");
        fs::create_dir(&cluster).unwrap();
        fs::write(cluster.join("IMG_0.jpg"), "somebody's").unwrap();
        let report = apply(&plan, &mut out, "", &tree::no_bytes, &Silent).unwrap();
        assert_eq!((report.images, report.skipped.len()), (29, 3), "{mode}");
        assert_eq!(fs::read(cluster.join("IMG_0.jpg")).unwrap(), b"somebody's");
        assert!(input.join("d0/IMG_0.jpg").exists() && input.join("d0/IMG_0.xmp").exists());
        let undone = undo(out, &Silent).unwrap();
        assert_eq!(undone.foreign, [PathBuf::from("cluster-000/IMG_0.jpg")], "{mode}");
        assert_eq!(tree::files(&input).len(), 36);
    }
}

#[test]
fn names_of_any_bytes_go_forth_and_back() {
    let dir = tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    fs::create_dir(&input).unwrap();
    let long = format!("{}.jpg", "é".repeat(125) + "x");
    assert_eq!(long.len(), 255);
    let mut names: Vec<std::ffi::OsString> = vec![long.into(), "日本 👩‍👩‍👧.jpg".into(), " .jpg".into(), "-rf".into()];
    if cfg!(unix) {
        names.extend(["a\nb.jpg".into(), "a\\b\".jpg".into(), "CON".into(), "x:y?.jpg ".into()]);
    }
    #[cfg(target_os = "linux")]
    names.push(std::os::unix::ffi::OsStringExt::from_vec(b"\xFF\xFE\x01.jpg".into()));
    for (at, name) in names.iter().enumerate() {
        tree::write(&input.join(name), format!("{at}").as_bytes(), at as u64);
    }
    let before = tree::files(&input);
    for mode in MODES {
        let placement = |name| Placement {
            id: "x".into(),
            directory: "c".into(),
            name: std::ffi::OsString::clone(name),
            origin: Origin::file(&input.join(name)).unwrap(),
            companions: vec![],
        };
        let twice = names.iter().chain(if mode == Mode::Move { &[][..] } else { &names });
        let (_, report) = sort(twice.map(placement).collect(), mode, &out).unwrap();
        assert!(report.skipped.is_empty(), "{:?}", report.skipped);
        assert!(names.iter().all(|name| out.join("c").join(name).exists()));
        assert!(undo(Output::existing(&out).unwrap(), &Silent).unwrap().complete());
        assert_eq!(tree::files(&input), before, "{mode}");
    }
}

#[test]
fn bytes_are_asked_for_in_order_and_a_failure_is_one_skipped_image() {
    let dir = tempdir().unwrap();
    let mut out = Output::open(&dir.path().join("out"), None).unwrap();
    let plan = plan(made_from_bytes(200), Mode::Copy, &[]).unwrap();
    let asked = Mutex::new(vec![]);
    let provider = |image: usize| {
        asked.lock().unwrap().push(image);
        if image == 70 { Err(Error::other("checksum")) } else { Ok(vec![image as u8; image]) }
    };
    let report = apply(&plan, &mut out, "", &provider, &Silent).unwrap();
    assert_eq!((report.images, report.skipped.len()), (199, 1));
    assert!(report.skipped[0].reason.contains("checksum"));
    assert_eq!(asked.into_inner().unwrap(), (0..200).collect::<Vec<_>>());
    assert_eq!(fs::read(dir.path().join("out/cluster-1/123.png")).unwrap(), [123; 123]);
    let undone = undo(out, &Silent).unwrap();
    assert_eq!((undone.removed, undone.complete(), dir.path().join("out").exists()), (199, true, false));
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_copied_as_what_they_show_and_not_moved() {
    let (_dir, input, out) = input(1);
    let link = input.join("d0/link.jpg");
    std::os::unix::fs::symlink("IMG_0.jpg", &link).unwrap();
    let placement = |origin| Placement { name: "link.jpg".into(), origin, ..tree::placements(&input, 1).remove(0) };
    for (mode, placed) in [(Mode::Copy, true), (Mode::HardLink, true), (Mode::Symlink, true), (Mode::Move, false)] {
        let one = Placement { companions: vec![], ..placement(Origin::file(&link).unwrap()) };
        let (_, report) = sort(vec![one], mode, &out).unwrap();
        assert_eq!(report.images == 1, placed, "{mode}");
        if placed {
            assert_eq!(tree::content(&out.join("cluster-000/link.jpg")), tree::content(&input.join("d0/IMG_0.jpg")));
        }
        assert!(undo(Output::existing(&out).unwrap(), &Silent).unwrap().complete());
        assert!(link.is_symlink());
    }
}

/// Asks to stop once `0` is used up.
struct StopAfter(AtomicU64);

impl Reporter for StopAfter {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, steps: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(steps)));
    }
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn an_interruption_is_heard_and_resumed_or_undone() {
    for mode in MODES {
        for resumed in [true, false] {
            let (_dir, input, path) = input(600);
            let before = tree::files(&input);
            let mut out = Output::open(&path, Some(&input)).unwrap();
            let plan = plan(tree::placements(&input, 600), mode, &[]).unwrap();
            let stopped = apply(&plan, &mut out, "s", &tree::no_bytes, &StopAfter(AtomicU64::new(300)));
            assert!(matches!(stopped, Err(ArrangeError::Interrupted(_))));
            assert_eq!(*out.state(), State::Unfinished { mode, settings: "s".into() });
            drop(out);
            let mut out = Output::open(&path, Some(&input)).unwrap();
            if resumed {
                let report = resume(&mut out, &|_| unreachable!(), &Silent).unwrap();
                assert_eq!((report.images, report.companions), (600, 120));
                assert_eq!(tree::files(&path), tree::arranged(&before, &plan, out.root()), "{mode}");
            }
            let stop = undo(out, &StopAfter(AtomicU64::new(1)));
            assert!(matches!(stop, Err(ArrangeError::Interrupted(_))));
            let out = Output::existing(&path).unwrap();
            assert_eq!(*out.state(), State::Undoing { mode, settings: "s".into() });
            assert!(undo(out, &Silent).unwrap().complete());
            assert_eq!((tree::files(&input), path.exists()), (before, false), "{mode}");
        }
    }
}

/// A batch that was begun and not noted as done may have happened in any part.
#[test]
fn a_batch_done_in_part_is_finished_or_taken_back() {
    for mode in MODES {
        for resumed in [true, false] {
            let (_dir, input, path) = input(100);
            let before = tree::files(&input);
            let (plan, _) = sort(tree::placements(&input, 100), mode, &path).unwrap();
            let after = tree::files(&path);
            let journal = path.join(".alike/journal.jsonl");
            let text = fs::read_to_string(&journal).unwrap();
            let begun = text.match_indices("{\"begin\"").last().unwrap().0;
            let line = text[begun..].find('\n').unwrap();
            fs::write(&journal, &text[..begun + line + 1]).unwrap();
            let operations = plan.operations();
            for (at, operation) in operations[operations.len() - 9..].iter().enumerate() {
                let (old, new) = (operation.source.as_ref().unwrap(), path.join(&operation.destination));
                match (at % 3, mode) {
                    (0, Mode::Move) => fs::rename(new, old).unwrap(),
                    (0, _) => fs::remove_file(new).unwrap(),
                    (1, Mode::Move) => tree::copy(&new, old),
                    _ => {}
                }
            }
            let mut out = Output::existing(&path).unwrap();
            if resumed {
                let report = resume(&mut out, &|_| unreachable!(), &Silent).unwrap();
                assert_eq!((report.images, report.skipped), (100, vec![]), "{mode}");
                assert_eq!(tree::files(&path), after, "{mode}");
                let left = if mode == Mode::Move { tree::Files::new() } else { before.clone() };
                assert_eq!(tree::files(&input), left, "{mode}");
            }
            assert!(undo(out, &Silent).unwrap().complete());
            assert_eq!((tree::files(&input), path.exists()), (before, false), "{mode}");
        }
    }
}

#[test]
fn files_that_do_not_fit_are_refused_before_the_first_one() {
    let (_dir, input, out) = input(3);
    let huge = input.join("d0/IMG_0.jpg");
    if fs::File::options().write(true).open(&huge).unwrap().set_len(1 << 43).is_err() {
        eprintln!("skipped: no file of 8 TiB with a hole can be made here");
        return;
    }
    let error = sort(tree::placements(&input, 3), Mode::Copy, &out).unwrap_err();
    assert!(matches!(error, ArrangeError::Space { .. }), "{error}");
    assert!(tree::files(&out).is_empty());
    sort(tree::placements(&input, 3), Mode::HardLink, &out).unwrap();
}

#[test]
fn a_journal_that_makes_no_sense_stops_everything() {
    let (_dir, input, path) = input(100);
    sort(tree::placements(&input, 100), Mode::Move, &path).unwrap();
    let before = tree::files(&path);
    let journal = path.join(".alike/journal.jsonl");
    let whole = fs::read(&journal).unwrap();
    for (at, byte) in [(2, b'x'), (20, b'!'), (whole.len() / 2, b'\n')] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        fs::write(&journal, bytes).unwrap();
        let error = Output::existing(&path).unwrap_err();
        assert!(matches!(error, ArrangeError::Corrupt { .. }), "{error}");
    }
    fs::write(&journal, whole).unwrap();
    assert_eq!(tree::files(&path), before);
    assert!(undo(Output::existing(&path).unwrap(), &Silent).unwrap().complete());
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_can_not_be_written_is_an_error_before_any_work() {
    assert!(matches!(Output::open(Path::new("/proc/alike-out"), None), Err(ArrangeError::File(_))));
}

#[cfg(target_os = "linux")]
#[test]
fn hard_links_across_devices_are_refused() {
    let (_dir, input, _) = input(3);
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return eprintln!("skipped: no /dev/shm") };
    use std::os::unix::fs::MetadataExt;
    if memory.path().metadata().unwrap().dev() == input.metadata().unwrap().dev() {
        return eprintln!("skipped: one device");
    }
    let error = sort(tree::placements(&input, 3), Mode::HardLink, &memory.path().join("out")).unwrap_err();
    assert!(matches!(error, ArrangeError::OtherDevice { .. }), "{error}");
}

/// A small disk of its own, where the system lets us mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(options: &str, at: &Path) -> bool {
        let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).status();
        mount.is_ok_and(|status| status.success())
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_can_be_enlarged_and_resumed_or_undone() {
    let disk = SmallDisk(tempdir().unwrap());
    if !SmallDisk::mount("size=2m", disk.0.path()) {
        return eprintln!("skipped: only root can mount a small disk");
    }
    let path = disk.0.path().join("out");
    for resumed in [false, true] {
        let mut out = Output::open(&path, None).unwrap();
        let plan = plan(made_from_bytes(300), Mode::Copy, &[]).unwrap();
        let error = apply(&plan, &mut out, "", &|image| Ok(vec![image as u8; 20_000]), &Silent).unwrap_err();
        assert!(matches!(&error, ArrangeError::File(e) if e.source.kind() == ErrorKind::StorageFull), "{error}");
        assert!(matches!(out.state(), State::Unfinished { .. }));
        if resumed {
            assert!(SmallDisk::mount("remount,size=20m", disk.0.path()));
            let make = |id: &str| Ok(vec![id.parse::<usize>().unwrap() as u8; 20_000]);
            assert_eq!(resume(&mut out, &make, &Silent).unwrap().images, 300);
            let all = tree::files(&path);
            assert!(all.len() == 300 && all.values().all(|(bytes, _)| *bytes == vec![bytes[0]; 20_000]));
        }
        assert!(undo(out, &Silent).unwrap().complete() && !path.exists());
    }
}
