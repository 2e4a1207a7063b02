//! Check access about oneself: in words that name no rule, no profile and no field, since those are the administrators'.

use super::explain::{Asked, Explanation, State, What};
use super::explain_words::{Line, Step, Told};
use super::model::Rules;
use crate::db::types::Slot;
use crate::records::Found;
use crate::records::people::People;

/// The answer for a record that is not there, or out of sight.
pub(super) fn nothing() -> Told {
    Told {
        allowed: false,
        verdict: "No. For you there is no such record.".to_owned(),
        steps: Vec::new(),
        offers: Vec::new(),
    }
}

/// The answer for a record that one sees.
pub(super) fn told(
    rules: &Rules,
    me: Slot,
    found: &Found,
    explained: &Explanation,
    names: &People,
) -> Told {
    let (name, objects) = (&found.name, found.object.words());
    let verb = explained.asked.slug();
    let verdict = match explained.allowed {
        true => format!("Yes. You may {verb} “{name}”."),
        false => format!("No. You may read “{name}” but not {verb} it."),
    };
    let action = match explained.asked {
        Asked::Export => Asked::Read,
        other => other,
    };
    let lets = match explained.profile {
        State::Blocked => "does not let",
        _ => "lets",
    };
    let fields = rules.fields(me, found.object).iter().count();
    let mut steps = vec![
        step(
            "Profile",
            explained.profile,
            match explained.administrator {
                true => "You are an administrator.".to_owned(),
                false => format!("Your profile {lets} you {} {objects}.", action.slug()),
            },
        ),
        step("This record", explained.level, because(explained, names)),
        step(
            "Fields",
            explained.fields,
            format!("You have {fields} fields of {objects}."),
        ),
    ];
    if let Some(state) = explained.export {
        let have = match rules.may_export(me) {
            true => "You have the Export permission.",
            false => "You do not have the Export permission.",
        };
        steps.push(step("Export", state, have.to_owned()));
    }
    Told {
        allowed: explained.allowed,
        verdict,
        steps,
        offers: Vec::new(),
    }
}

fn step(title: &str, state: State, sentence: String) -> Step {
    let line = Line {
        rest: sentence,
        ..Line::default()
    };
    Step {
        title: title.to_owned(),
        state,
        lines: vec![line],
    }
}

fn because(explained: &Explanation, names: &People) -> String {
    let deciding = explained.sources.iter().find(|source| source.deciding);
    let why = match deciding.map(|source| &source.what) {
        None => "Administrators have every record.".to_owned(),
        Some(What::Profile { .. }) => "Your profile reaches all of them.".to_owned(),
        Some(What::Person { creator: true, .. }) => "You created it.".to_owned(),
        Some(What::Person { .. }) => "It is assigned to you.".to_owned(),
        Some(What::Above { person, .. }) => format!(
            "Your role is above the one of {}.",
            names.label(Some(*person))
        ),
        Some(_) => "It is shared with you.".to_owned(),
    };
    if explained.level == State::Blocked {
        format!("{why} That is enough to read it only.")
    } else {
        why
    }
}
