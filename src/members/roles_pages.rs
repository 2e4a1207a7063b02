//! Manage roles.

use askama::Template;

use super::roles::{self, Outcome};
use super::{Member, PATH, Rules, find};
use crate::access::{Can, ManageMembers, PlatformRoles};
use crate::db::types::MemberId;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "members/roles.html")]
struct RolesPage {
    shell: Shell,
    member: Member,
    me: bool,
    ticked: PlatformRoles,
    /// The ticks come back from the page that asked for a code; nothing has been saved yet.
    resumed: bool,
    /// Why Admin has to stay.
    demotion_refused: Option<String>,
    errors: Errors,
}

/// The control behind the error about one's own roles.
const OWN: &str = "own";

/// `GET /shared/insight-users/members/{member}/roles`
pub fn show(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let resumed = request.query().ticked("platform_role");
    let ticked = resumed.then(|| read(request.query()));
    page(&can, request, ticked, resumed, Errors::new())
}

/// `POST /shared/insight-users/members/{member}/roles`
pub fn save(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let wanted = read(request.form());
    let me = can.me();
    let own = id == me.member;
    let gives_up = (me.roles.viewer && !wanted.viewer)
        || (me.roles.technician && !wanted.technician)
        || (me.roles.admin && !wanted.admin);
    if own && gives_up && !request.form().ticked(OWN) {
        let mut errors = Errors::new();
        errors.add(OWN, "Tick this to take platform roles away from yourself");
        return page(&can, request, Some(wanted), false, errors);
    }
    // After the code the form comes back with the same ticks.
    let back = format!("{}?{}", request.path(), ticks(wanted));
    let done = can.write(|tx| roles::change(tx, id, wanted, || can.require_fresh_code(&back)));
    let outcome = match done {
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("roles", why);
            return page(&can, request, Some(wanted), false, errors);
        }
        done => done?,
    };
    let text = match &outcome {
        Outcome::Unchanged(member) => format!(
            "{} holds {} already. Nothing was changed.",
            member.name,
            wanted.sentence()
        ),
        Outcome::Changed(..) if own => format!("You now hold {}.", wanted.sentence()),
        Outcome::Changed(member, _) if wanted == PlatformRoles::default() => format!(
            "{} holds no platform role any more, from the next page {} opens.",
            member.name, member.name
        ),
        Outcome::Changed(member, _) => format!(
            "Platform roles of {} are now {}. They apply from the next page {} opens.",
            member.name,
            wanted.sentence(),
            member.name
        ),
    };
    let to = if own && !wanted.admin { "/" } else { PATH };
    let answer = Answer::see_other(to).flash(text);
    Ok(match outcome {
        Outcome::Changed(_, Some(token)) => answer.start_session(token),
        _ => answer,
    })
}

fn page(
    can: &Can<ManageMembers>,
    request: &Request,
    ticked: Option<PlatformRoles>,
    resumed: bool,
    errors: Errors,
) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let (member, rules) = can.read(|tx| Ok((find(tx, id)?, Rules::load(tx)?)))?;
    let trail = [
        ("Shared", ""),
        ("Insight users", PATH),
        (member.name.as_str(), ""),
        ("Manage roles", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    let demotion_refused = rules.demotion_refused(&member);
    let mut ticked = ticked.unwrap_or(member.roles);
    ticked.admin |= demotion_refused.is_some();
    let page = RolesPage {
        shell,
        me: id == can.me().member,
        ticked,
        resumed,
        demotion_refused,
        member,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

fn read(form: &Form) -> PlatformRoles {
    let has = |role| form.all("platform_role").any(|value| value == role);
    PlatformRoles {
        viewer: has("viewer"),
        technician: has("technician"),
        admin: has("admin"),
    }
}

/// The opposite of [`read`].
fn ticks(roles: PlatformRoles) -> String {
    let all = [
        (roles.viewer, "viewer"),
        (roles.technician, "technician"),
        (roles.admin, "admin"),
    ];
    query_string(
        all.into_iter()
            .filter_map(|(held, role)| held.then_some(("platform_role", role))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_over_the_code_page() {
        let roles = PlatformRoles {
            viewer: true,
            technician: false,
            admin: true,
        };
        let text = ticks(roles);
        assert_eq!(text, "platform_role=viewer&platform_role=admin");
        assert_eq!(read(&Form::parse(text.as_bytes()).unwrap()), roles);
        assert_eq!(
            read(&Form::parse(b"platform_role=owner").unwrap()),
            PlatformRoles::default()
        );
    }
}
