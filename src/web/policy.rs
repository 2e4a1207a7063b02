//! Content security policies.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// What carries no page of ours (static files, health) may load nothing at all.
pub(super) fn default_policy(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
    }
}

/// The policy of a page: nothing but what carries its nonce or comes from here.
pub(super) fn policy(nonce: &str, form_target: Option<&str>) -> String {
    let forms = form_target.map_or_else(String::new, |origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self'; \
         font-src 'self'; connect-src 'self'; form-action 'self'{forms}; frame-ancestors 'none'; \
         base-uri 'none'; object-src 'none'"
    )
}

/// A text as the value of a header; one that cannot be is the strictest policy.
pub(super) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
