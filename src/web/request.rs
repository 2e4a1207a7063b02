//! A request as handlers see it: parsed, bounded, owned.

use std::net::IpAddr;
use std::str::FromStr;

use super::upload::Upload;
use crate::credentials::tokens::{Token, TokenKind};
use crate::{Error, Result};

/// One request. The body was read within its limits; the path parameters are named in the route table.
pub struct Request {
    pub(super) path: String,
    pub(super) params: Vec<(String, String)>,
    pub(super) query: Form,
    pub(super) form: Form,
    pub(super) upload: Option<Upload>,
    pub(super) cookies: Vec<(String, String)>,
    pub(super) user_agent: String,
    pub(super) address: IpAddr,
    pub(super) session: Option<Token>,
    pub(super) body: Vec<u8>,
    pub(super) signature: String,
    pub(super) id: String,
    pub(super) nonce: String,
}

impl Request {
    /// A path parameter. What does not parse names nothing: 404.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T> {
        self.params
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, text)| text.parse().ok())
            .ok_or(Error::NotFound)
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query string.
    pub fn query(&self) -> &Form {
        &self.query
    }

    /// The fields of a posted form; empty for other methods.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The file that came with the form, on a route that takes one.
    pub fn upload(&self) -> Option<&Upload> {
        self.upload.as_ref()
    }

    /// The body as it came, on a route whose posts are signed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The header with the signature, on such a route.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The browser's own name for itself, at most 400 characters; empty when it gives none.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The client's address, seen from behind the trusted proxies.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A cookie by its plain name (the `__Host-` prefix has been taken off).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// A token of one kind from a cookie.
    pub fn token_cookie(&self, name: &str, kind: TokenKind) -> Option<Token> {
        Token::parse(kind, self.cookie(name)?)
    }

    /// The session token, if the cookie carries one of the right shape.
    pub fn session(&self) -> Option<&Token> {
        self.session.as_ref()
    }

    /// Shown on error pages and in every line of the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The nonce of this answer's content security policy.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }
}

/// Name and value pairs of a query string or a form body.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses `application/x-www-form-urlencoded`. Refuses what is not UTF-8 or holds a NUL, so that nothing is
    /// repaired silently.
    pub fn parse(bytes: &[u8]) -> Result<Form> {
        const UNREADABLE: Error = Error::BadRequest("The form could not be read as UTF-8 text.");
        let text = std::str::from_utf8(bytes).map_err(|_| UNREADABLE)?;
        let mut fields = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if fields.len() == 2_000 {
                return Err(Error::BadRequest("The form has too many fields."));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.push((decode(name)?, decode(value)?));
        }
        return Ok(Form(fields));

        fn decode(text: &str) -> Result<String> {
            let spaced = text.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&spaced)
                .decode_utf8()
                .map_err(|_| UNREADABLE)?;
            if decoded.contains('\0') {
                return Err(UNREADABLE);
            }
            Ok(decoded.into_owned())
        }
    }

    /// The value of a field that stands once; empty when it is absent. A repeated field is refused rather than
    /// merged (ASVS 15.3.7).
    pub fn one(&self, name: &str) -> Result<&str> {
        let mut values = self.0.iter().filter(|(n, _)| n == name);
        match (values.next(), values.next()) {
            (None, _) => Ok(""),
            (Some((_, value)), None) => Ok(value),
            (Some(_), Some(_)) => Err(Error::BadRequest("A field of the form was sent twice.")),
        }
    }

    /// All values of a field that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// True when a tick box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Builds a query string; the opposite of [`Form::parse`].
pub fn query_string<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if !value.is_empty() {
            out.append_pair(name, value);
        }
    }
    out.finish()
}

/// A path of this server that a visitor may be sent to: relative, so that no link leads elsewhere.
pub fn local_path(text: &str) -> Option<&str> {
    let plain = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains('\\')
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.len() <= 6_000;
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_strict() {
        let form = Form::parse(b"a=1&b=x+y%20z&b=2&c").unwrap();
        assert_eq!(form.one("a").unwrap(), "1");
        assert_eq!(form.one("missing").unwrap(), "");
        assert_eq!(form.all("b").collect::<Vec<_>>(), ["x y z", "2"]);
        assert!(form.ticked("c"));
        assert!(form.one("b").is_err());
        for wrong in [&b"a=%ff"[..], b"a=\xff", b"a=%00", b"%fe=1"] {
            assert!(Form::parse(wrong).is_err());
        }
    }

    #[test]
    fn only_our_own_paths_are_followed() {
        assert_eq!(
            local_path("/shared/insight-users?q=a"),
            Some("/shared/insight-users?q=a")
        );
        for wrong in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "",
            "x",
            "/a\nb",
            "/ü",
        ] {
            assert_eq!(local_path(wrong), None, "{wrong}");
        }
    }
}
