//! Settings: read once from the environment at the start, each secret also from the file that `NAME_FILE` names.
//! A wrong setting stops the start with one sentence that names it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::billing::plans::Plans;
use crate::db::Target;

/// All settings of a running server.
#[derive(Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub database: Target,
    /// `INSIGHT_LISTEN`.
    pub listen: SocketAddr,
    /// `INSIGHT_BASE_URL`: where people reach this server; links in mails come from it, never from a Host header.
    pub base_url: Url,
    /// `INSIGHT_DATA_DIR`.
    pub data_dir: PathBuf,
    /// `INSIGHT_KEYS_FILE`.
    pub keys_file: PathBuf,
    /// `INSIGHT_SMTP_URL`; without it messages are written to `mail` in the data folder.
    pub smtp: Option<SmtpUrl>,
    /// `INSIGHT_MAIL_FROM`.
    pub mail_from: String,
    /// `INSIGHT_TRUSTED_PROXIES`: peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `INSIGHT_METRICS_LISTEN`.
    pub metrics_listen: Option<SocketAddr>,
    /// `INSIGHT_LOG`: a level, or the filter syntax of tracing.
    pub log: String,
    /// `INSIGHT_LOG_FORMAT=json`.
    pub log_json: bool,
    /// `INSIGHT_PLANS_FILE`: what is sold; the built-in plans without it.
    pub plans: Arc<Plans>,
    /// `INSIGHT_PAYMENTS`.
    pub payments: PaymentsSetting,
    /// A request's body must have arrived by then; actix itself bounds only the head. Not a setting.
    pub body_deadline: Duration,
}

/// Who has the cards and takes the money. Holds a secret: no `Debug`.
#[derive(Clone)]
pub enum PaymentsSetting {
    /// Test cards, no money.
    Sandbox,
    Stripe(StripeSettings),
}

/// Access to a Stripe account. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct StripeSettings {
    /// `INSIGHT_STRIPE_KEY`: the secret key.
    pub key: String,
    /// `INSIGHT_STRIPE_WEBHOOK_SECRET`: events are signed with it.
    pub webhook_secret: String,
    /// `INSIGHT_STRIPE_URL`.
    pub api: Url,
    /// `INSIGHT_STRIPE_CHECKOUT_ORIGIN`: where its page for cards is.
    pub checkout_origin: String,
}

/// Where mail is handed over. Holds a password: no `Debug`.
#[derive(Clone)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub credentials: Option<(String, String)>,
}

/// How the conversation with the mail server is protected. There is no opportunistic mode: it would fall back in
/// silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// STARTTLS, refused when the server does not offer it (`smtp://`).
    StartTls,
    /// Plain text, for a loopback relay or when `?tls=none` says so.
    None,
}

/// One sentence that names the setting.
#[derive(Debug)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the process environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::read(&|name| std::env::var(name).ok())
    }

    /// Reads settings through `lookup`, so that tests need no process environment.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let env = Env(lookup);
        let data_dir = PathBuf::from(env.text("INSIGHT_DATA_DIR", "var")?);
        let default_database = format!("sqlite:{}", data_dir.join("insight.db").display());
        let database = env.text("DATABASE_URL", &default_database)?;
        let base_url: Url = env.parsed("INSIGHT_BASE_URL", "http://localhost:8080", "a URL")?;
        check_base_url(&base_url, env.flag("INSIGHT_ALLOW_HTTP")?)?;
        let mail_from = env.text("INSIGHT_MAIL_FROM", "Insight <insight@localhost>")?;
        if mail_from.parse::<lettre::message::Mailbox>().is_err() {
            return Err(wrong("INSIGHT_MAIL_FROM", "Name <address@domain>"));
        }
        Ok(Config {
            database: Target::parse(&database).ok_or_else(|| {
                wrong(
                    "DATABASE_URL",
                    "sqlite:PATH or postgres://USER@HOST/DATABASE",
                )
            })?,
            listen: env.parsed("INSIGHT_LISTEN", "127.0.0.1:8080", "ADDRESS:PORT")?,
            base_url,
            keys_file: env
                .optional("INSIGHT_KEYS_FILE")?
                .map_or_else(|| data_dir.join("keys"), PathBuf::from),
            data_dir,
            smtp: match env.optional("INSIGHT_SMTP_URL")? {
                Some(url) => Some(SmtpUrl::parse(&url)?),
                None => None,
            },
            mail_from,
            trusted_proxies: env
                .text("INSIGHT_TRUSTED_PROXIES", "")?
                .split([',', ' '])
                .filter(|part| !part.is_empty())
                .map(parse_network)
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    wrong(
                        "INSIGHT_TRUSTED_PROXIES",
                        "addresses or CIDR ranges, separated by commas",
                    )
                })?,
            metrics_listen: match env.optional("INSIGHT_METRICS_LISTEN")? {
                Some(text) => Some(
                    text.parse()
                        .map_err(|_| wrong("INSIGHT_METRICS_LISTEN", "ADDRESS:PORT"))?,
                ),
                None => None,
            },
            log: env.text("INSIGHT_LOG", "info")?,
            log_json: match env.text("INSIGHT_LOG_FORMAT", "text")?.as_str() {
                "text" => false,
                "json" => true,
                _ => return Err(wrong("INSIGHT_LOG_FORMAT", "text or json")),
            },
            plans: Arc::new(read_plans(env.text("INSIGHT_PLANS_FILE", "")?.as_str())?),
            payments: match env.text("INSIGHT_PAYMENTS", "sandbox")?.as_str() {
                "sandbox" => PaymentsSetting::Sandbox,
                "stripe" => PaymentsSetting::Stripe(StripeSettings::read(&env)?),
                _ => return Err(wrong("INSIGHT_PAYMENTS", "sandbox or stripe")),
            },
            body_deadline: Duration::from_secs(30),
        })
    }

    /// True when cookies carry `Secure` and the `__Host-` prefix.
    pub fn secure(&self) -> bool {
        self.base_url.scheme() == "https"
    }

    /// The name under which a cookie is sent.
    pub fn cookie_name(&self, name: &str) -> String {
        if self.secure() {
            format!("__Host-{name}")
        } else {
            name.to_owned()
        }
    }

    /// An absolute link to a path of this server.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.as_str().trim_end_matches('/'))
    }

    /// Folder for messages when no mail server is configured.
    pub fn mail_dir(&self) -> PathBuf {
        self.data_dir.join("mail")
    }
}

