//! The tab Fields of System Settings > Permissions: the fields of each object, and those that administrators add, change and retire.

use askama::Template;

use super::custom_fields::{self, Custom};
use super::objects::{Kind, Object};
use super::pages::Tab;
use super::setup::Setup;
use crate::access::{Can, ManagePermissions};
use crate::credentials::names::{MAX_LENGTH, SettingName};
use crate::db::types::CustomFieldId;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

const PATH: &str = "/settings/permissions/fields";

/// Choices that a row of the list names.
const NAMED: usize = 6;

/// A row of the list.
struct Row {
    label: String,
    kind: String,
    choices: String,
}

impl Row {
    fn new(label: &str, kind: &Kind) -> Row {
        Row {
            label: label.to_owned(),
            kind: words(kind),
            choices: match kind {
                Kind::Choice(values) => in_short(values),
                _ => String::new(),
            },
        }
    }
}

#[derive(Template)]
#[template(path = "permissions/fields.html")]
struct ListPage {
    shell: Shell,
    object: Object,
    /// Those that administrators added; whether each is retired.
    added: Vec<(CustomFieldId, Row, bool)>,
    built_in: Vec<Row>,
}

#[derive(Template)]
#[template(path = "permissions/fields_form.html")]
struct FormPage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    /// The field that is changed; its object and kind stay.
    before: Option<Custom>,
    typed: Typed,
}

#[derive(Template)]
#[template(path = "permissions/fields_retire.html")]
struct RetirePage {
    shell: Shell,
    action: String,
    back: String,
    field: Custom,
}

/// What the form says.
struct Typed {
    object: Object,
    label: String,
    kind: String,
    choices: String,
}

impl Typed {
    fn of(field: &Custom) -> Typed {
        Typed {
            object: field.object,
            label: field.label.clone(),
            kind: field.kind.clone(),
            choices: field.choices.clone(),
        }
    }

    /// The name, unless something is wrong with what was typed.
    fn check(&self) -> Result<SettingName, Errors> {
        let mut errors = Errors::new();
        let label = SettingName::parse(&self.label);
        if let Err(problem) = &label {
            errors.add("label", problem.to_string());
        }
        if let Err(Error::Refused(why)) = custom_fields::read_choices(&self.kind, &self.choices) {
            errors.add("choices", why);
        }
        match label {
            Ok(label) if errors.is_empty() => Ok(label),
            _ => Err(errors),
        }
    }
}

/// `GET /settings/permissions/fields`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let object = asked_for(request)?;
    let all = can.read(custom_fields::list)?;
    let (retired, used): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|field| field.object == object)
        .partition(|field| field.retired_at.is_some());
    let rows = used.into_iter().chain(retired).filter_map(|field| {
        let kind = Kind::stored(&field.kind, &field.choices)?;
        let row = Row::new(&field.label, &kind);
        Some((field.id, row, field.retired_at.is_some()))
    });
    let mut shell = Tab::Fields.page(&can, request, &[])?;
    shell.title = format!("{} > {}", shell.title, object.plural());
    Answer::page(&ListPage {
        shell,
        object,
        added: rows.collect(),
        built_in: object
            .fields()
            .iter()
            .map(|field| Row::new(&field.label, &field.kind))
            .collect(),
    })
}

/// `GET /settings/permissions/fields/new`
pub fn new(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let typed = Typed {
        object: asked_for(request)?,
        label: String::new(),
        kind: String::new(),
        choices: String::new(),
    };
    Answer::page(&form(&can, request, None, typed, Errors::new())?)
}

/// `POST /settings/permissions/fields/new`
pub fn add(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let sent = request.form();
    let object = sent.one("object")?;
    let typed = Typed {
        object: object
            .parse()
            .map_err(|()| Error::BadRequest("There is no such object."))?,
        label: sent.one("label")?.to_owned(),
        kind: sent.one("kind")?.to_owned(),
        choices: sent.one("choices")?.to_owned(),
    };
    let errors = match typed.check() {
        Err(errors) => errors,
        Ok(label) => {
            let added = can.write(|tx| {
                let setup = &mut Setup::open(tx)?;
                custom_fields::add(setup, typed.object, &label, &typed.kind, &typed.choices)
            });
            match added {
                Ok(_) => {
                    let done = format!("Added the field {label} to {}.", typed.object.plural());
                    return Ok(Answer::see_other(list_of(typed.object)).flash(done));
                }
                Err(error) => refused(error)?,
            }
        }
    };
    Answer::refused(&form(&can, request, None, typed, errors)?)
}

/// `GET /settings/permissions/fields/{field}/edit`
pub fn edit(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let field = find(&can, request)?;
    let typed = Typed::of(&field);
    Answer::page(&form(&can, request, Some(field), typed, Errors::new())?)
}

