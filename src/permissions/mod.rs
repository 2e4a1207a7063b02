//! Who may do what (SPEC 5): roles say whose records a member may see, profiles what a member may do, layouts which
//! fields, sharing what is opened beyond that.
//!
//! [`objects`], [`slots`], [`model`], [`fields`] and [`decide`] know neither SQL nor HTTP, so that the decision can be
//! tested by the million; [`load`] fills them from the database. [`setup`] is where administrators change them.

pub mod apply;
pub mod census;
pub mod change;
pub mod check_access_pages;
pub mod custom_fields;
pub mod decide;
pub mod difference;
mod events;
pub mod explain;
mod explain_self;
mod explain_words;
pub mod fields;
pub mod fields_pages;
pub mod history_pages;
pub mod layouts;
pub mod lint;
pub mod lint_pages;
pub mod load;
pub mod members;
pub mod model;
pub mod objects;
pub mod organization_wide;
pub mod pages;
pub mod profiles;
pub mod proposals;
pub mod review;
pub mod review_pages;
mod review_words;
pub mod roles;
pub mod setup;
pub mod shares;
pub mod sharing_rules;
pub mod slots;
pub mod standard;
pub mod ways;
mod write;

pub use change::Change;
pub use decide::{Action, Because, Grant, People, Reach, Verdict};
pub use fields::{FieldSet, Shown};
pub use load::rules;
pub use model::{Facts, Level, Rights, Rules};
pub use objects::Object;
