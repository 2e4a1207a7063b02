//! Exports: the rows and columns of a list as a CSV file. Needs the Export permission as well as Read on the object, and
//! holds exactly what the list shows to the asker: every batch opens the asker's desk anew, so a right that is taken away
//! ends the export there, whichever way it runs.
//!
//! Two ways. *Direct*: straight to the browser, nothing is kept. *As a job*: written to the folder for exports by a
//! worker, which holds a lease on the row; when it dies, another starts the file anew. The file stays a copy of what the
//! asker was allowed to see, so nobody else may download it, and they themselves only while they still have Export and
//! Read on the object: whoever lost either has lost the reason to hold the rows.
//!
//! The rows come in order of name, whatever the list is sorted by: by last update a record that somebody changes while
//! the file is written would move from where it has not been read to where it has.

pub mod direct;
pub mod job;
pub mod pages;
mod rows;
pub mod stored;

pub use rows::{Batch, Plan, batch};

/// Rows beyond which an export is offered as a job first, and asks for a fresh code.
pub const BULK: usize = 10_000;

/// How long a file is kept.
pub const KEPT: time::Duration = time::Duration::days(7);
