//! The second step of signing in: the code.

use askama::Template;

use super::super::proof::{Code, check_code, password_buckets, wrong_code};
use super::super::{devices, mark_active, notices};
use super::{ended, next_of, onward, other_kind, page_or_refused};
use crate::Result;
use crate::access::{Can, HalfSignedIn};
use crate::audit::{self, Event};
use crate::credentials::second_factor::{self, Proved};
use crate::credentials::{sessions, throttle};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

/// Failed attempts before a success that are worth a mail.
const WORTH_TELLING: i32 = 5;

#[derive(Template)]
#[template(path = "sign_in/code.html")]
struct CodePage<'a> {
    shell: Shell,
    email: &'a str,
    next: &'a str,
    /// A recovery code is asked for instead.
    recovery: bool,
    /// The same page asking for the other kind of code.
    other: String,
    errors: &'a Errors,
}

/// `GET /sign-in/code`
pub fn show(can: Can<HalfSignedIn>, request: &Request) -> Result<Answer> {
    let next = next_of(request.query())?;
    let recovery = request.query().ticked("recovery");
    page(&can, request, &next, recovery, &Errors::new())
}

/// `POST /sign-in/code`
pub fn confirm(can: Can<HalfSignedIn>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let (next, recovery) = (next_of(form)?, form.ticked("recovery"));
    let mut errors = Errors::new();
    let typed = form.one("code")?;
    if typed.trim().is_empty() {
        errors.add("code", "Type the code.");
        return page(&can, request, &next, recovery, &errors);
    }
    let caller = can.who().clone();
    let checked = check_code(&can, request, &caller, typed, |tx, person, proved| {
        let device = devices::known(tx, person.id, request)?;
        let passwords = password_buckets(&can, &person.email, request, device);
        // The attempt that succeeds is counted as well.
        let failures = throttle::count(tx, &passwords)? - 1;
        throttle::clear(tx, &passwords)?;
        mark_active(tx, caller.account, caller.user)?;
        let token = sessions::complete(tx, &caller, request)?;
        let new_device = devices::remember(tx, caller.user, request)?;
        if new_device.is_some() || failures >= WORTH_TELLING {
            let failures = if failures >= WORTH_TELLING {
                failures
            } else {
                0
            };
            notices::signed_in(tx, person, request, new_device.is_some(), failures)?;
        }
        let recovery_code = proved == Proved::RecoveryCode;
        let event = Event::SignedIn {
            device: sessions::device_name(request.user_agent()),
            new_device: new_device.is_some(),
            recovery_code,
        };
        audit::record(tx, caller.account, &event)?;
        let left = match recovery_code {
            true => Some(second_factor::recovery_codes_left(tx, caller.user)?),
            false => None,
        };
        Ok((token, new_device, left))
    })?;
    match checked {
        Code::Right((token, new_device, left)) => {
            let answer = Answer::see_other(onward(next)).start_session(token);
            let answer = devices::with_cookie(answer, new_device);
            Ok(match left {
                Some(left) => answer.flash_warning(codes_left(left)),
                None => answer,
            })
        }
        Code::Wrong => {
            errors.add("code", wrong_code(recovery));
            page(&can, request, &next, recovery, &errors)
        }
        Code::Ended => Ok(ended(&next)),
    }
}

fn codes_left(left: i64) -> String {
    match left {
        0 => "That was your last recovery code. Regenerate them under Security.".into(),
        1 => "You used a recovery code. 1 is left.".into(),
        left => format!("You used a recovery code. {left} are left."),
    }
}

fn page(
    can: &Can<HalfSignedIn>,
    request: &Request,
    next: &str,
    recovery: bool,
    errors: &Errors,
) -> Result<Answer> {
    let mut shell = can.bare_page(request, "Enter your code");
    shell.refused = !errors.is_empty();
    let page = CodePage {
        shell,
        email: &can.who().email,
        next,
        recovery,
        other: other_kind("/sign-in/code", next, recovery),
        errors,
    };
    page_or_refused(&page, errors)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_left_is_told() {
        assert!(super::codes_left(0).contains("last"));
        assert!(super::codes_left(1).ends_with("1 is left."));
        assert!(super::codes_left(7).ends_with("7 are left."));
    }
}
