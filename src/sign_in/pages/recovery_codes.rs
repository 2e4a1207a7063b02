//! The ten recovery codes, shown until their owner says they are saved; and making new ones.

use askama::Template;

use super::super::notices;
use super::super::proof::check_own_password;
use super::{own_page, page_or_refused};
use crate::Result;
use crate::access::{Can, SignedIn};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::second_factor;
use crate::credentials::sessions::{self, Revealed};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "sign_in/recovery_codes.html")]
struct RecoveryCodesPage<'a> {
    shell: Shell,
    codes: &'a [String],
    errors: &'a Errors,
}

#[derive(Template)]
#[template(path = "sign_in/regenerate.html")]
struct RegeneratePage<'a> {
    shell: Shell,
    left: i64,
    errors: &'a Errors,
}

/// `GET /recovery-codes`
pub fn show(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    match kept(&can)? {
        Some(codes) => page(&can, request, &codes, &Errors::new()),
        None => Ok(Answer::see_other("/security")),
    }
}

/// `POST /recovery-codes`
pub fn saved(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let Some(codes) = kept(&can)? else {
        return Ok(Answer::see_other("/"));
    };
    if !request.form().ticked("saved") {
        let mut errors = Errors::new();
        errors.add("saved", "Save the codes first, then tick that you have.");
        return page(&can, request, &codes, &errors);
    }
    can.write(sessions::forget_revealed)?;
    Ok(Answer::see_other("/"))
}

/// `POST /recovery-codes/download`
pub fn download(can: Can<SignedIn>, _: &Request) -> Result<Answer> {
    let Some(codes) = kept(&can)? else {
        return Ok(Answer::see_other("/security"));
    };
    let text = format!(
        "Insight recovery codes of {}\nEach replaces a six-digit code once.\n\n{}\n",
        can.me().email,
        codes.join("\n")
    );
    Ok(Answer::file("insight-recovery-codes.txt", text))
}

/// `GET /security/recovery-codes`
pub fn ask(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    regenerate_page(&can, request, &Errors::new())
}

/// `POST /security/recovery-codes`
pub fn regenerate(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let mut errors = Errors::new();
    let caller = can.me().clone();
    let Some(person) = check_own_password(&can, request, &caller, &mut errors)? else {
        return regenerate_page(&can, request, &errors);
    };
    let token = can.write(|tx| {
        accounts::lock_of_user(tx, person.id)?;
        let codes = second_factor::new_recovery_codes(tx, person.id)?;
        let token = sessions::renew(tx, false)?;
        sessions::reveal(tx, &token, &Revealed::RecoveryCodes(codes))?;
        audit::record_for_user(tx, person.id, &Event::RecoveryCodesMade {})?;
        notices::recovery_codes_made(tx, &person, request)?;
        Ok(token)
    })?;
    Ok(Answer::see_other("/recovery-codes").start_session(token))
}

fn kept(can: &Can<SignedIn>) -> Result<Option<Vec<String>>> {
    Ok(match can.read(sessions::revealed)? {
        Some(Revealed::RecoveryCodes(codes)) => Some(codes),
        _ => None,
    })
}

fn page(
    can: &Can<SignedIn>,
    request: &Request,
    codes: &[String],
    errors: &Errors,
) -> Result<Answer> {
    let mut shell = can.bare_page(request, "Save your recovery codes");
    shell.refused = !errors.is_empty();
    let page = RecoveryCodesPage {
        shell,
        codes,
        errors,
    };
    page_or_refused(&page, errors)
}

fn regenerate_page(can: &Can<SignedIn>, request: &Request, errors: &Errors) -> Result<Answer> {
    let left = can.read(|tx| {
        let user = tx.me().user;
        second_factor::recovery_codes_left(tx, user)
    })?;
    let trail = [("Security", "/security"), ("Regenerate recovery codes", "")];
    let mut shell = own_page(can, request, &trail)?;
    shell.refused = !errors.is_empty();
    let page = RegeneratePage {
        shell,
        left,
        errors,
    };
    page_or_refused(&page, errors)
}
