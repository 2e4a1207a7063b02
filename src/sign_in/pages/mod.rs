//! The pages of signing in and of oneself.

pub mod code;
pub mod new_password;
pub mod own_sessions;
pub mod recovery_codes;
pub mod security;
pub mod set_up_access;
pub mod sign_in;
pub mod step_up;
pub mod two_factor;

use askama::Template;

use crate::Result;
use crate::access::{Admit, Can};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request, local_path, query_string};
use crate::web::shell::Shell;

/// Where to go on afterwards, from the field or query value `next`; empty for the start page and for what leads
/// elsewhere.
fn next_of(form: &Form) -> Result<String> {
    let next = local_path(form.one("next")?).unwrap_or("");
    Ok(if next == "/" { "" } else { next }.to_owned())
}

/// A path that carries `next` along.
fn with_next(path: &str, next: &str) -> String {
    match query_string([("next", next)]) {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// `next`, or the start page.
fn onward(next: String) -> String {
    if next.is_empty() { "/".into() } else { next }
}

/// A code page of the other kind: six digits, or a recovery code.
fn other_kind(path: &str, next: &str, recovery: bool) -> String {
    let asked = if recovery { "" } else { "1" };
    match query_string([("next", next), ("recovery", asked)]) {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// Where somebody finds themselves after five wrong codes.
fn ended(next: &str) -> Answer {
    Answer::see_other(with_next("/sign-in", next))
        .end_session()
        .flash_warning("Five codes were wrong. Sign in again.")
}

/// The page as it is, or with errors the refused one.
fn page_or_refused(page: &impl Template, errors: &Errors) -> Result<Answer> {
    if errors.is_empty() {
        Answer::page(page)
    } else {
        Answer::refused(page)
    }
}

/// The frame of a page about oneself: under one's own name.
fn own_page<P: Admit>(can: &Can<P>, request: &Request, trail: &[(&str, &str)]) -> Result<Shell> {
    let name = can
        .visit()
        .caller()
        .map_or(String::new(), |caller| caller.name.clone());
    let mut whole = vec![(name.as_str(), "")];
    whole.extend_from_slice(trail);
    can.page(request, &whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_places_are_gone_on_to() {
        let next = |query: &str| next_of(&Form::parse(query.as_bytes()).unwrap()).unwrap();
        assert_eq!(next("next=%2Fsessions%3Fa%3D1"), "/sessions?a=1");
        assert_eq!(next("next=%2F%2Fevil.example"), "");
        assert_eq!(next("next=%2F"), "");
        assert_eq!(next(""), "");
        assert_eq!(
            with_next("/sign-in", "/a?b=c"),
            "/sign-in?next=%2Fa%3Fb%3Dc"
        );
        assert_eq!(with_next("/sign-in", ""), "/sign-in");
    }
}
