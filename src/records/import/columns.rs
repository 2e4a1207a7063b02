//! What the columns of a file go into.

use crate::permissions::{Action, Shown};
use crate::records::Desk;
use crate::web::csv::disarmed;
use crate::web::form::Errors;
use crate::web::request::Form;
use crate::{Error, Result};

/// Keys beside those of the fields. No field is called like one of them.
const NUMBER: &str = "record_number";
const ASSIGNED: &str = "assigned_to";

/// What one column goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Into {
    /// It is not imported.
    Nothing,
    /// The number of the record to change.
    Number,
    /// The e-mail address of the member the record is assigned to.
    Assigned,
    Field(Shown),
}

impl Into {
    /// Stable name in forms and in the database; empty for nothing.
    pub fn key(&self) -> &str {
        match self {
            Into::Nothing => "",
            Into::Number => NUMBER,
            Into::Assigned => ASSIGNED,
            Into::Field(shown) => shown.key(),
        }
    }

    /// As the page calls it.
    pub fn label(&self) -> &str {
        match self {
            Into::Nothing => "Do not import",
            Into::Number => "Record number",
            Into::Assigned => "Assigned to (e-mail)",
            Into::Field(shown) => shown.label(),
        }
    }
}

/// True when the desk's holder may change records of its object.
pub fn may_edit(desk: &Desk) -> bool {
    let rights = desk.rules().rights(desk.slot(), desk.object());
    rights.has(Action::Edit.right())
}

/// What the desk's holder can choose from: nothing read-only, and nothing they do not have.
pub fn choices(desk: &Desk) -> Vec<Into> {
    let mut all = vec![Into::Nothing];
    if may_edit(desk) {
        all.push(Into::Number);
    }
    let fields = desk.fields().iter().filter(|shown| !shown.read_only());
    all.extend(fields.cloned().map(Into::Field));
    all.push(Into::Assigned);
    all
}

/// A first guess by the heads: label or key of a field. `sample` is the first row.
pub fn guess(desk: &Desk, heads: &[String], sample: &[String]) -> Vec<Into> {
    let choices = choices(desk);
    let mut taken: Vec<Into> = Vec::new();
    heads
        .iter()
        .enumerate()
        .map(|(place, head)| {
            let head = disarmed(head).trim().to_lowercase();
            let fits = |into: &&Into| {
                let named = into.label().to_lowercase() == head || into.key() == head;
                match into {
                    Into::Nothing => false,
                    // A list that was exported names members; names tell nobody apart.
                    Into::Assigned => {
                        let value = sample.get(place).map_or("", String::as_str);
                        (named || head == "assigned to")
                            && (value.is_empty() || value.contains('@'))
                    }
                    _ => named,
                }
            };
            let found = choices.iter().find(fits).cloned();
            let found = found.filter(|into| !taken.contains(into));
            taken.extend(found.clone());
            found.unwrap_or(Into::Nothing)
        })
        .collect()
}

/// Reads what was chosen: `column-N` for each head. Messages stand at the id of the control.
pub fn read(desk: &Desk, heads: &[String], form: &Form) -> Result<(Vec<Into>, Errors)> {
    let choices = choices(desk);
    let mut errors = Errors::new();
    let mut chosen: Vec<Into> = Vec::new();
    for place in 0..heads.len() {
        let id = format!("column-{place}");
        let key = form.one(&id)?;
        let into = match choices.iter().find(|into| into.key() == key) {
            Some(into) => into.clone(),
            None => {
                errors.add(
                    &id,
                    match desk.fields().get(key) {
                        Some(field) => format!("{} is read-only for you.", field.label()),
                        None => "Choose one of the fields.".to_owned(),
                    },
                );
                Into::Nothing
            }
        };
        if into != Into::Nothing && chosen.contains(&into) {
            errors.add(
                &id,
                format!("Two columns go into {}. Choose one.", into.label()),
            );
        }
        chosen.push(into);
    }
    if errors.is_empty() {
        for sentence in missing(desk, &chosen) {
            errors.add("column-0", sentence);
        }
    }
    Ok((chosen, errors))
}

/// What a file needs to make or change records.
fn missing(desk: &Desk, chosen: &[Into]) -> Vec<String> {
    if chosen.contains(&Into::Number) {
        return match chosen
            .iter()
            .all(|into| matches!(into, Into::Nothing | Into::Number))
        {
            true => vec!["Match at least one column besides the record number.".into()],
            false => Vec::new(),
        };
    }
    if !desk.may_create() {
        return vec![format!(
            "You may not create {}. Match a column with Record number to update those that you may edit.",
            desk.object().words()
        )];
    }
    desk.fields()
        .iter()
        .filter(|field| field.required() && !field.read_only())
        .filter(|field| !chosen.contains(&Into::Field((*field).clone())))
        .map(|field| {
            format!(
                "Match a column with {}: a new {} needs it.",
                field.label(),
                desk.object().word()
            )
        })
        .collect()
}

/// The columns of an import by their keys, as the desk's holder has them now.
pub fn of_keys(desk: &Desk, keys: &[String]) -> Result<Vec<Into>> {
    let choices = choices(desk);
    keys.iter()
        .map(|key| {
            let found = choices.iter().find(|into| into.key() == key);
            found.cloned().ok_or_else(|| {
                Error::refused(
                    "The fields you may write changed after the columns were matched. Match them again.",
                )
            })
        })
        .collect()
}
