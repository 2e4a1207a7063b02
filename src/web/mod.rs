//! Kernel: HTTP. Requests and answers, forms, the page frame, CSRF, headers, static files, client address, metrics.

pub mod address;
pub mod answer;
pub mod assets;
mod body;
pub mod csrf;
pub mod csv;
pub mod errors;
pub mod form;
pub mod frame;
pub mod gzip;
pub mod metrics;
pub mod once;
pub mod paging;
mod pieces;
mod policy;
pub mod request;
pub mod server;
mod session_store;
pub mod shell;
pub mod times;
pub mod upload;

/// Random bytes from the operating system.
///
/// Without a random source no token is safe, so there is nothing sensible to go on with: the request ends with 500.
#[allow(clippy::expect_used)]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
