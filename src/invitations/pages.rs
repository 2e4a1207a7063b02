//! **Invite a new member** and what became of each address.

use askama::Template;

use super::{A_DAY, AT_ONCE, Invitation, Outcome, choices, invite};
use crate::access::{Can, ManageMembers, PlatformRoles};
use crate::accounts::Grants;
use crate::billing;
use crate::credentials::email::Email;
use crate::credentials::names::PersonName;
use crate::db::types::{ProfileId, RoleId, Timestamp};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

const PAGE: &str = "/shared/insight-users/invite";

/// Value, label and description of the platform roles.
const ROLES: [(&str, &str, &str); 3] = [
    ("viewer", "Viewer", "Opens Import data and API usage."),
    (
        "technician",
        "Technician",
        "Opens API usage, API keys and IP addresses. Does not see imported data.",
    ),
    (
        "admin",
        "Admin",
        "Opens everything: all records, users, permissions and billing. Profile, role and sharing rules do not apply.",
    ),
];

/// What was typed, from the form or from the query string of a way back to it.
struct Typed {
    emails: String,
    name: String,
    roles: Vec<String>,
    profile: Option<ProfileId>,
    role: Option<RoleId>,
}

impl Typed {
    fn read(form: &Form) -> Result<Typed> {
        Ok(Typed {
            emails: form.one("emails")?.to_owned(),
            name: form.one("name")?.to_owned(),
            roles: form.all("platform_role").map(str::to_owned).collect(),
            profile: form.one("profile")?.parse().ok(),
            role: form.one("role")?.parse().ok(),
        })
    }

    fn ticked(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }

    fn has_profile(&self, id: &ProfileId) -> bool {
        self.profile.as_ref() == Some(id)
    }

    fn has_role(&self, id: &RoleId) -> bool {
        self.role.as_ref() == Some(id)
    }

    fn platform_roles(&self) -> PlatformRoles {
        PlatformRoles {
            viewer: self.ticked("viewer"),
            technician: self.ticked("technician"),
            admin: self.ticked("admin"),
        }
    }

    /// The form again, with `emails` in the field and everything else as it was.
    fn link(&self, emails: &str) -> String {
        let profile = self.profile.map(|id| id.to_string()).unwrap_or_default();
        let role = self.role.map(|id| id.to_string()).unwrap_or_default();
        let mut pairs = vec![
            ("emails", emails),
            ("name", self.name.as_str()),
            ("profile", profile.as_str()),
            ("role", role.as_str()),
        ];
        pairs.extend(self.roles.iter().map(|r| ("platform_role", r.as_str())));
        format!("{PAGE}?{}", query_string(pairs))
    }
}

#[derive(Template)]
#[template(path = "invitations/invite.html")]
struct InvitePage {
    shell: Shell,
    errors: Errors,
    typed: Typed,
    profiles: Vec<(ProfileId, String)>,
    roles: Vec<(RoleId, String)>,
}

fn shell(can: &Can<ManageMembers>, request: &Request, last: &str) -> Result<Shell> {
    can.page(
        request,
        &[
            ("Shared", ""),
            ("Insight users", "/shared/insight-users"),
            (last, ""),
        ],
    )
}

/// `GET …/invite`; the query string may fill it in.
pub fn form(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let (profiles, roles) = can.read(choices)?;
    let mut typed = Typed::read(request.query())?;
    if request.query().pairs().is_empty() {
        typed.roles.push("viewer".to_owned());
    }
    Answer::page(&InvitePage {
        shell: shell(&can, request, "Invite a new member")?,
        errors: Errors::new(),
        typed,
        profiles,
        roles,
    })
}

/// One line of the result page.
struct Line {
    address: String,
    outcome: Said,
}

enum Said {
    Sent(Timestamp),
    Member(String),
    Invited(Box<Invitation>),
    /// Why this one has to wait.
    NotNow(String),
    /// Every seat is used: how many there are.
    NoSeat(String),
    /// Where it can be corrected.
    NoAddress(String),
}

#[derive(Template)]
#[template(path = "invitations/result.html")]
struct ResultPage {
    shell: Shell,
    sent: usize,
    lines: Vec<Line>,
}

