//! Server processes that cannot outlive the tests.
//!
//! Each server is the child of a small `sh` watchdog that reads from a pipe only this process holds the other end of.
//! However this process ends (`exit`, a panic, `kill -9`), the kernel closes the pipe, the watchdog reads the end of it,
//! stops the server and removes its folder. `Drop` alone would not do: a `static` is never dropped.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `$1` folder, `$2` signal that stops the server, then the server. A line on stdin: stop it, with the signal that the line
/// names if any; end of file: remove the folder too. Ends as the server ended.
/// `setsid` gives the server a group of its own, so that whatever it started goes with it.
const WATCHDOG: &str = r#"
dir=$1 signal=$2
shift 2
setsid "$@" </dev/null 2>>"$dir/log" &
server=$!
exec >/dev/null 2>&1
read -r asked && keep=1
kill -s "${asked:-$signal}" "$server"
wait "$server"
ended=$?
kill -s KILL -- "-$server"
[ -n "$keep" ] || rm -rf "$dir"
exit "$ended"
"#;

/// The one thing to say when a program the tests need is not there.
pub const INSTALL: &str = "run the tests with `bash .ci/test`, which installs it";

/// A user and group id to run a server as.
#[derive(Clone, Copy)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

/// A running server process.
pub struct Server {
    watchdog: Child,
    leash: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `command`; what it writes to stderr goes to `log` in `dir`, the folder that goes when this process does.
    /// `stop_with` is the name of the signal that ends it.
    pub fn start(dir: &Path, stop_with: &str, user: Option<User>, command: &[&OsStr]) -> Server {
        let mut watchdog = Command::new("/bin/sh");
        watchdog
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(dir)
            .arg(stop_with)
            .args(command);
        // A group of its own: Ctrl-C in a terminal ends the tests, and the watchdog sees that by itself.
        watchdog.process_group(0).current_dir(dir).env("HOME", dir);
        if let Some(user) = user {
            watchdog.uid(user.uid).gid(user.gid);
        }
        let mut watchdog = watchdog
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot start /bin/sh");
        Server {
            leash: watchdog.stdin.take(),
            output: BufReader::new(watchdog.stdout.take().expect("stdout is piped")),
            watchdog,
        }
    }

    /// The next line the server writes to stdout; `None` when it ended instead.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(n) if n > 0 => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// Stops the server and leaves its folder.
    pub fn stop(self) {
        self.end_with("");
    }

    /// The same with a signal of choice; gives the exit code, 128 and more when the signal killed it.
    pub fn end_with(mut self, signal: &str) -> Option<i32> {
        if let Some(mut leash) = self.leash.take() {
            let _ = writeln!(leash, "{signal}");
        }
        self.watchdog.wait().ok()?.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.watchdog.wait();
    }
}

/// A new empty folder, owned by `user` when one is given, for a server to live in.
pub fn folder(name: &str, user: Option<User>) -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix(&format!("insight-{name}-"))
        .tempdir()
        .expect("cannot make a temporary folder")
        .keep();
    if let Some(user) = user {
        chown(&dir, Some(user.uid), Some(user.gid)).expect("cannot give away a temporary folder");
    }
    dir
}

/// What a server wrote to stderr, for the message of a test that fails because of it.
pub fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// A loopback port nobody else is given as long as this lives, whether a server listens on it or not.
///
/// The socket is bound with `SO_REUSEADDR` and never listens: the kernel then leaves the port out when it hands out free
/// ones, refuses connections to it, and still lets one server bind it and listen.
pub struct Port {
    _reserved: tokio::net::TcpSocket,
    pub number: u16,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Port {
        let reserve = || {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let number = socket.local_addr()?.port();
            Ok::<_, std::io::Error>(Port {
                _reserved: socket,
                number,
            })
        };
        reserve().expect("no free port on 127.0.0.1")
    }
}

/// The program of this name on the search path.
pub fn program(name: &str) -> PathBuf {
    let found = Command::new("/bin/sh")
        .args(["-c", "command -v \"$0\"", name])
        .output()
        .expect("cannot run /bin/sh");
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    assert!(!path.is_empty(), "{name} is missing: {INSTALL}");
    path.into()
}
