//! Requests that no browser would send, byte by byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TestApp, wait};

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header, or "".
    pub fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// Sends bytes on a connection of their own and reads until the server is done. The request should ask for
/// `Connection: close`.
pub async fn send(to: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    let mut stream = TcpStream::connect(to).await.expect("connects");
    // A server that has seen enough may close while we still write.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut all = Vec::new();
    let read = stream.read_to_end(&mut all);
    let read = tokio::time::timeout(wait::DEADLINE, read).await;
    // So may the end of the answer be cut by a reset; what was read before counts.
    let _ = read.expect("the server answers and closes");
    parse(&all)
}

/// Takes a whole answer apart.
pub fn parse(all: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// The head of a request on a connection of its own.
pub fn head(app: &TestApp, method: &str, path: &str, more: &str) -> String {
    let host = app.address();
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
}

/// A POST with this body and these header lines.
pub async fn post(app: &TestApp, path: &str, headers: &str, body: &[u8]) -> Answer {
    let length = format!("{headers}Content-Length: {}\r\n", body.len());
    let mut bytes = head(app, "POST", path, &length).into_bytes();
    bytes.extend(body);
    send(app.address(), bytes).await
}

/// Head line of an ordinary form.
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
