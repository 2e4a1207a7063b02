//! Reading the body of a request, within the limits of its route.

use std::time::Duration;

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use super::request::Form;
use crate::routes::Route;
use crate::{Error, Result};

/// The body of a form.
pub(super) async fn read_form(
    route: &Route,
    req: &HttpRequest,
    payload: web::Payload,
    deadline: Duration,
) -> Result<Form> {
    let header = |name: HeaderName| req.headers().get(name).and_then(|v| v.to_str().ok());
    if header(header::CONTENT_ENCODING).is_some_and(|e| e != "identity") {
        return Err(Error::WrongType);
    }
    let kind = header(header::CONTENT_TYPE).unwrap_or("");
    let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
    let form = parts.next().as_deref() == Some("application/x-www-form-urlencoded");
    let utf8 = parts.all(|part| match part.strip_prefix("charset=") {
        Some(charset) => charset.trim_matches('"') == "utf-8",
        None => true,
    });
    let length = header(header::CONTENT_LENGTH).and_then(|v| v.parse::<usize>().ok());
    // Mail programs may send their one fixed field as a multipart form (RFC 8058 3.2); such routes read no field, so
    // whatever comes is let pass.
    let unread = route.one_click && !form;
    // An empty POST may come without a type.
    let empty = kind.is_empty() && length == Some(0);
    if !(unread || empty || form && utf8) {
        return Err(Error::WrongType);
    }
    if length.is_some_and(|n| n > route.max_body) {
        return Err(Error::TooLarge);
    }
    let body = read_body(route, payload, deadline).await?;
    if unread {
        return Ok(Form::default());
    }
    Form::parse(&body)
}

/// The body as it comes, within its limits.
pub(super) async fn read_body(
    route: &Route,
    mut payload: web::Payload,
    deadline: Duration,
) -> Result<Vec<u8>> {
    let arrived = tokio::time::timeout(deadline, async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|_| Error::BadRequest("The request ended before its end."))?;
            if body.len() + chunk.len() > route.max_body {
                return Err(Error::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    })
    .await;
    arrived.map_err(|_| Error::TooSlow)?
}
