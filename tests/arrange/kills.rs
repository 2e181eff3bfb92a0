//! `kill -9` at random moments of a move of 2,000 images, then resume or undo.
//!
//! The test binary runs itself again as the process to be killed. `ALIKE_KILLS=50` asks for as many kills.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alike::arrange::{Mode, Output, State, apply, plan, resume, undo};
use alike::progress::Silent;
use rand::{Rng, SeedableRng};

use crate::tree::{self, Files};

const N: usize = 2000;

/// Does nothing as a test; it is the process that [`Case::start`] starts.
#[test]
fn child() {
    let Ok(action) = std::env::var("ALIKE_CHILD") else { return };
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let (input, out) = (path("ALIKE_INPUT"), path("ALIKE_OUT"));
    match action.as_str() {
        "apply" => {
            let mut out = Output::open(&out, Some(&input)).unwrap();
            let plan = plan(tree::placements(&input, N), Mode::Move, &[]).unwrap();
            apply(&plan, &mut out, "", &tree::no_bytes, &Silent).unwrap();
        }
        // The process before may have been killed after its last line.
        "resume" => match Output::existing(&out).unwrap() {
            out if matches!(out.state(), State::Finished { .. }) => {}
            mut out => drop(resume(&mut out, &|_| unreachable!(), &Silent).unwrap()),
        },
        "undo" => drop(undo(Output::existing(&out).unwrap(), &Silent).unwrap()),
        other => panic!("{other}"),
    }
}

struct Case {
    input: tempfile::TempDir,
    out: tempfile::TempDir,
    files: Files,
    arranged: Files,
}

/// When to kill a process.
#[derive(Clone, Copy)]
enum Moment {
    /// So long after its start.
    Time(Duration),
    /// So long after its journal has reached this length, which doesn't depend on how busy the machine is.
    Journal(u64, Duration),
}

impl Case {
    fn new(input_in: &Path, out_in: &Path) -> Self {
        let (input, out) = (tempfile::tempdir_in(input_in).unwrap(), tempfile::tempdir_in(out_in).unwrap());
        tree::make(input.path(), N);
        let plan = plan(tree::placements(input.path(), N), Mode::Move, &[]).unwrap();
        let files = tree::files(input.path());
        let arranged = tree::arranged(&files, &plan, &out.path().join("out"));
        assert_eq!((files.len(), arranged.len()), (2400, 2400));
        Self { input, out, files, arranged }
    }

    fn out(&self) -> PathBuf {
        self.out.path().join("out")
    }

