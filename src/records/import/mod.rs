//! Imports: rows of a CSV file that become new records or change existing ones. In steps: the file is sent, its columns
//! are matched to fields, every row is tried out without changing anything, then the rows are imported.
//!
//! Rows are kept as they were sent. Both passes over them are jobs that act as the asker with the rights as they are at
//! each batch; what a batch did, what became of each of its rows, and how far the import is, is one transaction, so that
//! a process that dies in between has neither lost nor doubled a row. A row without a record number needs Create; one
//! with a number needs Edit, and a record that the asker may change: one out of sight is one that does not exist.
//!
//! An empty cell leaves the value of its field as it is: a list from which somebody took columns or links out of sight
//! must not empty them when it comes back.

pub mod columns;
pub mod job;
pub mod pages;
mod receive;
pub mod result_pages;
mod rows;
pub mod stored;
pub mod sweep;

/// How long rows are kept as they were sent.
pub const KEPT: time::Duration = time::Duration::days(90);

/// How long a file waits to be imported.
pub const WAITS: time::Duration = time::Duration::days(2);
