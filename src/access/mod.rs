//! Kernel: who is asking, and what that person may open.
//!
//! The way of a request: [`Visit`] loads session, user, member and account in one query; a [`Proof`] type decides;
//! [`Can`] carries the decision into the handler and owns the way to the database; [`Tx`] carries it into queries.

mod behalf;
mod caller;
mod guard;
mod kept;
mod permissions;
mod tx;

pub use behalf::{Asker, OnBehalf};
pub(crate) use caller::IDLE;
pub use caller::{Caller, Environment, Level, PlatformRoles, Theme};
pub use guard::{Can, Later, Visit};
pub use kept::{Html, Kept};
pub use permissions::{
    Administers, Admit, Anyone, HalfSignedIn, InAccount, ManageBilling, ManageMembers,
    ManagePermissions, Needs, Operator, Permission, Proof, SignedIn, System, UseRecords,
    ViewAuditLog,
};
pub use tx::{Actor, LONGEST, Tx};

/// How long a typed code counts as fresh for dangerous actions (SPEC 3.4).
pub const FRESH_CODE: time::Duration = time::Duration::minutes(15);
