//! What one person sees, in numbers: for each object how many records, and why.

use crate::Result;
use crate::access::{Environment, ManagePermissions, Tx};
use crate::db::types::Slot;
use crate::permissions::shares::Share;
use crate::permissions::{Object, Rules, organization_wide, sharing_rules};
use crate::records::Desk;
use crate::records::list::{self, ListQuery};
use crate::web::paging::thousands;

/// Counting stops here.
const CAP: usize = 1_000;
/// Parts that are counted; further ones are named.
const COUNTED: usize = 6;

/// What somebody sees of an object.
pub struct Seen {
    pub object: Object,
    /// Nothing for an object they may not Read.
    pub total: Option<String>,
    pub parts: Vec<Part>,
}

/// Records that are seen for one reason.
pub struct Part {
    /// Why, before the name of a sharing rule if there is one.
    pub words: String,
    /// Name and address of the sharing rule.
    pub rule: Option<(String, String)>,
    /// How many; nothing where it is every record, or was not counted.
    pub number: Option<String>,
}

/// For every object. Each number is a count that stops early, over the same function as the lists.
pub fn seen(
    tx: &mut Tx<ManagePermissions>,
    environment: Environment,
    slot: Slot,
) -> Result<Vec<Seen>> {
    let rules = crate::permissions::rules(tx)?;
    let mut all = Vec::new();
    for object in Object::ALL {
        let Some(desk) = Desk::of(rules.clone(), slot, environment, object) else {
            all.push(Seen {
                object,
                total: None,
                parts: Vec::new(),
            });
            continue;
        };
        let mut parts = Vec::new();
        for (nth, (share, of)) in rules.shares(slot, object).into_iter().enumerate() {
            let number = match of {
                Some(of) if nth < COUNTED => Some(number(tx, &desk.with_only(of))?),
                _ => None,
            };
            parts.push(part(&rules, slot, share, number));
        }
        all.push(Seen {
            object,
            total: Some(number(tx, &desk)?),
            parts,
        });
    }
    Ok(all)
}

fn number(tx: &mut Tx<ManagePermissions>, desk: &Desk) -> Result<String> {
    let count = list::count(tx, desk, &ListQuery::default(), CAP)?;
    let number = thousands(i64::try_from(count.number).unwrap_or(i64::MAX));
    Ok(if count.more {
        format!("{number}+")
    } else {
        number
    })
}

fn part(rules: &Rules, slot: Slot, share: Share, number: Option<String>) -> Part {
    let profile = || {
        let member = rules.member(slot);
        let profile = member.and_then(|member| rules.profile_of(member));
        profile.map_or("", |profile| profile.name.as_str())
    };
    let mut rule = None;
    let words = match share {
        Share::Administrator => "Administrator: every record".into(),
        Share::ModifyAll => format!("Modify All of the profile {}: every record", profile()),
        Share::ReadAll => format!("Read All of the profile {}: every record", profile()),
        Share::OrganizationWide(level) => format!(
            "Organization-Wide Sharing, {}: every record",
            organization_wide::label(level)
        ),
        Share::Own => "Created by or assigned to them".into(),
        Share::Below => "Of people in roles below".into(),
        Share::Rule(id, level) => {
            let found = rules.facts().rules.iter().find(|rule| rule.id == id);
            rule = found.map(|found| {
                let path = crate::permissions::pages::Tab::SharingRules.path();
                (found.name.clone(), format!("{path}/{id}/edit"))
            });
            format!("By sharing rule, {}: ", sharing_rules::label(level))
        }
    };
    Part {
        words,
        rule,
        number,
    }
}