/// The file of plans, or the built-in one.
fn read_plans(path: &str) -> Result<Plans, ConfigError> {
    const NAME: &str = "INSIGHT_PLANS_FILE";
    let parsed = match path {
        "" => Plans::standard(),
        path => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                ConfigError(format!("{NAME} names a file that cannot be read: {e}."))
            })?;
            Plans::parse(&text)
        }
    };
    parsed.map_err(|why| ConfigError(format!("{NAME} names a file that is not right: {why}.")))
}

impl StripeSettings {
    fn read(env: &Env) -> Result<StripeSettings, ConfigError> {
        let secret = |name: &str| {
            let said = env.optional(name)?;
            said.ok_or_else(|| {
                ConfigError(format!(
                    "{name} is missing: INSIGHT_PAYMENTS=stripe needs it."
                ))
            })
        };
        let api: Url = env.parsed("INSIGHT_STRIPE_URL", "https://api.stripe.com", "a URL")?;
        let checkout: Url = env.parsed(
            "INSIGHT_STRIPE_CHECKOUT_ORIGIN",
            "https://checkout.stripe.com",
            "https://HOST",
        )?;
        for (name, url) in [
            ("INSIGHT_STRIPE_URL", &api),
            ("INSIGHT_STRIPE_CHECKOUT_ORIGIN", &checkout),
        ] {
            let safe = url.scheme() == "https"
                || url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
            if !safe || url.host().is_none() {
                return Err(wrong(name, "https://HOST"));
            }
        }
        Ok(StripeSettings {
            key: secret("INSIGHT_STRIPE_KEY")?,
            webhook_secret: secret("INSIGHT_STRIPE_WEBHOOK_SECRET")?,
            api,
            checkout_origin: checkout.origin().ascii_serialization(),
        })
    }
}

fn check_base_url(url: &Url, allow_http: bool) -> Result<(), ConfigError> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() || url.path() != "/" {
        return Err(wrong(
            "INSIGHT_BASE_URL",
            "https://HOST or https://HOST:PORT",
        ));
    }
    if url.scheme() == "http" && !allow_http && !url.host_str().is_some_and(is_loopback) {
        return Err(ConfigError(
            "INSIGHT_BASE_URL is plain http for a host that is not this machine; use https, or set \
             INSIGHT_ALLOW_HTTP=true to accept that cookies can be read on the way."
                .into(),
        ));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// An address or a CIDR range without host bits.
fn parse_network(text: &str) -> Option<IpNet> {
    match text.split_once('/') {
        None => Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?)),
        Some((address, length)) => {
            // std refuses octal-looking addresses that ipnet's own parser lets through.
            let address: std::net::IpAddr = address.parse().ok()?;
            let net = IpNet::new(address, length.parse().ok()?).ok()?;
            (net.trunc() == net).then_some(net)
        }
    }
}

