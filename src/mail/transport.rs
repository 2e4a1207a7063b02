//! Handing a message over: to a mail server, or as an `.eml` file when none is configured.

use std::error::Error as _;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{FileTransport, Message, SmtpTransport, Transport as _};

use super::outbox::{Claimed, Outcome};
use crate::config::{Config, SmtpSecurity};
use crate::{Error, Result};

/// The longest wait for the mail server; a conversation of a few such steps ends inside the lease of its message.
///
/// lettre's blocking transport bounds every read and write with it. Its async one bounds the connecting only, so a
/// server that falls silent would hold a message for ever.
const STEP: Duration = Duration::from_secs(30);

/// Where messages leave this process.
pub enum Transport {
    Smtp(SmtpTransport),
    Files(FileTransport, std::path::PathBuf),
}

impl Transport {
    /// As the settings say. There is no fallback from TLS to plain text.
    pub fn open(config: &Config) -> Result<Transport> {
        let Some(smtp) = &config.smtp else {
            let dir = config.mail_dir();
            // The messages hold links: nobody else on this machine looks into them.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(Error::internal)?;
            return Ok(Transport::Files(FileTransport::new(&dir), dir));
        };
        let tls = || TlsParameters::new(smtp.host.clone()).map_err(Error::internal);
        let mut builder = SmtpTransport::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .timeout(Some(STEP))
            .tls(match smtp.security {
                SmtpSecurity::Tls => Tls::Wrapper(tls()?),
                SmtpSecurity::StartTls => Tls::Required(tls()?),
                SmtpSecurity::None => Tls::None,
            });
        if let Some((user, password)) = &smtp.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Transport::Smtp(builder.build()))
    }

    /// Connects, signs in and hangs up, for `insight doctor`. The error is a sentence.
    pub fn greet(&self) -> Result<(), String> {
        match self {
            Transport::Files(..) => Ok(()),
            Transport::Smtp(smtp) => match smtp.test_connection() {
                Ok(true) => Ok(()),
                Ok(false) => Err("the mail server does not answer as one".to_owned()),
                Err(e) => Err(match judge(&e) {
                    Outcome::Refused(answer) | Outcome::Later(answer) => answer,
                    Outcome::Sent => String::new(),
                }),
            },
        }
    }

    /// One attempt, on a blocking thread. A message that cannot be built is a refusal too.
    pub fn deliver(&self, config: &Config, mail: &Claimed, file: Option<Vec<u8>>) -> Outcome {
        let message = match build(config, mail, file) {
            Ok(message) => message,
            Err(cause) => {
                return Outcome::Refused(format!("The message could not be built: {cause}"));
            }
        };
        match self {
            Transport::Files(files, dir) => match files.send(&message) {
                Ok(name) => {
                    tracing::info!(
                        kind = mail.kind, to = mail.recipient,
                        file = %dir.join(format!("{name}.eml")).display(),
                        "no mail server is configured: the message is in a file"
                    );
                    Outcome::Sent
                }
                Err(e) => Outcome::Later(format!("The file could not be written: {e}")),
            },
            Transport::Smtp(smtp) => match smtp.send(&message) {
                Ok(_) => Outcome::Sent,
                Err(e) => judge(&e),
            },
        }
    }
}

/// 5xx is final, unless it refuses *us* rather than the message; everything else may work later.
fn judge(error: &lettre::transport::smtp::Error) -> Outcome {
    let cause = error.source().map(|s| s.to_string());
    let ours = error
        .status()
        .map(u16::from)
        .is_some_and(|code| matches!(code, 530 | 534 | 535 | 538));
    match (error.status(), cause) {
        (Some(code), text) => {
            let answer = format!("{code} {}", text.unwrap_or_default())
                .trim()
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect();
            if error.is_permanent() && !ours {
                Outcome::Refused(answer)
            } else {
                Outcome::Later(answer)
            }
        }
        (None, text) => Outcome::Later(format!(
            "The mail server could not be reached: {}",
            text.unwrap_or_else(|| error.to_string())
        )),
    }
}

fn build(config: &Config, mail: &Claimed, file: Option<Vec<u8>>) -> Result<Message> {
    let from: Mailbox = config.mail_from.parse().map_err(Error::internal)?;
    let to: Mailbox = mail.recipient.parse().map_err(Error::internal)?;
    // The same for every attempt: a receiver that got it twice can tell.
    let id = format!(
        "<{}.{}@{}>",
        mail.id,
        mail.created_at.0,
        from.email.domain()
    );
    let mut builder = Message::builder()
        .from(from)
        .to(to)
        .subject(&mail.content.subject)
        .message_id(Some(id));
    if let Some(url) = &mail.content.unsubscribe {
        builder = builder
            .header(ListUnsubscribe(format!("<{url}>")))
            .header(ListUnsubscribePost);
    } else {
        // Vacation notices and ticket systems leave such messages alone (RFC 3834).
        builder = builder.header(AutoSubmitted);
    }
    let words =
        MultiPart::alternative_plain_html(mail.content.text.clone(), mail.content.html.clone());
    let whole = match (&mail.content.attachment, file) {
        (Some(attachment), Some(bytes)) => {
            let kind = ContentType::parse(&attachment.mime).map_err(Error::internal)?;
            let part = lettre::message::Attachment::new(attachment.name.clone()).body(bytes, kind);
            MultiPart::mixed().multipart(words).singlepart(part)
        }
        _ => words,
    };
    builder.multipart(whole).map_err(Error::internal)
}

macro_rules! fixed_header {
    ($type:ident, $name:literal, $value:literal) => {
        #[derive(Clone)]
        struct $type;
        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }
            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok($type)
            }
            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), $value.to_owned())
            }
        }
    };
}

fixed_header!(AutoSubmitted, "Auto-Submitted", "auto-generated");
fixed_header!(
    ListUnsubscribePost,
    "List-Unsubscribe-Post",
    "List-Unsubscribe=One-Click"
);

#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }
    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(ListUnsubscribe(text.to_owned()))
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}
