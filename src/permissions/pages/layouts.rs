//! The tab Page Layouts: those of each object, and the profiles that use them.

use askama::Template;

use super::super::model::{LayoutFact, Rules};
use super::super::objects::Object;
use super::{Tab, rules};
use crate::access::{Can, ManagePermissions};
use crate::db::types::LayoutId;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/layouts.html")]
struct LayoutsPage {
    shell: Shell,
    groups: Vec<(Object, Vec<Row>)>,
}

struct Row {
    id: LayoutId,
    name: String,
    standard: bool,
    /// "7 of 9 fields".
    fields: String,
    used_by: String,
}

/// `GET /settings/permissions/page-layouts`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rules = rules(&can)?;
    let group = |object: Object| {
        let layouts = rules.facts().layouts.iter();
        let mut layouts: Vec<_> = layouts.filter(|fact| fact.object == object).collect();
        layouts.sort_by_key(|fact| (!fact.standard, fact.name.to_lowercase(), fact.id));
        let rows = layouts.into_iter().map(|fact| Row {
            id: fact.id,
            name: fact.name.clone(),
            standard: fact.standard,
            fields: fields(&rules, fact),
            used_by: used_by(&rules, fact),
        });
        (object, rows.collect())
    };
    let groups = Object::ALL.into_iter().map(group).collect();
    Answer::page(&LayoutsPage {
        shell: Tab::Layouts.page(&can, request, &[])?,
        groups,
    })
}

fn fields(rules: &Rules, layout: &LayoutFact) -> String {
    let all = rules.all_fields(layout.object);
    let shown = layout
        .fields
        .iter()
        .filter(|field| all.get(&field.key).is_some());
    format!("{} of {} fields", shown.count(), all.iter().count())
}

/// The names of the profiles that use a layout, or that there are none.
pub(super) fn used_by(rules: &Rules, layout: &LayoutFact) -> String {
    const NAMED: usize = 5;
    let index = layout.object.index();
    let profiles = rules.facts().profiles.iter();
    let names: Vec<&str> = profiles
        .filter(|profile| profile.objects[index].layout == Some(layout.id))
        .map(|profile| profile.name.as_str())
        .collect();
    match names.get(..NAMED) {
        _ if names.is_empty() => "No profile".into(),
        Some(some) if names.len() > NAMED => {
            format!("{} and {} more", some.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
}

/// The page layout in the path.
pub(super) fn find(rules: &Rules, request: &Request) -> Result<LayoutFact> {
    let id: LayoutId = request.param("layout")?;
    let found = rules.facts().layouts.iter().find(|fact| fact.id == id);
    found.cloned().ok_or(Error::NotFound)
}
