//! The tab Profiles: all of them, with how many members go by each.

use askama::Template;

use super::super::model::{ProfileFact, Rights};
use super::super::objects::{OBJECTS, Object};
use super::{Tab, profile_counts, rules};
use crate::Result;
use crate::access::{Can, ManagePermissions};
use crate::db::types::ProfileId;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "permissions/profiles.html")]
struct ProfilesPage {
    shell: Shell,
    rows: Vec<Row>,
    administrators: usize,
}

struct Row {
    id: ProfileId,
    name: String,
    standard: bool,
    members: usize,
    may_change: String,
}

/// `GET /settings/permissions/profiles`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rules = rules(&can)?;
    let facts = rules.facts();
    let counts = profile_counts(&rules);
    let mut profiles: Vec<&ProfileFact> = facts.profiles.iter().collect();
    profiles.sort_by_key(|fact| (!fact.standard, fact.name.to_lowercase(), fact.id));
    let row = |fact: &ProfileFact| Row {
        id: fact.id,
        name: fact.name.clone(),
        standard: fact.standard,
        members: counts.get(&fact.id).copied().unwrap_or(0),
        may_change: may_change(fact),
    };
    let administrators = facts.members.iter().filter(|m| m.active && m.administrator);
    Answer::page(&ProfilesPage {
        shell: Tab::Profiles.page(&can, request, &[])?,
        rows: profiles.into_iter().map(row).collect(),
        administrators: administrators.count(),
    })
}

/// The objects whose records a profile lets its members change in some way.
fn may_change(profile: &ProfileFact) -> String {
    const CHANGES: [Rights; 3] = [Rights::CREATE, Rights::EDIT, Rights::DELETE];
    let changes = |object: &Object| {
        let rights = profile.objects[object.index()].rights;
        CHANGES.iter().any(|right| rights.has(*right))
    };
    let objects: Vec<&str> = Object::ALL
        .iter()
        .filter(|object| changes(object))
        .map(|object| object.plural())
        .collect();
    match objects.len() {
        0 => "Nothing".into(),
        OBJECTS => "Every object".into(),
        _ => objects.join(", "),
    }
}
