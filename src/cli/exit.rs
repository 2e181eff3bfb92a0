//! Exit codes.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Failed; nothing is half-written.
    Failed = 1,
    /// The command line makes no sense (clap exits with the same code).
    Usage = 2,
    /// Done, with images left out.
    Skipped = 3,
    /// Stopped by the user; the same command goes on.
    Interrupted = 130,
}

impl Exit {
    /// [`Exit::Skipped`] if anything was left out.
    pub fn of_skipped(n_skipped: usize) -> Self {
        if n_skipped == 0 { Self::Done } else { Self::Skipped }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What was typed can't be meant; exits with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