/// `POST …/invite`: each address for itself, all or nothing.
pub fn send(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let typed = Typed::read(request.form())?;
    let (profiles, roles) = can.read(choices)?;
    let (addresses, name, errors) = check(&typed, request.form(), &profiles, &roles)?;
    if !errors.is_empty() {
        let mut shell = shell(&can, request, "Invite a new member")?;
        shell.refused = true;
        return Answer::refused(&InvitePage {
            shell,
            errors,
            typed,
            profiles,
            roles,
        });
    }
    let grants = Grants {
        roles: typed.platform_roles(),
        profile: typed.profile,
        role: typed.role,
    };
    if grants.roles.admin {
        can.require_fresh_code(&typed.link(&typed.emails))?;
    }
    let mut lines = Vec::new();
    for (address, email) in addresses {
        let outcome = match email {
            None => Said::NoAddress(typed.link(&address)),
            Some(email) => match can.write(|tx| invite(tx, &email, name.as_ref(), grants)) {
                Ok(Outcome::Sent { expires_at }) => Said::Sent(expires_at),
                Ok(Outcome::Member { name }) => Said::Member(name),
                Ok(Outcome::Invited(invitation)) => Said::Invited(invitation),
                Ok(Outcome::NoSeat) => {
                    let seats = can.read(|tx| billing::seats::load(tx, tx.account()))?;
                    Said::NoSeat(seats.sentence())
                }
                Ok(Outcome::Gone) => Said::NotNow(
                    "Not sent: its role or profile was deleted meanwhile. Invite this address with another one.".into(),
                ),
                Ok(Outcome::DayFull) => Said::NotNow(format!(
                    "Not sent: this account has sent {} invitations in 24 hours. Invite this address tomorrow.",
                    crate::web::paging::thousands(A_DAY)
                )),
                Err(Error::Limited { retry_after }) => Said::NotNow(format!(
                    "Not sent: this address has been written to too often. Try again in {} minutes.",
                    retry_after.as_secs().div_ceil(60)
                )),
                // What was done for the addresses before stays told.
                Err(Error::Busy(cause)) => {
                    tracing::warn!(request = request.id(), cause, "an invitation met a limit");
                    Said::NotNow("Not sent: the server is busy. Invite this address again.".into())
                }
                Err(other) => return Err(other),
            },
        };
        lines.push(Line { address, outcome });
    }
    let sent = lines
        .iter()
        .filter(|line| matches!(line.outcome, Said::Sent(_)))
        .count();
    Answer::page(&ResultPage {
        shell: shell(&can, request, "Invitations")?,
        sent,
        lines,
    })
}

type Addresses = Vec<(String, Option<Email>)>;

/// The addresses without repetitions, the name, and what is wrong. Addresses that are none are a matter of the result
/// page as long as one is.
fn check(
    typed: &Typed,
    form: &Form,
    profiles: &[(ProfileId, String)],
    roles: &[(RoleId, String)],
) -> Result<(Addresses, Option<PersonName>, Errors)> {
    let mut errors = Errors::new();
    let mut addresses: Addresses = Vec::new();
    for part in Email::split_list(&typed.emails) {
        let email = Email::parse(part).ok();
        let shown = email
            .as_ref()
            .map_or_else(|| part.to_owned(), Email::to_string);
        if !addresses.iter().any(|(known, _)| *known == shown) {
            addresses.push((shown, email));
        }
    }
    if addresses.is_empty() {
        errors.add("emails", "Type at least one e-mail address.");
    } else if addresses.len() > AT_ONCE {
        errors.add(
            "emails",
            format!("Invite at most {AT_ONCE} addresses at a time."),
        );
    } else if addresses.iter().all(|(_, email)| email.is_none()) {
        errors.add("emails", no_address(&addresses));
    }
    let mut name = None;
    if !typed.name.trim().is_empty() {
        match PersonName::parse(&typed.name) {
            Err(problem) => errors.add("name", problem.to_string()),
            Ok(_) if addresses.len() > 1 => {
                errors.add(
                    "name",
                    "Leave the name empty when you invite several people.",
                );
            }
            Ok(parsed) => name = Some(parsed),
        }
    }
    let known = ROLES.map(|(value, ..)| value);
    if typed.roles.iter().any(|r| !known.contains(&r.as_str())) {
        errors.add(
            "platform_role",
            "Choose from the platform roles of this page.",
        );
    }
    if !profiles.iter().any(|(id, _)| Some(*id) == typed.profile) {
        errors.add("profile", "Choose a profile.");
    }
    let no_role = form.one("role")?.is_empty();
    if !no_role && !roles.iter().any(|(id, _)| Some(*id) == typed.role) {
        errors.add("role", "Choose a role, or None.");
    }
    Ok((addresses, name, errors))
}

/// Names the first few, as they were typed.
fn no_address(addresses: &Addresses) -> String {
    let quoted: Vec<String> = addresses
        .iter()
        .take(3)
        .map(|(typed, _)| format!("“{}”", typed.chars().take(60).collect::<String>()))
        .collect();
    let (names, are) = match (quoted.as_slice(), addresses.len()) {
        ([one], _) => (one.clone(), "is not an e-mail address"),
        ([first @ .., last], n) if n == quoted.len() => (
            format!("{} and {last}", first.join(", ")),
            "are not e-mail addresses",
        ),
        (some, _) => (
            format!("{} and others", some.join(", ")),
            "are not e-mail addresses",
        ),
    };
    format!("Type e-mail addresses like name@example.com. {names} {are}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(typed: &[&str]) -> String {
        let addresses: Addresses = typed.iter().map(|t| ((*t).to_owned(), None)).collect();
        no_address(&addresses)
    }

    #[test]
    fn what_is_no_address_is_named() {
        assert!(said(&["p.sand"]).ends_with("“p.sand” is not an e-mail address."));
        assert!(said(&["a", "b"]).ends_with("“a” and “b” are not e-mail addresses."));
        assert!(said(&["a", "b", "c", "d"]).contains("“a”, “b”, “c” and others are not"));
    }

    #[test]
    fn the_way_back_to_the_form_carries_what_was_typed() {
        let form = Form::parse(
            b"emails=a%40x.com+b&name=&platform_role=viewer&platform_role=admin&profile=3&role=",
        )
        .unwrap();
        let typed = Typed::read(&form).unwrap();
        let link = typed.link("b");
        let back =
            Typed::read(&Form::parse(link.split_once('?').unwrap().1.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            (back.emails.as_str(), back.profile),
            ("b", Some(ProfileId(3)))
        );
        assert!(back.ticked("viewer") && back.ticked("admin") && !back.ticked("technician"));
    }
}
