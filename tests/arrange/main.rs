//! Arranging real files: every mode forth and back, and every way we know in which a file could be lost.

mod kills;
mod rules;
mod tree;
mod undo;
