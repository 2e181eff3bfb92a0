//! Parsers of foreign bytes under random damage: an error or a value, never a panic, never a huge allocation, never a
//! wait without end.
//!
//! Each parser runs for ALIKE_FUZZ_SECONDS (default 1) on mutations of real inputs; what broke it is left in the
//! temporary directory. Ten minutes each: `ALIKE_FUZZ_SECONDS=600 cargo test --release --test fuzz`.

use alike::arrange::journal::{Journal, SavedPlan};
use alike::arrange::{Mode, Origin, Output, Placement, apply, plan};
use alike::cluster::{Assigner, Centroids, Metric};
use alike::embed::ExtractorSpec;
use alike::model::{ClusterEntry, Model, Provenance};
use alike::progress::Silent;
use alike::source::{Data, cifar, idx, npy};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A parser that takes longer than this for a few hundred bytes will never be done, however busy the disk is.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `target` on mutations of `seeds` until the time is over.
fn fuzz(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8]) + Sync) {
    let seconds = std::env::var("ALIKE_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seconds);
    let (start, mut runs) = (Instant::now(), 0u64);
    seeds.iter().for_each(|seed| target(seed));
    let blame = |input: &[u8], what: &str| {
        let path = std::env::temp_dir().join(format!("alike-fuzz-{name}"));
        std::fs::write(&path, input).unwrap();
        format!("{name}: {what} on {}", path.display())
    };
    let (inputs, taken) = mpsc::sync_channel::<Vec<u8>>(0);
    let (answer, answered) = mpsc::channel();
    std::thread::scope(|scope| {
        let target = &target;
        scope.spawn(move || {
            for input in taken {
                let survived = catch_unwind(AssertUnwindSafe(|| target(&input))).is_ok();
                answer.send(survived).unwrap();
            }
        });
        while start.elapsed() < Duration::from_secs(seconds) {
            let input = mutate(seeds, &mut rng);
            inputs.send(input.clone()).unwrap();
            match answered.recv_timeout(PATIENCE) {
                Ok(survived) => assert!(survived, "{}", blame(&input, &format!("run {runs} panicked"))),
                Err(_) => {
                    // The thread can't be stopped, so the process is.
                    eprintln!("{}", blame(&input, &format!("run {runs} does not end")));
                    std::process::exit(1);
                }
            }
            runs += 1;
        }
        drop(inputs);
    });
    println!("{name}: {runs} runs in {seconds} s");
}

/// One of the seeds after a few edits.
fn mutate(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const TELLING: [u8; 16] = [0, 1, 2, 3, 8, 9, 0x7f, 0x80, 0xff, b'"', b'\\', b'{', b'(', b'-', b'9', b'\n'];
    let mut input = seeds.choose(rng).unwrap().clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=input.len());
        // Headers are where parsers break: half of the edits go there.
        let at = if rng.random() { at.min(rng.random_range(0..200)) } else { at };
        match rng.random_range(0..7) {
            0 => input.truncate(at),
            1 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
            2 if at < input.len() => input[at] = *TELLING.choose(rng).unwrap(),
            3 => input.insert(at.min(input.len()), *TELLING.choose(rng).unwrap()),
            4 => {
                let value: u64 = [0, 1, u64::MAX, i64::MAX as u64, u32::MAX.into(), 1 << 31][rng.random_range(0..6)];
                let bytes = if rng.random() { value.to_le_bytes() } else { value.to_be_bytes() };
                let n = [1, 2, 4, 8][rng.random_range(0..4)];
                input.iter_mut().skip(at).zip(&bytes[..n]).for_each(|(to, from)| *to = *from);
            }
            5 => {
                let other = seeds.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = (at + rng.random_range(1..40)).min(input.len());
                let piece = input[at.min(end)..end].to_vec();
                let n = rng.random_range(1..30);
                input.splice(at..at, piece.iter().copied().cycle().take(n * piece.len()));
            }
        }
    }
    input
}

#[test]
fn idx_files() {
    let header = |kind: u8, dims: &[u32]| {
        let mut bytes = vec![0, 0, 8, kind];
        dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes
    };
    let grey = [header(3, &[3, 4, 5]), vec![7; 60]].concat();
    let rgb = [header(4, &[2, 3, 2, 3]), vec![9; 36]].concat();
    fuzz("idx", &[grey, rgb, header(1, &[2])], |bytes| {
        let data = Data::Memory(bytes.to_vec());
        if let Ok(layout) = idx::parse(&data) {
            let _ = layout.read(&data, 0);
            let _ = layout.read(&data, layout.count().saturating_sub(1));
            let _ = layout.read(&data, u64::MAX);
        }
    });
}

