//! The mails about somebody's own access. All say what happened, when, from where, and what to do about it.

use askama::Template;

use super::Person;
use crate::Result;
use crate::access::{Proof, Tx};
use crate::credentials::sessions::device_name;
use crate::mail::{self, Content};
use crate::web::request::Request;
use crate::web::times;

/// What a mail tells.
struct Notice {
    kind: &'static str,
    subject: String,
    happened: String,
    /// (label, address) of a link.
    link: Option<(&'static str, String)>,
    advice: &'static str,
}

#[derive(Template)]
#[template(path = "mail/notice.txt")]
struct Text<'a> {
    name: &'a str,
    notice: &'a Notice,
    facts: &'a [(&'static str, String)],
}

#[derive(Template)]
#[template(path = "mail/notice.html")]
struct Html<'a> {
    name: &'a str,
    notice: &'a Notice,
    facts: &'a [(&'static str, String)],
}

const NOT_YOU: &str = "If this was you, there is nothing to do. If it was not, change your password with \"Forgot password?\" \
     on the sign-in page and tell an administrator of your company.";
const SOMEBODY_KNOWS: &str = "If this was you, there is nothing to do. If it was not, somebody knows your password: change it with \
     \"Forgot password?\" on the sign-in page and tell an administrator of your company.";

fn send<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request, notice: &Notice) -> Result<()> {
    let facts = [
        ("When", times::utc(tx.now())),
        ("Device", device_name(request.user_agent())),
        ("Address", request.address().to_string()),
    ];
    let (name, facts) = (to.name.as_str(), facts.as_slice());
    let content = Content::new(
        notice.subject.as_str(),
        &Text {
            name,
            notice,
            facts,
        },
        &Html {
            name,
            notice,
            facts,
        },
    )?;
    mail::tell(tx, to.account, notice.kind, &to.email, content)
}

/// Signed in with a browser that was not known, or after many failures.
pub fn signed_in<P: Proof>(
    tx: &mut Tx<P>,
    to: &Person,
    request: &Request,
    new_device: bool,
    failures: i32,
) -> Result<()> {
    let mut happened = String::from(if new_device {
        "Somebody signed in as you with a browser that has not signed in before."
    } else {
        "Somebody signed in as you."
    });
    if failures > 0 {
        happened += &format!(" Before that, {failures} attempts failed or were not finished.");
    }
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "signed-in",
            subject: if new_device {
                "New sign-in to Insight".into()
            } else {
                "Sign-in to Insight after failed attempts".into()
            },
            happened,
            link: None,
            advice: SOMEBODY_KNOWS,
        },
    )
}

/// The password was right, the code was not.
pub fn half_signed_in<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "half-signed-in",
            subject: "Somebody gave your Insight password and a wrong code".into(),
            happened: "Somebody gave your password on the sign-in page and then a wrong code. They were not signed in."
                .into(),
            link: None,
            advice: SOMEBODY_KNOWS,
        },
    )
}

/// Five wrong codes ended a session.
pub fn wrong_codes<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "wrong-codes",
            subject: "Five wrong codes for your Insight access".into(),
            happened: "Five wrong codes in a row were typed in a session of yours. It was ended."
                .into(),
            link: None,
            advice: SOMEBODY_KNOWS,
        },
    )
}

/// The link to a new password.
pub fn new_password<P: Proof>(
    tx: &mut Tx<P>,
    to: &Person,
    request: &Request,
    address: String,
) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "new-password",
            subject: "Set a new password for Insight".into(),
            happened: "Somebody, hopefully you, asked for a new password for Insight. The link works for one hour, once. \
                       Your authenticator app stays as it is."
                .into(),
            link: Some(("Set a new password", address)),
            advice: "If you did not ask for it, there is nothing to do: your password stays as it is.",
        },
    )
}

/// Asked for a new password while the second factor is missing: a link in a mail alone must not open the account.
pub fn no_new_password<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "no-new-password",
            subject: "Your Insight access has to be set up first".into(),
            happened: "Somebody, hopefully you, asked for a new password for Insight. An administrator has reset your \
                       two-factor, so use the set-up link from the mail about that. If the password is lost too, ask \
                       an administrator to reset both."
                .into(),
            link: None,
            advice: "If you did not ask for it, there is nothing to do.",
        },
    )
}

/// The password is another one now.
pub fn password_changed<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "password-changed",
            subject: "Your Insight password was changed".into(),
            happened: "Your password for Insight was changed and your other sessions were ended."
                .into(),
            link: None,
            advice: NOT_YOU,
        },
    )
}

/// A new secret code is bound.
pub fn two_factor_set<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "two-factor-set",
            subject: "Two-factor of your Insight access was set up anew".into(),
            happened: "A new secret code was set up for your Insight access. Codes of the old one and old recovery \
                       codes do not work any more, and your other sessions were ended."
                .into(),
            link: None,
            advice: "If this was you, there is nothing to do. If it was not, ask an administrator of your company at once \
                     to reset your two-factor and your password.",
        },
    )
}

/// There are ten new recovery codes.
pub fn recovery_codes_made<P: Proof>(tx: &mut Tx<P>, to: &Person, request: &Request) -> Result<()> {
    send(
        tx,
        to,
        request,
        &Notice {
            kind: "recovery-codes",
            subject: "Your Insight recovery codes were regenerated".into(),
            happened: "Ten new recovery codes were made for your Insight access. The old ones do not work any more.".into(),
            link: None,
            advice: NOT_YOU,
        },
    )
}
