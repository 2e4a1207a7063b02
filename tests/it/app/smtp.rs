//! A real SMTP server in a process of its own, and what it received.
//!
//! What happens to a message depends on its recipient, so that tests need no other agreement with the server:
//!
//! | recipient        | answer                                                                                |
//! |------------------|---------------------------------------------------------------------------------------|
//! | `bounce…@`       | 550                                                                                   |
//! | `later…@`        | 451 until [`Smtp::accept_later`]                                                      |
//! | `slow…@`         | none until [`Smtp::release`]; nothing is kept when the client gives up before          |
//! | `unanswered…@`   | none until [`Smtp::release`]; the message is kept at once (the answer is lost, not it) |
//! | anybody else     | 250                                                                                   |

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mail_parser::{MessageParser, MimeHeaders, PartType};
use serde::Deserialize;

use super::process::{self, Port, Server};
use super::wait;

/// The interpreter that Debian's aiosmtpd is installed for, whatever else is on the path.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("smtpd.py");

/// How the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Without encryption.
    None,
    /// Demands STARTTLS, with a certificate for 127.0.0.1 and localhost from an authority of its own.
    StartTls,
}

/// A mail server of one test.
pub struct Smtp {
    dir: PathBuf,
    port: Port,
    security: Security,
    server: Option<Server>,
}

/// A message the server took.
#[derive(Clone, Debug)]
pub struct Received {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// When the server took it.
    pub at: SystemTime,
    /// `Message-ID`, without the angle brackets.
    pub message_id: String,
    pub subject: String,
    /// The text part, decoded; "" when there is none.
    pub text: String,
    /// The HTML part, decoded; "" when there is none.
    pub html: String,
    /// Name and content of each attached file.
    pub attachments: Vec<(String, Vec<u8>)>,
    /// Name and unfolded value of each header, in their order.
    pub headers: Vec<(String, String)>,
    /// The message as it came over the wire.
    pub raw: String,
}

/// What the server answered once: a refusal of a sender or recipient, or the end of a message.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    pub to: Vec<String>,
    /// Code and text, such as `550 5.1.1 No such user here`, or `client gave up` when it closed the connection before.
    pub answer: String,
}

impl Smtp {
    /// A server without encryption.
    pub fn start() -> Smtp {
        Smtp::start_with(Security::None)
    }

    /// A server that speaks as told.
    pub fn start_with(security: Security) -> Smtp {
        assert!(
            Command::new(PYTHON)
                .args(["-c", "import aiosmtpd"])
                .output()
                .is_ok_and(|out| out.status.success()),
            "aiosmtpd is missing: {}",
            process::INSTALL
        );
        let dir = process::folder("smtp", None);
        std::fs::write(dir.join("smtpd.py"), SCRIPT).expect("cannot write the mail server");
        if security == Security::StartTls {
            make_certificates(&dir);
        }
        let mut smtp = Smtp {
            dir,
            port: Port::reserve(),
            security,
            server: None,
        };
        smtp.start_again();
        smtp
    }

    /// What goes into `INSIGHT_SMTP_URL`.
    pub fn url(&self) -> String {
        let tls = match self.security {
            Security::None => "none",
            Security::StartTls => "required",
        };
        format!("smtp://127.0.0.1:{}?tls={tls}", self.port.number)
    }

