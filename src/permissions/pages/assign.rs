//! Assign, for a role and for a profile: who has it, and the others; several at once, in either direction.

use std::collections::HashSet;

use askama::Template;

use super::super::change::Change;
use super::super::model::{ProfileFact, RoleFact, Rules};
use super::super::review_pages::propose;
use super::{Choice, Tab, chosen, profile_choices, profile_of, refused_at, role_choices, role_of};
use crate::access::{Can, ManagePermissions, Tx};
use crate::db::types::{MemberId, ProfileId};
use crate::members::list::{Key, Sort};
use crate::users::list::{self, Filter, Holds, User};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::paging::{self, COUNT_CAP, PAGE, Place};
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

/// What is assigned.
enum Target {
    Role(RoleFact),
    Profile(ProfileFact),
}

/// Which of the two lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Those who have it.
    In,
    /// The others.
    Out,
}

#[derive(Template)]
#[template(path = "permissions/assign.html")]
struct AssignPage {
    shell: Shell,
    errors: Errors,
    path: String,
    /// With the query, so that a refused form finds its lists again.
    action: String,
    target: Target,
    has: People,
    others: People,
    roles: Vec<Choice>,
    no_role: bool,
    profiles: Vec<Choice>,
    no_custom: bool,
    /// Where those go who are taken out of a profile.
    to: Vec<Choice>,
    clear: String,
}

/// One list.
struct People {
    q: String,
    /// In the query, of the other list.
    kept: Vec<(String, String)>,
    total: String,
    rows: Vec<Row>,
    range: String,
    previous: Option<String>,
    next: Option<String>,
    /// There are more than are shown: they can be chosen all at once.
    all: bool,
    all_ticked: bool,
    administrators: bool,
}

impl People {
    /// Why the list of those who have it is empty.
    fn nobody(&self) -> &'static str {
        match self.q.as_str() {
            "" => "Nobody yet. Choose people from the other list.",
            _ => "No members match this filter.",
        }
    }
}

struct Row {
    user: User,
    sub: String,
    ticked: bool,
}

/// `GET /settings/permissions/roles/{role}/assign`
pub fn role(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    page(&can, request, role_target, Errors::new())
}

/// `POST /settings/permissions/roles/{role}/assign`
pub fn assign_role(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, role_target)
}

/// `GET /settings/permissions/profiles/{profile}/assign`
pub fn profile(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    page(&can, request, profile_target, Errors::new())
}

/// `POST /settings/permissions/profiles/{profile}/assign`
pub fn assign_profile(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, profile_target)
}

fn role_target(rules: &Rules, request: &Request) -> Result<Target> {
    role_of(rules, request).map(Target::Role)
}

fn profile_target(rules: &Rules, request: &Request) -> Result<Target> {
    profile_of(rules, request).map(Target::Profile)
}

type Find = fn(&Rules, &Request) -> Result<Target>;

impl Target {
    fn name(&self) -> &str {
        match self {
            Target::Role(role) => &role.name,
            Target::Profile(profile) => &profile.name,
        }
    }

