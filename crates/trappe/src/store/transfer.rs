//! A history as lines of JSON: out of a database, and into one. `docs/storage.md` describes the lines.
//!
//! What was exported, imported and exported again is the same, byte for byte. An import is one transaction: all of it, or
//! nothing.

mod export;
mod import;
mod line;

#[cfg(test)]
pub(super) mod tests;

pub(crate) use self::{
    export::{ExportError, export},
    import::{Bad, ImportError, import},
};
