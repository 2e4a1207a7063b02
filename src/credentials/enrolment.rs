//! The page on which a person sets up two-factor: the same for the first start, registration, a reset, and a new
//! secret on one's own Security page.

use askama::Template;

use super::links::{self, Pending};
use super::passwords::{Context, Password};
use super::totp::{self, Secret};
use crate::access::{Anyone, Can};
use crate::db::types::{LinkId, Timestamp};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request};
use crate::web::shell::Shell;
use crate::{App, Error, Result};

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
    /// Where what was entered before can be corrected, or empty.
    back: &'a str,
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
    shell: Shell,
    place: Place,
    secret: &Secret,
    email: &str,
    errors: &Errors,
) -> Result<Answer> {
    page_with_back(shell, place, "", secret, email, errors)
}

/// The same with a way `back` to the step before.
fn page_with_back(
    mut shell: Shell,
    place: Place,
    back: &str,
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
        back,
        errors,
    };
    Answer::form(&page, refused)
}

/// The second of three steps behind a link that makes a user.
pub struct SecondStep<'a> {
    /// Path of the first step; this one has `/two-factor` behind it.
    pub path: &'static str,
    pub link: LinkId,
    pub expires_at: Timestamp,
    pub email: &'a str,
    pub pending: &'a Pending,
}

impl SecondStep<'_> {
    /// The page, or with errors the refused one.
    pub fn page(&self, can: &Can<Anyone>, request: &Request, errors: &Errors) -> Result<Answer> {
        let shell = can.bare_page(request, "Set up two-factor");
        let secret = self.pending.secret().ok_or(Error::LinkNotValid)?;
        let place = Place {
            step: "Step 2 of 3: ",
            action: &format!("{}/two-factor", self.path),
            foot: format!(
                "You can leave now and come back with the same link until it expires on {}.",
                shell.date(&self.expires_at)
            ),
        };
        let back = format!("{}?change=1", self.path);
        page_with_back(shell, place, &back, &secret, self.email, errors)
    }

    /// The time step whose code was typed; or the refused page, after the link has counted a wrong code.
    pub fn prove(&self, can: &Can<Anyone>, request: &Request) -> Result<Result<u64, Answer>> {
        let secret = self.pending.secret().ok_or(Error::LinkNotValid)?;
        let typed = request.form().one("code")?;
        if let Some(step) = totp::check(&secret, typed, can.now().unix()) {
            return Ok(Ok(step));
        }
        can.write(|tx| links::count_wrong_code(tx, self.link))?;
        let mut errors = Errors::new();
        errors.add("code", WRONG_CODE);
        self.page(can, request, &errors).map(Err)
    }
}

/// What a wrong code is answered with, wherever a code is typed.
pub const WRONG_CODE: &str = "This code is not right. Codes change every 30 seconds.";

/// The hash of the password that was chosen in the fields `password` and `repeat`; what is wrong with them goes to
/// `errors`. It takes tens of milliseconds, so never inside a transaction; nothing is hashed for a form that is
/// refused anyway.
pub fn chosen_password(
    app: &App,
    form: &Form,
    context: &Context,
    errors: &mut Errors,
) -> Result<String> {
    let typed = form.one("password")?;
    match Password::new(typed, context) {
        Err(problem) => errors.add("password", problem.to_string()),
        Ok(_) if form.one("repeat")? != typed => {
            errors.add("repeat", "Type the same password twice.");
        }
        Ok(password) if errors.is_empty() => {
            return app
                .passwords
                .hash(&app.keys, &password)
                .map_err(Error::busy);
        }
        Ok(_) => {}
    }
    Ok(String::new())
}