/// `POST /settings/permissions/fields/{field}/edit`
pub fn save(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let field = find(&can, request)?;
    let typed = Typed {
        label: request.form().one("label")?.to_owned(),
        choices: request.form().one("choices")?.to_owned(),
        ..Typed::of(&field)
    };
    let errors = match typed.check() {
        Err(errors) => errors,
        Ok(label) => {
            let saved = can.write(|tx| {
                let setup = &mut Setup::open(tx)?;
                custom_fields::change(setup, field.id, &label, &typed.choices)
            });
            match saved {
                Ok(changed) => {
                    let done = match changed {
                        true => format!("Changed the field {label}."),
                        false => format!("The field {label} is as it was."),
                    };
                    return Ok(Answer::see_other(list_of(field.object)).flash(done));
                }
                Err(error) => refused(error)?,
            }
        }
    };
    Answer::refused(&form(&can, request, Some(field), typed, errors)?)
}

/// `GET /settings/permissions/fields/{field}/retire`
pub fn ask(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let field = find(&can, request)?;
    let back = list_of(field.object);
    let title = format!("Retire {}", field.label);
    Answer::page(&RetirePage {
        shell: shell(&can, request, &back, &title)?,
        action: request.path().to_owned(),
        back,
        field,
    })
}

/// `POST /settings/permissions/fields/{field}/retire`
pub fn retire(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let field = find(&can, request)?;
    let retired = can.write(|tx| custom_fields::retire(&mut Setup::open(tx)?, field.id))?;
    let done = match retired {
        true => format!("Retired the field {}.", field.label),
        false => format!("The field {} is retired already.", field.label),
    };
    Ok(Answer::see_other(list_of(field.object)).flash(done))
}

/// `POST /settings/permissions/fields/{field}/restore`
pub fn restore(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let field = find(&can, request)?;
    let list = Answer::see_other(list_of(field.object));
    let restored = can.write(|tx| custom_fields::restore(&mut Setup::open(tx)?, field.id));
    Ok(match restored {
        Ok(true) => list.flash(format!("Restored the field {}.", field.label)),
        Ok(false) => list.flash(format!("The field {} is in use already.", field.label)),
        // A field of the same name was added meanwhile, or there are too many.
        Err(Error::Refused(why)) => list.flash_warning(format!(
            "{} was not restored. {why} A retired field can be renamed with Edit.",
            field.label
        )),
        Err(other) => return Err(other),
    })
}

fn find(can: &Can<ManagePermissions>, request: &Request) -> Result<Custom> {
    let id: CustomFieldId = request.param("field")?;
    can.read(|tx| custom_fields::one(tx, id))
}

/// The object in the query, the first one without any.
fn asked_for(request: &Request) -> Result<Object> {
    match request.query().one("object")? {
        "" => Ok(Object::ALL[0]),
        slug => slug.parse().map_err(|()| Error::NotFound),
    }
}

fn list_of(object: Object) -> String {
    format!("{PATH}?object={}", object.slug())
}

/// The sentence of a refusal at the name, which is what it is about once the choices are read; any other error goes on.
fn refused(error: Error) -> Result<Errors> {
    let Error::Refused(why) = error else {
        return Err(error);
    };
    let mut errors = Errors::new();
    errors.add("label", why);
    Ok(errors)
}

fn shell(
    can: &Can<ManagePermissions>,
    request: &Request,
    back: &str,
    title: &str,
) -> Result<Shell> {
    let trail = [
        ("System Settings", ""),
        ("Permissions", super::pages::PATH),
        ("Fields", back),
        (title, ""),
    ];
    can.page(request, &trail)
}

fn form(
    can: &Can<ManagePermissions>,
    request: &Request,
    before: Option<Custom>,
    typed: Typed,
    errors: Errors,
) -> Result<FormPage> {
    let back = list_of(typed.object);
    let title = match &before {
        Some(field) => format!("Edit {}", field.label),
        None => "Add field".to_owned(),
    };
    let mut shell = shell(can, request, &back, &title)?;
    shell.refused = !errors.is_empty();
    Ok(FormPage {
        shell,
        errors,
        action: request.path().to_owned(),
        back,
        before,
        typed,
    })
}

/// A kind, as the list names it.
fn words(kind: &Kind) -> String {
    match kind {
        Kind::Text => "Text".to_owned(),
        Kind::LongText => "Long text".to_owned(),
        Kind::Number => "Number".to_owned(),
        Kind::Date => "Date".to_owned(),
        Kind::YesNo => "Yes/No".to_owned(),
        Kind::Choice(_) => "Choice".to_owned(),
        Kind::Email => "E-mail".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::Phone => "Phone".to_owned(),
        Kind::Link(Some(object)) => format!("Link to {}", object.words()),
        Kind::Link(None) => "Link to any record".to_owned(),
    }
}

fn in_short(values: &[String]) -> String {
    match values.get(..NAMED) {
        Some(named) if values.len() > NAMED => {
            format!("{} and {} more", named.join(", "), values.len() - NAMED)
        }
        _ => values.join(", "),
    }
}
