//! One user: everything the person may do, what they see and why, and where they are signed in.

use askama::Template;

use super::PATH;
use super::details::{self, Seen};
use super::index_pages::{named_profile, named_role};
use super::list::{self, User};
use crate::access::{Can, Environment, ManagePermissions};
use crate::audit::{self, Event};
use crate::credentials::sessions::{self, Row as Session};
use crate::db::types::{MemberId, ProfileId};
use crate::members::{self, Member};
use crate::permissions::change::Change;
use crate::permissions::model::ProfileFact;
use crate::permissions::pages::{Choice, profile_choices, refused_at, role_choices};
use crate::permissions::review_pages::propose;
use crate::permissions::{self, Object, Rights, Rules};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "users/details.html")]
struct DetailsPage {
    shell: Shell,
    errors: Errors,
    path: String,
    user: User,
    member: Member,
    me: bool,
    owner: bool,
    last: bool,
    /// From the top down to the person's own.
    role_path: Vec<(String, String)>,
    roles: Vec<Choice>,
    profile: Option<(ProfileId, String)>,
    profiles: Vec<Choice>,
    no_profile: bool,
    matrix: Vec<Cells>,
    environment: Environment,
    seen: Vec<Seen>,
    sessions: Vec<Session>,
}

/// What the person may do with an object.
struct Cells {
    object: Object,
    rights: Vec<(&'static str, bool)>,
    layout: String,
}

/// `GET /settings/users/{member}`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    page(&can, request, Errors::new())
}

fn page(can: &Can<ManagePermissions>, request: &Request, errors: Errors) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let environment = match request.query().one("environment")? {
        "" => can.me().environment,
        slug => slug.parse().map_err(|_| Error::NotFound)?,
    };
    let (rules, keep, user, member, seen, sessions) = can.read(|tx| {
        let rules = permissions::rules(tx)?;
        let user = list::find(tx, id)?;
        let member = members::find(tx, id)?;
        let seen = details::seen(tx, environment, user.slot)?;
        let sessions = sessions::in_account(tx, user.user)?;
        let keep = members::Rules::load(tx)?;
        Ok((rules, keep, user, member, seen, sessions))
    })?;
    let trail = [
        ("System Settings", ""),
        ("Users", PATH),
        (user.name.as_str(), ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    let held = user.role.map(|role| role.to_string()).unwrap_or_default();
    let by = user
        .profile
        .map(|profile| profile.to_string())
        .unwrap_or_default();
    let sent = |name, now: &str| -> Result<String> {
        let sent = request.form().one(name)?;
        let refused = !errors.is_empty() && request.form().ticked(name);
        Ok(if refused { sent } else { now }.to_owned())
    };
    let page = DetailsPage {
        shell,
        path: format!("{PATH}/{id}"),
        me: id == can.me().member,
        owner: keep.owner() == Some(id),
        last: keep.is_last(id),
        role_path: role_path(&rules, &user),
        roles: role_choices(&rules, &sent("role", &held)?),
        profile: named_profile(&rules, &user),
        profiles: profile_choices(&rules, &sent("profile", &by)?),
        no_profile: user.profile.is_none(),
        matrix: matrix(&rules, &user),
        environment,
        seen,
        sessions,
        user,
        member,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

/// Names and addresses of the roles from the top down to the person's own.
fn role_path(rules: &Rules, user: &User) -> Vec<(String, String)> {
    let mut path = Vec::new();
    let mut at = named_role(rules, user).and_then(|(role, _)| rules.role(role));
    while let Some(role) = at {
        let href = format!("{}?role={}", permissions::pages::Tab::Roles.path(), role.id);
        path.push((role.name.clone(), href));
        // No way to the top is longer than there are roles.
        at = role.parent.and_then(|parent| rules.role(parent));
        if path.len() > rules.facts().roles.len() {
            break;
        }
    }
    path.reverse();
    path
}

fn matrix(rules: &Rules, user: &User) -> Vec<Cells> {
    let member = rules.member(user.slot);
    let profile: Option<&ProfileFact> = member.and_then(|member| rules.profile_of(member));
    let row = |object: Object| {
        let rights = rules.rights(user.slot, object);
        let layout = profile.and_then(|profile| profile.objects[object.index()].layout);
        let mut layouts = rules.facts().layouts.iter();
        let layout = layouts.find(|fact| Some(fact.id) == layout);
        Cells {
            object,
            rights: Rights::EACH
                .iter()
                .map(|(right, label)| (*label, rights.has(*right)))
                .collect(),
            layout: match layout {
                _ if user.administrator => "Every field".into(),
                Some(layout) => layout.name.clone(),
                None => "None".into(),
            },
        }
    };
    Object::ALL.into_iter().map(row).collect()
}

/// `POST /settings/users/{member}/role`
pub fn role(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let role = match request.form().one("role")? {
        "" => None,
        text => Some(text.parse().map_err(|()| Error::NotFound)?),
    };
    let members = vec![id];
    let change = Change::AssignRole { members, role };
    ended(&can, request, id, "role", change)
}

/// `POST /settings/users/{member}/profile`
pub fn profile(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let sent = request.form().one("profile")?;
    let Ok(profile) = sent.parse() else {
        let mut errors = Errors::new();
        errors.add("profile", "Choose a profile");
        return page(&can, request, errors);
    };
    let members = vec![id];
    let change = Change::AssignProfile { members, profile };
    ended(&can, request, id, "profile", change)
}

fn ended(
    can: &Can<ManagePermissions>,
    request: &Request,
    id: MemberId,
    control: &str,
    change: Change,
) -> Result<Answer> {
    match propose(can, request, change, &format!("{PATH}/{id}")) {
        Ok(answer) => Ok(answer),
        Err(error) => page(can, request, refused_at(control, error)?),
    }
}

/// `POST /settings/users/{member}/sign-out`: ends every session of the person in this account.
pub fn sign_out(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    if id == can.me().member {
        // One's own sessions have a page that keeps the present one.
        return Ok(Answer::see_other("/sessions"));
    }
    let (name, ended) = can.write(|tx| {
        tx.lock_account()?;
        let member = members::find(tx, id)?;
        let account = tx.account();
        let ended = sessions::end_in_account(tx, member.user, account)?;
        let count = i64::try_from(ended).map_err(Error::internal)?;
        if count > 0 {
            let name = member.name.clone();
            audit::record(tx, account, &Event::SessionsEnded { name, count })?;
        }
        Ok((member.name, count))
    })?;
    let text = match ended {
        0 => format!("{name} was not signed in."),
        1 => format!("{name} was signed out. 1 session was ended."),
        n => format!("{name} was signed out everywhere. {n} sessions were ended."),
    };
    Ok(Answer::see_other(format!("{PATH}/{id}")).flash(text))
}
