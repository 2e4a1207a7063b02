//! Cloning, changing and deleting a page layout.

use std::collections::BTreeSet;

use askama::Template;

use super::super::change::Change;
use super::super::model::{LayoutFact, LayoutField, Rules};
use super::super::review_pages::propose;
use super::layouts::{find, used_by};
use super::{Choice, Tab, chosen, layout_choices, refused_at, rules};
use crate::access::{Can, ManagePermissions};
use crate::credentials::names::{MAX_LENGTH, SettingName};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/layout.html")]
struct LayoutPage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    /// The layout that is changed or cloned.
    layout: LayoutFact,
    cloned: bool,
    used_by: String,
    name: String,
    lines: Vec<Line>,
    sections: BTreeSet<String>,
}

#[derive(Template)]
#[template(path = "permissions/layout_delete.html")]
struct DeletePage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    layout: LayoutFact,
    used_by: String,
    /// A profile uses it, so that another has to take its place.
    used: bool,
    layouts: Vec<Choice>,
}

/// A field in the form.
struct Line {
    key: String,
    label: String,
    custom: bool,
    is_name: bool,
    shown: bool,
    read_only: bool,
    required: bool,
    order: String,
    section: String,
}

/// Every field of the layout's object: those on the layout in their order, then the others.
fn lines(rules: &Rules, layout: &LayoutFact) -> Vec<Line> {
    let all = rules.all_fields(layout.object);
    let on = layout.fields.iter().filter_map(|field| {
        let known = all.get(&field.key)?;
        Some((known, Some(field)))
    });
    let hidden = all
        .iter()
        .filter(|known| !layout.fields.iter().any(|on| on.key == known.key()))
        .map(|known| (known, None));
    (1..)
        .zip(on.chain(hidden))
        .map(|(order, (known, on))| Line {
            key: known.key().to_owned(),
            label: known.label().to_owned(),
            custom: known.field().custom.is_some(),
            is_name: known.field().is_name(),
            shown: on.is_some() || known.field().is_name(),
            read_only: on.is_some_and(|on| on.read_only) && !known.field().is_name(),
            required: on.is_some_and(|on| on.required) || known.field().is_name(),
            order: i32::to_string(&order),
            section: on.map_or_else(String::new, |on| on.section.clone()),
        })
        .collect()
}

/// Puts what was sent over the lines, and them into the order that was typed.
fn read(form: &Form, mut lines: Vec<Line>) -> Result<(Vec<Line>, Errors)> {
    let mut errors = Errors::new();
    let has = |name, key: &str| form.all(name).any(|value| value == key);
    let mut places = Vec::new();
    for line in &mut lines {
        line.shown = line.is_name || has("shown", &line.key);
        line.read_only = !line.is_name && has("readonly", &line.key);
        line.required = line.is_name || has("required", &line.key);
        form.one(&format!("section.{}", line.key))?
            .clone_into(&mut line.section);
        form.one(&format!("order.{}", line.key))?
            .clone_into(&mut line.order);
        let place = match line.order.trim() {
            "" => Some(u32::MAX),
            typed => typed.parse().ok(),
        };
        if place.is_none() {
            let id = format!("order-{}", line.key);
            errors.add(
                id,
                format!("Type a whole number as the order of {}", line.label),
            );
        }
        places.push(place.unwrap_or(u32::MAX));
    }
    if errors.is_empty() {
        let mut placed: Vec<(u32, Line)> = places.into_iter().zip(lines).collect();
        // Those of the same number stay as they stood.
        placed.sort_by_key(|(place, line)| (!line.shown, *place));
        lines = placed.into_iter().map(|(_, line)| line).collect();
    }
    Ok((lines, errors))
}

/// What the lines say.
fn wanted(lines: &[Line]) -> Vec<LayoutField> {
    let shown = lines.iter().filter(|line| line.shown);
    shown
        .map(|line| LayoutField {
            key: line.key.clone(),
            section: line.section.clone(),
            read_only: line.read_only,
            required: line.required,
        })
        .collect()
}

/// `GET /settings/permissions/page-layouts/{layout}`
pub fn edit(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    open(&can, request, false)
}

/// `POST /settings/permissions/page-layouts/{layout}`
pub fn change(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, false)
}

/// `GET /settings/permissions/page-layouts/{layout}/clone`
pub fn ask_clone(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    open(&can, request, true)
}

/// `POST /settings/permissions/page-layouts/{layout}/clone`
pub fn add_clone(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, true)
}

fn open(can: &Can<ManagePermissions>, request: &Request, cloned: bool) -> Result<Answer> {
    let rules = rules(can)?;
    let layout = find(&rules, request)?;
    let name = if cloned {
        format!("Copy of {}", layout.name)
            .chars()
            .take(MAX_LENGTH)
            .collect()
    } else {
        layout.name.clone()
    };
    let lines = lines(&rules, &layout);
    page(
        can,
        request,
        &rules,
        layout,
        cloned,
        name,
        lines,
        Errors::new(),
    )
}