    /// "role".
    fn word(&self) -> &'static str {
        match self {
            Target::Role(_) => "role",
            Target::Profile(_) => "profile",
        }
    }

    fn is_role(&self) -> bool {
        matches!(self, Target::Role(_))
    }

    fn is_standard(&self) -> bool {
        matches!(self, Target::Profile(profile) if profile.standard)
    }

    fn tab(&self) -> Tab {
        match self {
            Target::Role(_) => Tab::Roles,
            Target::Profile(_) => Tab::Profiles,
        }
    }

    /// The page of the role or profile itself.
    fn home(&self) -> String {
        match self {
            Target::Role(role) => format!("{}?role={}", Tab::Roles.path(), role.id),
            Target::Profile(profile) => format!("{}/{}", Tab::Profiles.path(), profile.id),
        }
    }

    /// What a list is narrowed to.
    fn filter(&self, rules: &Rules, side: Side, query: &Form) -> Result<Filter> {
        let typed =
            |name| -> Result<String> { Ok(query.one(name)?.trim().chars().take(200).collect()) };
        let mut filter = Filter {
            q: typed(if side == Side::In { "q" } else { "others" })?,
            ..Filter::default()
        };
        match (self, side) {
            (Target::Role(role), Side::In) => filter.role = Holds::This(role.id),
            (Target::Profile(profile), Side::In) => filter.profile = Holds::This(profile.id),
            (Target::Role(role), Side::Out) => {
                filter.role = match query.one("role")? {
                    "" => Holds::Other(role.id),
                    "none" => Holds::Nothing,
                    id => Holds::This(id.parse().map_err(|()| Error::NotFound)?),
                };
            }
            (Target::Profile(profile), Side::Out) => {
                filter.role = match query.one("role")? {
                    "" => Holds::Anything,
                    "none" => Holds::Nothing,
                    id => Holds::This(id.parse().map_err(|()| Error::NotFound)?),
                };
                filter.profile = match query.one("profile")? {
                    "" => Holds::Other(profile.id),
                    "no-custom" => match standard(rules) {
                        // Of those who have the standard profile there is nobody beside those who have it.
                        Some(id) if id == profile.id => Holds::Nothing,
                        Some(id) => Holds::ThisOrNothing(id),
                        None => Holds::Nothing,
                    },
                    id => Holds::This(id.parse().map_err(|()| Error::NotFound)?),
                };
            }
        }
        Ok(filter)
    }
}

fn standard(rules: &Rules) -> Option<ProfileId> {
    let mut profiles = rules.facts().profiles.iter();
    profiles.find(|profile| profile.standard).map(|p| p.id)
}

fn save(can: &Can<ManagePermissions>, request: &Request, find: Find) -> Result<Answer> {
    let form = request.form();
    let (target, side, members) = can.read(|tx| {
        let rules = super::super::rules(tx)?;
        let target = find(&rules, request)?;
        let side = match form.one("move")? {
            "out" => Side::In,
            "in" => Side::Out,
            _ => return Err(Error::BadRequest("Which way was not said.")),
        };
        let members: Vec<MemberId> = if form.ticked("all") {
            let filter = target.filter(&rules, side, request.query())?;
            list::ids(tx, &filter, COUNT_CAP)?
        } else {
            let parse = |id: &str| id.parse().map_err(|()| Error::NotFound);
            form.all("member").map(parse).collect::<Result<_>>()?
        };
        Ok((target, side, members))
    })?;
    let at = control(side);
    let mut errors = Errors::new();
    if members.is_empty() {
        errors.add(at, "Choose at least one person");
        return page(can, request, find, errors);
    }
    let change = match (&target, side) {
        (Target::Role(role), Side::Out) => Change::AssignRole {
            members,
            role: Some(role.id),
        },
        (Target::Role(_), Side::In) => Change::AssignRole {
            members,
            role: None,
        },
        (Target::Profile(profile), Side::Out) => Change::AssignProfile {
            members,
            profile: profile.id,
        },
        (Target::Profile(_), Side::In) => match chosen(form.one("to")?)? {
            Some(profile) => Change::AssignProfile { members, profile },
            None => {
                errors.add("to", "Choose the profile that they get");
                return page(can, request, find, errors);
            }
        },
    };
    match propose(can, request, change, request.path()) {
        Ok(answer) => Ok(answer),
        Err(error) => page(can, request, find, refused_at(at, error)?),
    }
}

/// The control behind what is wrong with a choice of people.
fn control(side: Side) -> &'static str {
    match side {
        Side::In => "has",
        Side::Out => "others",
    }
}

fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    find: Find,
    errors: Errors,
) -> Result<Answer> {
    let query = request.query();
    let path = request.path();
    let (rules, target, has, others) = can.read(|tx| {
        let rules = super::super::rules(tx)?;
        let target = find(&rules, request)?;
        let has = people(tx, &rules, &target, Side::In, request)?;
        let others = people(tx, &rules, &target, Side::Out, request)?;
        Ok((rules, target, has, others))
    })?;
    let home = target.home();
    let steps = [(target.name(), home.as_str()), ("Assign", "")];
    let mut shell = target.tab().page(can, request, &steps)?;
    shell.refused = !errors.is_empty();
    let without_self = |choices: Vec<Choice>| -> Vec<Choice> {
        let own = match &target {
            Target::Role(role) => role.id.to_string(),
            Target::Profile(profile) => profile.id.to_string(),
        };
        choices
            .into_iter()
            .filter(|choice| choice.value != own)
            .collect()
    };
    let all_roles = role_choices(&rules, query.one("role")?);
    let profiles = profile_choices(&rules, query.one("profile")?);
    let wanted = request.form().one("to")?;
    let to = match standard(&rules) {
        Some(id) if wanted.is_empty() => profile_choices(&rules, &id.to_string()),
        _ => profile_choices(&rules, wanted),
    };
    let narrowed = ["others", "role", "profile"]
        .iter()
        .any(|name| !query.one(name).unwrap_or("").is_empty());
    let page = AssignPage {
        shell,
        path: path.to_owned(),
        action: paging::with(path, query, &[], "", ""),
        roles: match target {
            Target::Role(_) => without_self(all_roles),
            Target::Profile(_) => all_roles,
        },
        no_role: query.one("role")? == "none",
        profiles: without_self(profiles),
        no_custom: query.one("profile")? == "no-custom",
        to: without_self(to),
        clear: if narrowed {
            let drop = ["others", "role", "profile", "opage"];
            paging::with(path, query, &drop, "", "")
        } else {
            String::new()
        },
        target,
        has,
        others,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

fn people(
    tx: &mut Tx<ManagePermissions>,
    rules: &Rules,
    target: &Target,
    side: Side,
    request: &Request,
) -> Result<People> {
    let query = request.query();
    let (cursor, own): (_, &[&str]) = match side {
        Side::In => ("page", &["q", "page"]),
        Side::Out => ("opage", &["others", "role", "profile", "opage"]),
    };
    let filter = target.filter(rules, side, query)?;
    let place: Option<Place<Key>> = Place::read(query, cursor);
    let found = list::rows(tx, &filter, Sort::BY_NAME, place.as_ref(), PAGE + 1)?;
    let page = paging::page(
        found,
        PAGE,
        place.as_ref(),
        |user| user.key(Sort::BY_NAME),
        |text| paging::with(request.path(), query, &[], cursor, text),
    );
    let number = list::count(tx, &filter, COUNT_CAP)?;
    let range = page.range(number);
    // A refused form comes back with its ticks.
    let form = request.form();
    let posted = match form.one("move")? {
        "out" => Some(Side::In),
        "in" => Some(Side::Out),
        _ => None,
    };
    let ticked: HashSet<&str> = match posted == Some(side) {
        true => form.all("member").collect(),
        false => HashSet::new(),
    };
    let rows: Vec<Row> = page
        .rows
        .into_iter()
        .map(|user| Row {
            sub: target.sub(rules, side, &user),
            ticked: ticked.contains(user.id.to_string().as_str()),
            user,
        })
        .collect();
    let kept = query.pairs().iter();
    Ok(People {
        q: filter.q,
        kept: kept
            .filter(|(n, _)| !own.contains(&n.as_str()))
            .cloned()
            .collect(),
        total: paging::capped(number),
        range,
        previous: page.previous,
        next: page.next,
        all: usize::try_from(number).unwrap_or(usize::MAX) > rows.len(),
        all_ticked: posted == Some(side) && form.ticked("all"),
        administrators: rows.iter().any(|row| row.user.administrator),
        rows,
    })
}

impl Target {
    /// What stands under a name: what the person has now.
    fn sub(&self, rules: &Rules, side: Side, user: &User) -> String {
        match (self, side) {
            (_, Side::In) => user.email.clone(),
            (Target::Role(_), Side::Out) => user
                .role
                .and_then(|role| rules.role(role))
                .map_or_else(|| "No role".into(), |role| role.name.clone()),
            (Target::Profile(_), Side::Out) if user.administrator => {
                "Does everything; a profile takes Administrator away".into()
            }
            (Target::Profile(_), Side::Out) => {
                let mut profiles = rules.facts().profiles.iter();
                let held = profiles.find(|profile| Some(profile.id) == user.profile);
                held.map_or_else(|| "No profile".into(), |profile| profile.name.clone())
            }
        }
    }
}

/// Where somebody is assigned a role or a profile, found by name.
pub fn link(tab: Tab, id: impl std::fmt::Display, q: &str) -> String {
    let text = query_string([("others", q)]);
    format!("{}/{id}/assign?{text}", tab.path())
}