#[test]
fn cifar_batches() {
    fuzz("cifar", &[vec![3; 3073 * 2], vec![5; 3074], vec![1; 3073 * 3074]], |bytes| {
        let data = Data::Memory(bytes.to_vec());
        if let Ok((layout, _)) = cifar::parse(&data) {
            let _ = layout.read(&data, layout.count().saturating_sub(1));
        }
    });
}

#[test]
fn npy_files() {
    let file = |descr: &str, order: &str, shape: &str, n: usize| {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        header += &" ".repeat(127 - (header.len() + 10) % 128 + 1 - 1);
        header.push('\n');
        [b"\x93NUMPY\x01\x00".to_vec(), (header.len() as u16).to_le_bytes().to_vec(), header.into_bytes(), vec![1; n]]
            .concat()
    };
    let seeds = [
        file("|u1", "False", "(2, 3, 4)", 24),
        file("|u1", "False", "(2, 3, 4, 3)", 72),
        file("<f4", "False", "(5, 2)", 40),
        file("|u1", "True", "(2, 3, 4)", 24),
    ];
    assert!(matches!(npy::parse(&Data::Memory(seeds[0].clone())), Ok(npy::Array::Images(_))));
    let path = tempfile::Builder::new().suffix(".npy").tempfile().unwrap().into_temp_path();
    fuzz("npy", &seeds, |bytes| {
        let data = Data::Memory(bytes.to_vec());
        if let Ok(npy::Array::Images(layout)) = npy::parse(&data) {
            let _ = layout.read(&data, layout.count().saturating_sub(1));
        }
        let _ = std::fs::remove_file(&path); // Overwriting waits for the disk.
        std::fs::write(&path, bytes).unwrap();
        let _ = alike::embed::files::read(&path);
    });
}

#[test]
fn models() {
    let entry = |name: &str| ClusterEntry { name: name.into(), size: 3, reach: 0.5 };
    let model = Model {
        extractor: None,
        reducer: None,
        assigner: Assigner::Centroids(Centroids {
            metric: Metric::Euclidean,
            centroids: ndarray::array![[0.0, 1.0], [2.0, 3.0]],
            blank: None,
        }),
        clusters: vec![entry("cluster-000"), entry("cluster-001")],
        provenance: Provenance::default(),
    };
    let spec = r#"{"extractor":"pixels","version":1,"width":2,"height":1,"fit":"stretch","colour":"grey"}"#;
    let extractor: ExtractorSpec = serde_json::from_str(spec).unwrap();
    let with_extractor = Model { extractor: Some(extractor), ..model.clone() };
    let original = model.to_bytes();
    fuzz("model", &[original.clone(), with_extractor.to_bytes()], |bytes| {
        if let Ok(read) = Model::from_bytes(bytes, "fuzzed") {
            assert!(read == model || read == with_extractor, "a damaged model was taken for another one");
        }
    });
}

#[test]
fn plans_and_journals() {
    let dir = tempfile::tempdir().unwrap();
    let placements = ["a.jpg", "b \"\n\\.jpg", "c.png"].map(|name| {
        let path = dir.path().join(name);
        std::fs::write(&path, name).unwrap();
        Placement {
            id: name.into(),
            directory: "cluster-000".into(),
            name: name.into(),
            origin: Origin::file(&path).unwrap(),
            companions: vec![],
        }
    });
    let mut out = Output::open(&dir.path().join("out"), None).unwrap();
    let plan = plan(placements.to_vec(), Mode::Copy, &out.taken().unwrap()).unwrap();
    apply(&plan, &mut out, "settings", &|_| unreachable!(), &Silent).unwrap();
    let own = |name: &str| std::fs::read(dir.path().join("out/.alike").join(name)).unwrap();
    let seeds = [own("plan.jsonl"), own("journal.jsonl")];
    assert!(SavedPlan::parse(&seeds[0]).is_ok() && Journal::parse(&seeds[1]).is_ok());
    fuzz("journal", &seeds, |bytes| {
        let _ = SavedPlan::parse(bytes);
        let _ = Journal::parse(bytes);
    });
}