fn save(can: &Can<ManagePermissions>, request: &Request, cloned: bool) -> Result<Answer> {
    let rules = rules(can)?;
    let layout = find(&rules, request)?;
    let form = request.form();
    let typed = form.one("name")?.to_owned();
    let (lines, mut errors) = read(form, lines(&rules, &layout))?;
    let name = SettingName::parse(&typed);
    if let Err(problem) = &name {
        errors.add("name", problem.to_string());
    }
    if let (Ok(name), true) = (name, errors.is_empty()) {
        let mut fields = wanted(&lines);
        let (back, change) = if cloned {
            // A copy keeps the places of retired fields, too.
            let all = rules.all_fields(layout.object);
            let retired = layout.fields.iter().filter(|on| all.get(&on.key).is_none());
            fields.extend(retired.cloned());
            let object = layout.object;
            let change = Change::AddLayout {
                object,
                name,
                fields,
            };
            (Tab::Layouts.path().to_owned(), change)
        } else {
            let layout = layout.id;
            let change = Change::ChangeLayout {
                layout,
                name,
                fields,
            };
            (path_of(layout), change)
        };
        match propose(can, request, change, &back) {
            Ok(answer) => return Ok(answer),
            Err(Error::Refused(why)) => {
                let of_name = why.starts_with("There is a page layout");
                errors.add(if of_name { "name" } else { "fields" }, why);
            }
            Err(other) => return Err(other),
        }
    }
    page(can, request, &rules, layout, cloned, typed, lines, errors)
}

fn path_of(layout: impl std::fmt::Display) -> String {
    format!("{}/{layout}", Tab::Layouts.path())
}

#[expect(clippy::too_many_arguments, reason = "what a page says")]
fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    rules: &Rules,
    layout: LayoutFact,
    cloned: bool,
    name: String,
    lines: Vec<Line>,
    errors: Errors,
) -> Result<Answer> {
    let title = format!("{}: {}", layout.object.plural(), layout.name);
    let own = path_of(layout.id);
    let (back, steps): (_, Vec<(&str, &str)>) = if cloned {
        (own.clone(), vec![(&title, &own), ("Clone", "")])
    } else {
        (Tab::Layouts.path().to_owned(), vec![(&title, "")])
    };
    let mut shell = Tab::Layouts.page(can, request, &steps)?;
    shell.refused = !errors.is_empty();
    let page = LayoutPage {
        shell,
        action: request.path().to_owned(),
        back,
        used_by: used_by(rules, &layout),
        layout,
        cloned,
        name,
        sections: lines
            .iter()
            .map(|line| line.section.trim().to_owned())
            .filter(|section| !section.is_empty())
            .collect(),
        lines,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

/// `GET /settings/permissions/page-layouts/{layout}/delete`
pub fn ask(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    delete_page(&can, request, "", Errors::new())
}

/// `POST /settings/permissions/page-layouts/{layout}/delete`
pub fn delete(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let layout = find(&*rules(&can)?, request)?;
    let replacement = request.form().one("replacement")?;
    let change = Change::DeleteLayout {
        layout: layout.id,
        replacement: chosen(replacement)?,
    };
    match propose(&can, request, change, Tab::Layouts.path()) {
        Ok(answer) => Ok(answer),
        Err(error) => delete_page(
            &can,
            request,
            replacement,
            refused_at("replacement", error)?,
        ),
    }
}

fn delete_page(
    can: &Can<ManagePermissions>,
    request: &Request,
    replacement: &str,
    errors: Errors,
) -> Result<Answer> {
    let rules = rules(can)?;
    let layout = find(&rules, request)?;
    if layout.standard {
        return Err(Error::Refused(format!(
            "The default layout of {} cannot be deleted.",
            layout.object.plural()
        )));
    }
    let back = path_of(layout.id);
    let title = format!("{}: {}", layout.object.plural(), layout.name);
    let steps = [(title.as_str(), back.as_str()), ("Delete", "")];
    let mut shell = Tab::Layouts.page(can, request, &steps)?;
    shell.refused = !errors.is_empty();
    let index = layout.object.index();
    let mut profiles = rules.facts().profiles.iter();
    let used = profiles.any(|profile| profile.objects[index].layout == Some(layout.id));
    // Nothing is chosen by itself: the default layout may show what this one hides.
    let nothing = chosen(replacement)?.unwrap_or(layout.id);
    let mut layouts = layout_choices(&rules, layout.object, Some(nothing));
    layouts.retain(|choice| choice.value != layout.id.to_string());
    let page = DeletePage {
        shell,
        action: request.path().to_owned(),
        back,
        used_by: used_by(&rules, &layout),
        used,
        layout,
        layouts,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}
