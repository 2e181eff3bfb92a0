//! How the library tells what it is doing, and learns that it should stop. The caller draws.

/// Hears of progress. All methods may be called from any thread.
pub trait Reporter: Sync {
    /// A stage begins; `total` steps lie ahead if known.
    fn begin(&self, stage: &'static str, total: Option<u64>);
    /// `steps` more are done.
    fn advance(&self, steps: u64);
    /// How the stage stands, in a few words beside its progress, such as `loss 0.123`.
    fn status(&self, _: &str) {}
    /// The stage is over.
    fn end(&self);
    /// Something the user should know, such as a choice made for them (`-v` shows it).
    fn detail(&self, message: &str);
    /// Something the user would like to know, such as how much is about to be fetched.
    fn notice(&self, message: &str) {
        self.detail(message);
    }
    /// Something the user must know.
    fn warn(&self, message: &str);
    /// Whether the user asked to stop. Long loops ask often and return [`Interrupted`].
    fn interrupted(&self) -> bool;

    /// [`Interrupted`] if the user asked to stop.
    ///
    /// # Errors
    /// [`Interrupted`], then.
    fn check(&self) -> Result<(), Interrupted> {
        if self.interrupted() { Err(Interrupted) } else { Ok(()) }
    }
}

/// The user asked to stop; what was finished is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; run the same command again to go on where it stopped")]
pub struct Interrupted;

/// Reports nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        false
    }
}

/// Stops a run after so many steps, if any; counts how often it is asked, and keeps what it is warned of.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Watch {
    stop_after: Option<u64>,
    steps: std::sync::atomic::AtomicU64,
    asked: std::sync::atomic::AtomicUsize,
    warned: std::sync::Mutex<Vec<String>>,
}

#[cfg(test)]
impl Watch {
    pub fn stopping_after(steps: u64) -> Self {
        Self { stop_after: Some(steps), ..Self::default() }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn warned(&self) -> Vec<String> {
        self.warned.lock().unwrap().clone()
    }
}

#[cfg(test)]
impl Reporter for Watch {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, steps: u64) {
        self.steps.fetch_add(steps, std::sync::atomic::Ordering::Relaxed);
    }
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, message: &str) {
        self.warned.lock().unwrap().push(message.into());
    }
    fn interrupted(&self) -> bool {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.stop_after.is_some_and(|most| self.steps.load(std::sync::atomic::Ordering::Relaxed) >= most)
    }
}
