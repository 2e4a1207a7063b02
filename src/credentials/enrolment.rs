//! The page on which a person sets up two-factor: the same for the first start, registration, a reset, and a new
//! secret on one's own Security page.

use askama::Template;

use super::totp::{self, Secret};
use crate::Result;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::shell::Shell;

/// QR code, the same secret as text, and the field that proves it.
#[derive(Template)]
#[template(path = "credentials/two_factor.html")]
struct TwoFactorPage<'a> {
    shell: Shell,
    /// "Step 2 of 3: " or empty.
    step: &'a str,
    action: &'a str,
    qr: Svg,
    secret: String,
    foot: String,
    errors: &'a Errors,
}

/// Markup made by [`totp::qr_svg`] from numbers alone.
struct Svg(String);

impl std::fmt::Display for Svg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl askama::filters::HtmlSafe for Svg {}

/// What surrounds the two-factor form.
pub struct Place<'a> {
    /// "Step 2 of 3: ", or empty.
    pub step: &'a str,
    /// Where the form is sent.
    pub action: &'a str,
    /// The line under the card, or empty.
    pub foot: String,
}

/// The page, or with errors the refused one. The field is `code`.
pub fn page(
    mut shell: Shell,
    place: Place,
    secret: &Secret,
    email: &str,
    errors: &Errors,
) -> Result<Answer> {
    shell.refused = !errors.is_empty();
    let refused = shell.refused;
    let page = TwoFactorPage {
        shell,
        step: place.step,
        action: place.action,
        qr: Svg(totp::qr_svg(&secret.provisioning_uri("Insight", email))),
        secret: secret.grouped(),
        foot: place.foot,
        errors,
    };
    if refused {
        Answer::refused(&page)
    } else {
        Answer::page(&page)
    }
}

/// What a wrong code is answered with, wherever a code is typed.
pub const WRONG_CODE: &str = "This code is not right. Codes change every 30 seconds.";
