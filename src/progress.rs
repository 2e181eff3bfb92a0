//! How the library tells what it is doing, and learns that it should stop. The caller draws.

/// Hears of progress. All methods may be called from any thread.
pub trait Reporter: Sync {
    /// A stage begins; `total` steps lie ahead if known.
    fn begin(&self, stage: &'static str, total: Option<u64>);
    /// `steps` more are done.
    fn advance(&self, steps: u64);
    /// The stage is over.
    fn end(&self);
    /// Something the user should know, such as a choice made for them (`-v` shows it).
    fn detail(&self, message: &str);
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

/// Asked to stop from the beginning.
#[cfg(test)]
pub(crate) struct Stopped;

#[cfg(test)]
impl Reporter for Stopped {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        true
    }
}

/// Counts how often it is asked whether to stop.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Counting(std::sync::atomic::AtomicUsize);

#[cfg(test)]
impl Counting {
    pub fn checks(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Reporter for Counting {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn interrupted(&self) -> bool {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        false
    }
}
