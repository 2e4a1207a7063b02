//! What the tests stand on: real servers, started by the tests themselves and gone with them.

pub mod browser;
pub mod postgres;
pub mod process;
pub mod smtp;
pub mod wait;
