//! Cross-site request forgery: three locks on every request that may change something.
//!
//! 1. `Sec-Fetch-Site`, where the browser sends it, must say same-origin (or none).
//! 2. `Origin`, where it is sent, must be `INSIGHT_BASE_URL`.
//! 3. The form carries a token bound to the session, or before sign-in to a cookie of this browser; masked anew for
//!    each page, so that compression cannot reveal it (BREACH).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use url::Url;

use super::request::Request;
use crate::credentials::keys::{Keys, Purpose};

/// The cookie that binds forms before there is a session.
pub const SEED_COOKIE: &str = "form";

/// Name of the hidden field with the token.
pub const FIELD: &str = "csrf";

/// Locks one and two. Absent headers pass: the token is required either way.
pub fn same_origin(fetch_site: Option<&str>, origin: Option<&str>, base: &Url) -> bool {
    let site_fits = !matches!(fetch_site, Some(site) if site != "same-origin" && site != "none");
    let origin_fits = match origin {
        None => true,
        Some(text) => Url::parse(text).is_ok_and(|url| url.origin() == base.origin()),
    };
    site_fits && origin_fits
}

/// What a request's forms are bound to: its session, else its seed cookie.
fn binding(request: &Request) -> Option<String> {
    match request.session() {
        Some(token) => Some(token.expose().to_owned()),
        None => request.cookie(SEED_COOKIE).map(str::to_owned),
    }
}

/// The token for a form that is bound to `binding`.
pub fn token(keys: &Keys, binding: &str) -> String {
    let mac = keys.mac(Purpose::Csrf, binding.as_bytes());
    let mask = super::random::<32>();
    let mut out = mask.to_vec();
    out.extend(mac.iter().zip(mask).map(|(a, b)| a ^ b));
    BASE64.encode(out)
}

/// The token for a page, and a seed for the cookie when this browser has nothing to bind to yet.
pub fn for_page(keys: &Keys, request: &Request) -> (String, Option<String>) {
    match binding(request) {
        Some(binding) => (token(keys, &binding), None),
        None => {
            let seed = BASE64.encode(super::random::<32>());
            (token(keys, &seed), Some(seed))
        }
    }
}

/// Lock three.
pub fn token_fits(keys: &Keys, request: &Request) -> bool {
    let Some(binding) = binding(request) else {
        return false;
    };
    let Ok(sent) = request.form().one(FIELD) else {
        return false;
    };
    let Ok(bytes) = BASE64.decode(sent) else {
        return false;
    };
    if bytes.len() != 64 {
        return false;
    }
    let mac: Vec<u8> = bytes[32..]
        .iter()
        .zip(&bytes[..32])
        .map(|(a, b)| a ^ b)
        .collect();
    keys.verify_mac(Purpose::Csrf, binding.as_bytes(), &mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_may_post() {
        let base = Url::parse("https://insight.example").unwrap();
        let ok = |site, origin| same_origin(site, origin, &base);
        assert!(ok(Some("same-origin"), Some("https://insight.example")));
        assert!(ok(Some("none"), None));
        assert!(ok(None, None));
        for (site, origin) in [
            (Some("cross-site"), None),
            (Some("same-site"), Some("https://insight.example")),
            (Some("same-origin"), Some("https://evil.example")),
            (None, Some("http://insight.example")),
            (None, Some("https://insight.example:8443")),
            (None, Some("null")),
        ] {
            assert!(!ok(site, origin), "{site:?} {origin:?}");
        }
    }
}
