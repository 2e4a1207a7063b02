//! The list of users.

use askama::Template;
use diesel::prelude::*;

use super::PATH;
use super::list::{self, Filter, Holds, User};
use crate::access::{Can, ManagePermissions, Tx};
use crate::db::types::{ProfileId, RoleId};
use crate::members::list::{By, Sort, place};
use crate::members::{self};
use crate::permissions::pages::{Choice, profile_choices, role_choices};
use crate::permissions::{self, Rules};
use crate::schema::invitations;
use crate::web::answer::Answer;
use crate::web::paging::{self, COUNT_CAP, PAGE};
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "users/index.html")]
struct IndexPage {
    shell: Shell,
    total: String,
    /// This page with its query, for the way back from a switch.
    here: String,
    q: String,
    roles: Vec<Choice>,
    no_role: bool,
    profiles: Vec<Choice>,
    no_profile: bool,
    administrator: String,
    export: String,
    clear: String,
    sort: Sort,
    by_name: String,
    by_activity: String,
    rows: Vec<Row>,
    range: String,
    previous: Option<String>,
    next: Option<String>,
    invited: Vec<Invited>,
    more_invited: bool,
}

struct Row {
    user: User,
    me: bool,
    owner: bool,
    /// The last administrator who can sign in stays one.
    last: bool,
    role: Option<(RoleId, String)>,
    profile: Option<(ProfileId, String)>,
}

/// Somebody who has not registered yet.
struct Invited {
    email: String,
    role: String,
    profile: String,
    administrator: bool,
}

/// Invitations that the page shows; Insight users has all of them.
const INVITED: usize = 50;

/// `GET /settings/users`
pub fn index(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let query = request.query();
    let filter = read(query)?;
    let sort = match Sort::read(query)? {
        Sort { by: By::Joined, .. } => Sort::DEFAULT,
        sort => sort,
    };
    let place = place(query, sort);
    let me = can.me().member;
    let page = can.read(|tx| {
        let rules = permissions::rules(tx)?;
        let keep = members::Rules::load(tx)?;
        let found = list::rows(tx, &filter, sort, place.as_ref(), PAGE + 1)?;
        let (everybody, _) = members::list::totals(tx)?;
        let matching = if filter == Filter::default() {
            everybody
        } else {
            list::count(tx, &filter, COUNT_CAP)?
        };
        let first = place.is_none() && filter == Filter::default();
        let mut invited = if first {
            invited(tx, &rules)?
        } else {
            Vec::new()
        };
        let more_invited = invited.len() > INVITED;
        invited.truncate(INVITED);
        Ok((
            rules,
            keep,
            found,
            everybody,
            matching,
            invited,
            more_invited,
        ))
    })?;
    let (rules, keep, found, everybody, matching, invited, more_invited) = page;
    let page = paging::page(
        found,
        PAGE,
        place.as_ref(),
        |user| user.key(sort),
        |cursor| paging::with(PATH, query, &[], "page", cursor),
    );
    let range = page.range(matching);
    let head = |by| paging::with(PATH, query, &["page"], "sort", &sort.toward(by).text());
    let row = |user: User| Row {
        me: user.id == me,
        owner: keep.owner() == Some(user.id),
        last: keep.is_last(user.id),
        role: named_role(&rules, &user),
        profile: named_profile(&rules, &user),
        user,
    };
    Answer::page(&IndexPage {
        shell: can.page(request, &[("System Settings", ""), ("Users", "")])?,
        total: paging::capped(everybody),
        here: paging::with(PATH, query, &[], "", ""),
        roles: role_choices(&rules, query.one("role")?),
        no_role: filter.role == Holds::Nothing,
        profiles: profile_choices(&rules, query.one("profile")?),
        no_profile: filter.profile == Holds::Nothing,
        administrator: known(query, "administrator")?.to_owned(),
        export: known(query, "export")?.to_owned(),
        clear: if filter == Filter::default() {
            String::new()
        } else {
            let text = query_string([("sort", sort.text().as_str())]);
            let mark = if text.is_empty() { "" } else { "?" };
            format!("{PATH}{mark}{text}")
        },
        q: filter.q,
        by_name: head(By::Name),
        by_activity: head(By::Activity),
        sort,
        rows: page.rows.into_iter().map(row).collect(),
        range,
        previous: page.previous,
        next: page.next,
        invited,
        more_invited,
    })
}

/// "yes", "no", or nothing.
fn known<'q>(query: &'q Form, name: &str) -> Result<&'q str> {
    let value = query.one(name)?;
    Ok(if matches!(value, "yes" | "no") {
        value
    } else {
        ""
    })
}

fn read(query: &Form) -> Result<Filter> {
    fn holds<T: std::str::FromStr>(text: &str) -> Result<Holds<T>> {
        match text {
            "" => Ok(Holds::Anything),
            "none" => Ok(Holds::Nothing),
            id => id.parse().map(Holds::This).map_err(|_| Error::NotFound),
        }
    }
    let yes = |name| -> Result<Option<bool>> {
        Ok(match known(query, name)? {
            "" => None,
            word => Some(word == "yes"),
        })
    };
    Ok(Filter {
        q: query.one("q")?.trim().chars().take(200).collect(),
        role: holds(query.one("role")?)?,
        profile: holds(query.one("profile")?)?,
        administrator: yes("administrator")?,
        export: yes("export")?,
    })
}

pub(super) fn named_role(rules: &Rules, user: &User) -> Option<(RoleId, String)> {
    let role = rules.role(user.role?)?;
    Some((role.id, role.name.clone()))
}

pub(super) fn named_profile(rules: &Rules, user: &User) -> Option<(ProfileId, String)> {
    let mut profiles = rules.facts().profiles.iter();
    let profile = profiles.find(|profile| Some(profile.id) == user.profile)?;
    Some((profile.id, profile.name.clone()))
}

/// The open invitations, the oldest first; one more than are shown.
fn invited(tx: &mut Tx<ManagePermissions>, rules: &Rules) -> Result<Vec<Invited>> {
    type Open = (String, bool, Option<RoleId>, Option<ProfileId>);
    let account = tx.account();
    let rows: Vec<Open> = invitations::table
        .filter(invitations::account_id.eq(account))
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .order((invitations::invited_at, invitations::id))
        .limit(i64::try_from(INVITED + 1).unwrap_or(i64::MAX))
        .select((
            invitations::email,
            invitations::admin,
            invitations::role_id,
            invitations::profile_id,
        ))
        .load(tx.conn())?;
    let role = |id: Option<RoleId>| id.and_then(|id| rules.role(id));
    let profile = |id: Option<ProfileId>| {
        let mut profiles = rules.facts().profiles.iter();
        profiles.find(|profile| Some(profile.id) == id)
    };
    let row = |(email, administrator, held, goes_by): Open| Invited {
        email,
        role: role(held).map_or_else(|| "None".into(), |role| role.name.clone()),
        profile: profile(goes_by).map_or_else(|| "Standard User".into(), |p| p.name.clone()),
        administrator,
    };
    Ok(rows.into_iter().map(row).collect())
}
