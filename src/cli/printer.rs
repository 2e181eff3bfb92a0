//! What the user sees: bars on a terminal, plain lines elsewhere, results on standard output.

use super::args::{Common, Format};
use crate::progress::Reporter;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Between two plain lines of the same stage.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Draws progress and prints results.
pub struct Printer {
    format: Format,
    level: Level,
    stage: Mutex<Option<StageLine>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

struct StageLine {
    name: &'static str,
    total: Option<u64>,
    done: u64,
    started: Instant,
    last_line: Instant,
    status: String,
    bar: Option<ProgressBar>,
}

impl Printer {
    /// A printer for these options; from now on Ctrl-C asks to stop, and a second one stops at once.
    pub fn new(common: &Common) -> Self {
        let level = match (common.quiet, common.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        // Fails only if a handler is set already, which then does the same.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(super::Exit::Interrupted as i32);
            }
        });
        Self { format: common.format, level, stage: Mutex::new(None) }
    }

    /// Prints the result: `json` as it is, or the lines of `text`.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn result(&self, json: &serde_json::Value, text: &str) -> std::io::Result<()> {
        match self.format {
            Format::Json => self.out(&json.to_string()),
            Format::Text => self.out(text.trim_end()),
        }
    }

    /// Whether results are one JSON object.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints lines of data, whatever the options.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn out(&self, text: &str) -> std::io::Result<()> {
        writeln!(std::io::stdout().lock(), "{text}")
    }

    fn line(&self, text: &str) {
        let text = harmless(text);
        let stage = self.stage.lock().unwrap_or_else(|e| e.into_inner());
        match stage.as_ref().and_then(|s| s.bar.as_ref()) {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

/// Control characters of file names made visible: a terminal would obey them.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

impl Reporter for Printer {
    fn begin(&self, stage: &'static str, total: Option<u64>) {
        self.end();
        if self.level == Level::Quiet {
            return;
        }
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let template = match total {
                Some(_) => "{msg:>9} {wide_bar} {human_pos}/{human_len}  {rate}  {eta} left{prefix}",
                None => "{msg:>9} {spinner} {elapsed}",
            };
            let style = ProgressStyle::with_template(template).expect("a valid template");
            bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = out.write_str(&per_second(state.per_sec()));
            }));
            bar.set_message(stage);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        let (done, status) = (0, String::new());
        let line = StageLine { name: stage, total, done, started: now, last_line: now, status, bar };
        *self.stage.lock().unwrap_or_else(|e| e.into_inner()) = Some(line);
    }

    fn advance(&self, steps: u64) {
        let mut stage = self.stage.lock().unwrap_or_else(|e| e.into_inner());
        let Some(stage) = stage.as_mut() else { return };
        stage.done += steps;
        match &stage.bar {
            Some(bar) => bar.inc(steps),
            None if stage.last_line.elapsed() >= LINE_INTERVAL => {
                stage.last_line = Instant::now();
                eprintln!("{}", stage.progress());
            }
            None => {}
        }
    }

    fn status(&self, status: &str) {
        let mut stage = self.stage.lock().unwrap_or_else(|e| e.into_inner());
        let Some(stage) = stage.as_mut() else { return };
        stage.status = format!(", {status}");
        if let Some(bar) = &stage.bar {
            bar.set_prefix(stage.status.clone());
        }
    }

    fn end(&self) {
        let stage = self.stage.lock().unwrap_or_else(|e| e.into_inner()).take();
        let Some(stage) = stage else { return };
        if let Some(bar) = &stage.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}", stage.summary());
    }

    fn detail(&self, message: &str) {
        if self.level == Level::Verbose {
            self.line(&format!("{:>9} {message}", ""));
        }
    }

    fn notice(&self, message: &str) {
        if self.level >= Level::Normal {
            self.line(&format!("{:>9} {message}", ""));
        }
    }

    fn warn(&self, message: &str) {
        self.line(&format!("warning: {message}"));
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

/// A rate; of slow steps with a digit more.
fn per_second(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

impl StageLine {
    fn rate(&self) -> f64 {
        self.done as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn progress(&self) -> String {
        match self.total {
            Some(total) => {
                let left = (total.saturating_sub(self.done)) as f64 / self.rate().max(1e-9);
                let Self { name, done, status, .. } = self;
                format!("{name:>9} {done}/{total}, {}, {left:.0} s left{status}", per_second(self.rate()))
            }
            None => format!("{:>9} {:.0} s", self.name, self.started.elapsed().as_secs_f64()),
        }
    }

    fn summary(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        match self.done {
            0 => format!("{:>9} {seconds:.2} s", self.name),
            done => format!("{:>9} {done} in {seconds:.2} s, {}{}", self.name, per_second(self.rate()), self.status),
        }
    }
}