    /// The authority's certificate, PEM, for a client that shall trust a [`Security::StartTls`] server.
    pub fn authority(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Takes the server down: connections are refused until [`Smtp::start_again`]. What it received stays.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Brings the server back on the same port.
    pub fn start_again(&mut self) {
        let script = self.dir.join("smtpd.py");
        let (certificate, key) = (self.dir.join("server.pem"), self.dir.join("server.key"));
        let port = self.port.number.to_string();
        let mut command: Vec<&OsStr> = vec![
            PYTHON.as_ref(),
            script.as_ref(),
            self.dir.as_ref(),
            port.as_ref(),
        ];
        if self.security == Security::StartTls {
            command.extend([certificate.as_os_str(), key.as_os_str()]);
        }
        let mut server = Server::start(&self.dir, "KILL", None, &command);
        let ready = server.line();
        assert_eq!(
            ready.as_deref(),
            Some("ready"),
            "the mail server did not start: {}",
            process::log(&self.dir)
        );
        self.server = Some(server);
    }

    /// Answers every sender like this, for example `421 4.3.2 Closing down`, until [`Smtp::accept`].
    pub fn refuse(&self, answer: &str) {
        self.put("refuse", answer);
    }

    /// Ends [`Smtp::refuse`].
    pub fn accept(&self) {
        self.remove("refuse");
    }

    /// From now on `later…@` is accepted.
    pub fn accept_later(&self) {
        self.put("later", "");
    }

    /// Lets `slow…@` and `unanswered…@` go on, from now on at once.
    pub fn release(&self) {
        self.put("release", "");
    }

    /// Ends [`Smtp::release`].
    pub fn hold(&self) {
        self.remove("release");
    }

    /// Everything received so far, oldest first.
    pub fn messages(&self) -> Vec<Received> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.join("mail"))
            .expect("the mail server made its folder")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension() == Some(OsStr::new("json")))
            .collect();
        files.sort();
        files.iter().map(|file| Received::read(file)).collect()
    }

    /// Every refusal and acceptance so far, oldest first.
    pub fn answers(&self) -> Vec<Answer> {
        let lines = std::fs::read_to_string(self.dir.join("answers")).unwrap_or_default();
        lines
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).expect("the mail server writes JSON"))
            .collect()
    }

    /// The first message this is true of, as soon as it is there.
    pub async fn wait_for(&self, wanted: impl Fn(&Received) -> bool) -> Received {
        let found = wait::until(async || self.messages().into_iter().find(&wanted)).await;
        found.unwrap_or_else(|| {
            let there: Vec<String> = self.messages().iter().map(Received::summary).collect();
            panic!(
                "the expected message never came; these did: {there:#?}\nanswers: {:#?}",
                self.answers()
            )
        })
    }

    /// The first message to this address, as soon as it is there.
    pub async fn wait_for_mail_to(&self, address: &str) -> Received {
        self.wait_for(|mail| mail.to.iter().any(|to| to == address))
            .await
    }

    /// The first answer this is true of, as soon as it was given.
    pub async fn wait_for_answer(&self, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let found = wait::until(async || self.answers().into_iter().find(&wanted)).await;
        found.unwrap_or_else(|| {
            panic!(
                "the mail server never gave the expected answer, only {:#?}",
                self.answers()
            )
        })
    }

    /// Makes a file appear whole.
    fn put(&self, name: &str, content: &str) {
        let unfinished = self.dir.join(format!("{name}.tmp"));
        std::fs::write(&unfinished, content)
            .and_then(|()| std::fs::rename(&unfinished, self.dir.join(name)))
            .expect("cannot write a control file of the mail server");
    }

    fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.dir.join(name));
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        match self.server.take() {
            Some(server) => drop(server), // its watchdog removes the folder
            None => drop(std::fs::remove_dir_all(&self.dir)),
        }
    }
}

impl Received {
    /// The value of the first header of this name, or "".
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    /// The first link of the text part that contains this, such as `/register/`.
    pub fn link(&self, containing: &str) -> String {
        self.text
            .split_whitespace()
            .map(|word| word.trim_matches(['<', '>', '(', ')', ',']))
            .find(|word| word.starts_with("http") && word.contains(containing))
            .unwrap_or_else(|| panic!("no link with {containing} in:\n{}", self.text))
            .to_owned()
    }

    fn summary(&self) -> String {
        format!("to {}: {}", self.to.join(", "), self.subject)
    }

    fn read(description: &Path) -> Received {
        #[derive(Deserialize)]
        struct Envelope {
            from: String,
            to: Vec<String>,
            at: f64,
        }
        let text = std::fs::read(description).expect("cannot read an envelope");
        let envelope: Envelope = serde_json::from_slice(&text).expect("an envelope is JSON");
        let raw = std::fs::read(description.with_extension("eml")).expect("cannot read a message");
        let mail = MessageParser::new()
            .parse(&raw)
            .expect("the message is not MIME");
        // By content type: the parser would turn HTML into text, and text into HTML, where a part is missing.
        let part = |subtype: &str| {
            mail.parts
                .iter()
                .find(|part| {
                    part.content_type().is_none_or(|kind| {
                        kind.ctype().eq_ignore_ascii_case("text")
                            && kind
                                .subtype()
                                .unwrap_or("plain")
                                .eq_ignore_ascii_case(subtype)
                    })
                })
                .and_then(|part| match &part.body {
                    PartType::Text(text) | PartType::Html(text) => Some(text.to_string()),
                    _ => None,
                })
        };
        Received {
            from: envelope.from,
            to: envelope.to,
            at: UNIX_EPOCH + Duration::from_secs_f64(envelope.at),
            message_id: mail.message_id().unwrap_or_default().to_owned(),
            subject: mail.subject().unwrap_or_default().to_owned(),
            text: part("plain").unwrap_or_default(),
            html: part("html").unwrap_or_default(),
            attachments: mail
                .attachments()
                .filter_map(|file| {
                    Some((file.attachment_name()?.to_owned(), file.contents().to_vec()))
                })
                .collect(),
            headers: mail
                .headers_raw()
                .map(|(name, value)| (name.to_owned(), unfold(value)))
                .collect(),
            raw: String::from_utf8_lossy(&raw).into_owned(),
        }
    }
}

fn unfold(value: &str) -> String {
    value.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// An authority (`ca.pem`) and a certificate for this machine from it (`server.pem`, `server.key`).
fn make_certificates(dir: &Path) {
    let openssl = process::program("openssl");
    let run = |arguments: &str| {
        let made = Command::new(&openssl)
            .args(arguments.split(' '))
            .current_dir(dir)
            .output()
            .expect("cannot run openssl");
        let problem = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "openssl {arguments}: {problem}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=Test-CA"
    ));
    run(&format!(
        "req {key} -keyout server.key -out server.csr -subj /CN=localhost"
    ));
    std::fs::write(
        dir.join("server.ext"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\n",
    )
    .expect("cannot write a file for openssl");
    run(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem",
    );
}
