//! The two switches of a person: Administrator and Export. One press, and a page where something has to be confirmed.

use askama::Template;

use super::PATH;
use crate::access::{Can, ManagePermissions, PlatformRoles};
use crate::db::types::MemberId;
use crate::members::roles::{self, Outcome};
use crate::members::{self, Member, Rules};
use crate::permissions::members::set_export;
use crate::permissions::setup::Setup;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Request, local_path, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "users/administrator.html")]
struct AdministratorPage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    member: Member,
    me: bool,
    /// What is asked for: to be one, or not.
    on: bool,
    /// Why it has to stay.
    refused: Option<String>,
}

/// The control behind the error about oneself.
const OWN: &str = "own";

/// `GET /settings/users/{member}/administrator`: asks before it is changed.
pub fn ask(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    page(&can, request, None, Errors::new())
}

/// `POST /settings/users/{member}/administrator`
pub fn administrator(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let on = request.form().one("on")? == "1";
    let own = id == can.me().member;
    if own && !on && !request.form().ticked(OWN) {
        let mut errors = Errors::new();
        errors.add(OWN, "Tick this to take Administrator away from yourself");
        return page(&can, request, Some(on), errors);
    }
    let back = back(request)?;
    let state = if on { "1" } else { "0" };
    // After the code the page asks once more.
    let query = query_string([("on", state), ("back", back.as_str())]);
    let resume = format!("{}?{query}", request.path());
    let done = can.write(|tx| {
        tx.lock_account()?;
        let member = members::find(tx, id)?;
        let wanted = PlatformRoles {
            admin: on,
            ..member.roles
        };
        roles::change(tx, id, wanted, || can.require_fresh_code(&resume))
    });
    let outcome = match done {
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("administrator", why);
            return page(&can, request, Some(on), errors);
        }
        done => done?,
    };
    let text = match &outcome {
        Outcome::Unchanged(member) if on => {
            format!("{} is an administrator already.", member.name)
        }
        Outcome::Unchanged(member) => format!("{} is no administrator already.", member.name),
        Outcome::Changed(..) if own => "You are no administrator any more.".into(),
        Outcome::Changed(member, _) if on => format!(
            "{} is an administrator from the next page they open.",
            member.name
        ),
        Outcome::Changed(member, _) => format!(
            "{} is no administrator any more. Profile and role apply from the next page they open.",
            member.name
        ),
    };
    let to = if own && !on { "/".to_owned() } else { back };
    let answer = Answer::see_other(to).flash(text);
    Ok(match outcome {
        Outcome::Changed(_, Some(token)) => answer.start_session(token),
        _ => answer,
    })
}

/// `POST /settings/users/{member}/export`
pub fn export(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let on = request.form().one("on")? == "1";
    let back = back(request)?;
    let name = can.write(|tx| {
        set_export(&mut Setup::open(tx)?, id, on)?;
        Ok(members::find(tx, id)?.name)
    })?;
    Ok(Answer::see_other(back).flash(if on {
        format!("{name} may export what they see.")
    } else {
        format!("{name} may not export any more.")
    }))
}

/// The page of users from which the switch was pressed.
fn back(request: &Request) -> Result<String> {
    let sent = match request.form().one("back")? {
        "" => request.query().one("back")?,
        sent => sent,
    };
    let ours = |path: &&str| {
        path.strip_prefix(PATH)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    Ok(local_path(sent).filter(ours).unwrap_or(PATH).to_owned())
}

fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    on: Option<bool>,
    errors: Errors,
) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let (member, rules) = can.read(|tx| Ok((members::find(tx, id)?, Rules::load(tx)?)))?;
    let on = on.unwrap_or(!member.roles.admin);
    let own = format!("{PATH}/{id}");
    let trail = [
        ("System Settings", ""),
        ("Users", PATH),
        (member.name.as_str(), own.as_str()),
        ("Administrator", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    let page = AdministratorPage {
        shell,
        action: request.path().to_owned(),
        back: back(request)?,
        me: id == can.me().member,
        refused: rules.demotion_refused(&member).filter(|_| !on),
        member,
        on,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}
