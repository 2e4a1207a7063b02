//! System Settings > Users: what each person of an account may do, and the two permissions that belong to a person.

pub mod details;
pub mod details_pages;
pub mod index_pages;
pub mod list;
pub mod switch_pages;

/// Where the list is.
pub const PATH: &str = "/settings/users";