impl SmtpUrl {
    /// `smtp://[user:password@]host[:port][?tls=none]` or `smtps://…`.
    fn parse(text: &str) -> Result<SmtpUrl, ConfigError> {
        let bad = || {
            wrong(
                "INSIGHT_SMTP_URL",
                "smtp://USER:PASSWORD@HOST:PORT or smtps://…, with ?tls=none for a relay without TLS",
            )
        };
        let url = Url::parse(text).map_err(|_| bad())?;
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(bad)?;
        let tls: Vec<_> = url.query_pairs().collect();
        let security = match (url.scheme(), tls.as_slice()) {
            ("smtps", []) => SmtpSecurity::Tls,
            ("smtp", []) if is_loopback(host) => SmtpSecurity::None,
            ("smtp", []) => SmtpSecurity::StartTls,
            ("smtp", [(name, value)]) if name == "tls" => match value.as_ref() {
                "none" => SmtpSecurity::None,
                "required" => SmtpSecurity::StartTls,
                _ => return Err(bad()),
            },
            _ => return Err(bad()),
        };
        let decode = |part: &str| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8()
                .map(|s| s.into_owned())
                .map_err(|_| bad())
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user)?, decode(password.unwrap_or(""))?)),
        };
        if credentials.is_some() && security == SmtpSecurity::None && !is_loopback(host) {
            return Err(ConfigError(
                "INSIGHT_SMTP_URL would send its password in plain text; leave ?tls=none out."
                    .into(),
            ));
        }
        Ok(SmtpUrl {
            host: host.to_owned(),
            port: url.port().unwrap_or(match security {
                SmtpSecurity::Tls => 465,
                SmtpSecurity::StartTls => 587,
                SmtpSecurity::None => 25,
            }),
            security,
            credentials,
        })
    }
}

struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Env<'_> {
    /// The setting, or the content of the file that `NAME_FILE` names; empty counts as not set.
    fn optional(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let file = format!("{name}_FILE");
        let value = match (self.0)(&file).filter(|path| !path.is_empty()) {
            Some(path) => Some(
                std::fs::read_to_string(Path::new(&path))
                    .map_err(|e| {
                        ConfigError(format!("{file} names a file that cannot be read: {e}."))
                    })?
                    .trim()
                    .to_owned(),
            ),
            None => (self.0)(name),
        };
        Ok(value.filter(|text| !text.is_empty()))
    }

    fn text(&self, name: &str, default: &str) -> Result<String, ConfigError> {
        Ok(self.optional(name)?.unwrap_or_else(|| default.to_owned()))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        default: &str,
        shape: &str,
    ) -> Result<T, ConfigError> {
        self.text(name, default)?
            .parse()
            .map_err(|_| wrong(name, shape))
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        match self.text(name, "false")?.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong(name, "true or false")),
        }
    }
}

fn wrong(name: &str, shape: &str) -> ConfigError {
    ConfigError(format!("{name} is not right: give {shape}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        Config::read(&lookup).map_err(|e| e.to_string())
    }

    #[test]
    fn everything_has_a_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.database, Target::Sqlite("var/insight.db".into()));
        assert_eq!(config.link("/sign-in"), "http://localhost:8080/sign-in");
        assert!(!config.secure());
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (name, value) in [
            ("DATABASE_URL", "mysql://x"),
            ("INSIGHT_LISTEN", "8080"),
            ("INSIGHT_BASE_URL", "ftp://x"),
            ("INSIGHT_BASE_URL", "http://insight.example"),
            ("INSIGHT_BASE_URL", "https://insight.example/sub"),
            ("INSIGHT_SMTP_URL", "smtp://mail.example?tls=opportunistic"),
            ("INSIGHT_SMTP_URL", "smtp://u:p@mail.example?tls=none"),
            ("INSIGHT_MAIL_FROM", "nobody"),
            ("INSIGHT_TRUSTED_PROXIES", "10.0.0.1/8"),
            ("INSIGHT_TRUSTED_PROXIES", "010.0.0.1"),
            ("INSIGHT_LOG_FORMAT", "xml"),
            ("INSIGHT_KEYS_FILE_FILE", "/nowhere/at/all"),
        ] {
            let sentence = read(&[(name, value)]).err().unwrap_or_default();
            assert!(sentence.contains(name), "{name}={value}: {sentence}");
        }
    }

    #[test]
    fn mail_is_encrypted_unless_the_relay_is_this_machine() {
        let security = |url| {
            read(&[("INSIGHT_SMTP_URL", url)])
                .unwrap()
                .smtp
                .unwrap()
                .security
        };
        assert_eq!(security("smtp://mail.example"), SmtpSecurity::StartTls);
        assert_eq!(security("smtps://mail.example"), SmtpSecurity::Tls);
        assert_eq!(security("smtp://127.0.0.1:2525"), SmtpSecurity::None);
        assert_eq!(security("smtp://mail.example?tls=none"), SmtpSecurity::None);
    }
}