    /// Runs the action in a process of its own.
    fn start(&self, action: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::child", "--nocapture"])
            .env("ALIKE_CHILD", action)
            .env("ALIKE_INPUT", self.input.path())
            .env("ALIKE_OUT", self.out())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills the action at this moment; whether it was still running.
    fn kill(&self, action: &str, moment: Moment) -> bool {
        let started = Instant::now();
        let mut child = self.start(action);
        while !self.has_come(moment, started) {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{action} failed by itself");
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    fn has_come(&self, moment: Moment, started: Instant) -> bool {
        match moment {
            Moment::Time(delay) => started.elapsed() >= delay,
            Moment::Journal(len, _) if self.journal_len() < len => false,
            Moment::Journal(_, delay) => {
                std::thread::sleep(delay);
                true
            }
        }
    }

    fn journal_len(&self) -> u64 {
        std::fs::metadata(self.out().join(".alike/journal.jsonl")).map_or(0, |meta| meta.len())
    }

    /// Every file is whole at its old path or under its new name; never at both if it wasn't copied.
    fn check_between(&self, copies: bool) -> usize {
        let old = tree::files(self.input.path());
        let new = tree::files(&self.out());
        let mut moved = 0;
        for ((from, content), to) in self.files.iter().map(|(from, content)| ((from, content), self.to(from))) {
            let (at_old, at_new) = (old.get(from) == Some(content), new.get(&to) == Some(content));
            assert!(at_old || at_new, "{from:?} is lost");
            assert!(copies || at_old != at_new, "{from:?} is there twice");
            moved += usize::from(at_new);
        }
        moved
    }

    fn to(&self, from: &Path) -> PathBuf {
        let plan = &self.arranged;
        let content = &self.files[from];
        plan.iter().find(|(_, other)| *other == content).unwrap().0.clone()
    }

    fn check_arranged(&self) {
        assert_eq!(tree::files(self.input.path()), Files::new());
        assert_eq!(tree::files(&self.out()), self.arranged);
        assert!(matches!(Output::existing(&self.out()).unwrap().state(), State::Finished { .. }));
        assert!(!self.out().join(".alike/staging").exists());
    }

    fn check_back(&self) {
        assert_eq!(tree::files(self.input.path()), self.files);
        assert!(!self.out().exists());
    }
}

/// Kills an apply, then resumes or undoes it, killing that once too, `ALIKE_KILLS` times (6 if not set).
fn kill_at_random_moments(input_in: &Path, out_in: &Path, copies: bool, seed: u64) {
    let kills = std::env::var("ALIKE_KILLS").map_or(6, |n| n.parse().unwrap());
    let whole = Case::new(input_in, out_in);
    let time = |action| {
        let started = Instant::now();
        assert!(whole.start(action).wait().unwrap().success());
        started.elapsed()
    };
    let apply_takes = time("apply");
    whole.check_arranged();
    let journal_len = whole.journal_len();
    let undo_takes = time("undo");
    whole.check_back();

    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let jitter = |random: &mut rand_chacha::ChaCha8Rng| Duration::from_micros(random.random_range(0..10_000));
    let (mut killed, mut halfway, mut resumed, mut undone, mut killed_again) = (0, 0, 0, 0, 0);
    while killed < kills {
        let case = Case::new(input_in, out_in);
        let moment = Moment::Journal(random.random_range(0..journal_len), jitter(&mut random));
        if !case.kill("apply", moment) {
            case.check_arranged();
            continue;
        }
        killed += 1;
        let moved = case.check_between(copies);
        halfway += usize::from(moved > 0 && moved < case.files.len());
        let begun = case.out().join(".alike/plan.jsonl").exists();
        let action = if killed % 2 == 0 && begun { "resume" } else { "undo" };
        if case.out().join(".alike/marker").exists() {
            let moment = match action {
                "undo" => Moment::Time(undo_takes.mul_f64(random.random())),
                _ => Moment::Journal(random.random_range(case.journal_len()..=journal_len), jitter(&mut random)),
            };
            if case.kill(action, moment) {
                killed_again += 1;
                case.check_between(copies);
            }
        }
        match (action, Output::existing(&case.out())) {
            // Killed before it had begun, or the undo came to its end.
            (_, Err(_)) => {
                assert_eq!(tree::files(case.input.path()), case.files);
                undone += usize::from(begun);
            }
            ("resume", Ok(mut out)) => {
                if matches!(out.state(), State::Unfinished { .. }) {
                    let report = resume(&mut out, &|_| unreachable!(), &Silent).unwrap();
                    assert_eq!((report.images, report.companions, report.skipped.len()), (N, 400, 0));
                }
                drop(out);
                case.check_arranged();
                resumed += 1;
            }
            (_, Ok(out)) => {
                let report = undo(out, &Silent).unwrap();
                assert!(report.complete() && report.missing.is_empty() && report.foreign.is_empty(), "{report:?}");
                case.check_back();
                undone += 1;
            }
        }
    }
    eprintln!(
        "{killed} kills of a move (it takes {apply_takes:.0?}), {halfway} of them halfway; \
         {resumed} resumed, {undone} undone, {killed_again} of these killed too; no file lost"
    );
}

#[test]
fn a_killed_move_loses_nothing() {
    let temp = std::env::temp_dir();
    kill_at_random_moments(&temp, &temp, false, 1);
}

#[cfg(unix)]
#[test]
fn a_killed_move_across_devices_loses_nothing() {
    use std::os::unix::fs::MetadataExt;
    let (memory, disk) = (Path::new("/dev/shm"), std::env::temp_dir());
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    if device(memory).is_none() || device(memory) == device(&disk) {
        eprintln!("skipped: /dev/shm is not another device than {disk:?}");
        return;
    }
    kill_at_random_moments(memory, &disk, true, 2);
    kill_at_random_moments(&disk, memory, true, 3);
}
