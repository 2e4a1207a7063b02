//! Section 5 of the specification, read aloud: one loop per sentence, on data of its own. It shares nothing with the
//! product but the names of objects and levels, and is as slow as it is plain.

use std::collections::BTreeSet;

use insight::permissions::{Level, Object};

/// The six ticks of a profile for an object, as somebody set them: nothing that they imply is filled in.
pub const READ: usize = 0;
pub const CREATE: usize = 1;
pub const EDIT: usize = 2;
pub const DELETE: usize = 3;
pub const READ_ALL: usize = 4;
pub const MODIFY_ALL: usize = 5;

#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    pub reports_to: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub role: Option<usize>,
    pub profile: Option<usize>,
    pub administrator: bool,
    pub export: bool,
    pub removed: bool,
}

#[derive(Clone, Debug)]
pub struct Profile {
    /// By object, then by tick.
    pub ticks: [[bool; 6]; 6],
    /// By object: which of the layouts.
    pub layouts: [usize; 6],
}

#[derive(Clone, Debug)]
pub struct OnLayout {
    pub key: String,
    pub read_only: bool,
    pub required: bool,
}

#[derive(Clone, Debug)]
pub struct Layout {
    pub object: Object,
    pub fields: Vec<OnLayout>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    /// Nothing: all objects.
    pub object: Option<Object>,
    pub source: usize,
    pub source_below: bool,
    pub target: usize,
    pub target_below: bool,
    pub write: bool,
    pub active: bool,
    pub ends_at: Option<i64>,
}

/// A field that an administrator added.
#[derive(Clone, Debug)]
pub struct Custom {
    pub object: Object,
    pub key: String,
    pub retired: bool,
}

/// One account. Members, roles and so on are known by their place.
#[derive(Clone, Debug)]
pub struct Company {
    pub roles: Vec<Role>,
    pub members: Vec<Member>,
    pub profiles: Vec<Profile>,
    pub layouts: Vec<Layout>,
    pub custom: Vec<Custom>,
    /// Organization-wide sharing by object.
    pub sharing: [Level; 6],
    pub rules: Vec<Rule>,
    pub now: i64,
}

/// created_by and assigned_to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    pub created_by: usize,
    pub assigned_to: Option<usize>,
}

/// Why somebody has a level on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Administrator,
    ModifyAll,
    ReadAll,
    OrganizationWide,
    Creator,
    Assigned,
    /// Of which of the people, with which role.
    Above(usize, usize),
    /// Which rule, of which of the people.
    Rule(usize, usize),
}

/// What somebody gets who tries something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Allowed,
    Refused,
    NotThere,
}

/// "Contact (first name, last name, e-mail, phone, title, organization, notes), …": the fields of section 4.
pub fn built_in(object: Object) -> &'static [&'static str] {
    match object {
        Object::Contact => &[
            "name",
            "first_name",
            "last_name",
            "email",
            "phone",
            "title",
            "organization",
            "notes",
        ],
        Object::Organization => &[
            "name",
            "website",
            "phone",
            "industry",
            "billing_address",
            "notes",
        ],
        Object::Lead => &[
            "name",
            "email",
            "phone",
            "company",
            "source",
            "status",
            "estimated_value",
            "notes",
        ],
        Object::Opportunity => &[
            "name",
            "organization",
            "stage",
            "value",
            "currency",
            "close_date",
            "probability",
            "notes",
        ],
        Object::Project => &[
            "name",
            "organization",
            "status",
            "start_date",
            "due_date",
            "notes",
        ],
        Object::Task => &[
            "name",
            "due_date",
            "priority",
            "status",
            "related_record",
            "notes",
        ],
    }
}

impl Company {
    /// "below(role) = all descendants, not the role itself."
    pub fn is_below(&self, lower: usize, upper: usize) -> bool {
        let mut at = self.roles[lower].reports_to;
        while let Some(role) = at {
            if role == upper {
                return true;
            }
            at = self.roles[role].reports_to;
        }
        false
    }

    /// "Not an active member of the record's account: as if the record did not exist."
    fn is_active(&self, member: usize) -> bool {
        self.members.get(member).is_some_and(|m| !m.removed)
    }

    fn is_administrator(&self, member: usize) -> bool {
        self.is_active(member) && self.members[member].administrator
    }

    /// "Create, Edit, Delete, Read All => Read; Modify All => all five others."
    pub fn holds(&self, member: usize, tick: usize, object: Object) -> bool {
        if !self.is_active(member) {
            return false;
        }
        if self.is_administrator(member) {
            return true;
        }
        let Some(profile) = self.members[member].profile else {
            return false;
        };
        let ticks = self.profiles[profile].ticks[object.index()];
        if ticks[MODIFY_ALL] {
            return true;
        }
        match tick {
            READ => ticks[READ] || ticks[CREATE] || ticks[EDIT] || ticks[DELETE] || ticks[READ_ALL],
            other => ticks[other],
        }
    }

    /// The levels of sentence 4, each with its reason.
    pub fn reasons(
        &self,
        member: usize,
        object: Object,
        owners: Owners,
    ) -> BTreeSet<(Level, Reason)> {
        let mut reasons = BTreeSet::new();
        if !self.is_active(member) {
            return reasons;
        }
        if self.is_administrator(member) {
            reasons.insert((Level::Write, Reason::Administrator));
            return reasons;
        }
        if !self.holds(member, READ, object) {
            return reasons;
        }
        if self.holds(member, MODIFY_ALL, object) {
            reasons.insert((Level::Write, Reason::ModifyAll));
        }
        if self.holds(member, READ_ALL, object) {
            reasons.insert((Level::Read, Reason::ReadAll));
        }
        if self.sharing[object.index()] != Level::None {
            reasons.insert((self.sharing[object.index()], Reason::OrganizationWide));
        }
        if owners.created_by == member {
            reasons.insert((Level::Write, Reason::Creator));
        }
        if owners.assigned_to == Some(member) {
            reasons.insert((Level::Write, Reason::Assigned));
        }
        for person in [Some(owners.created_by), owners.assigned_to]
            .into_iter()
            .flatten()
        {
            // "A removed member keeps counting with the last role they had."
            let (Some(theirs), Some(mine)) = (self.members[person].role, self.members[member].role)
            else {
                continue;
            };
            if self.is_below(theirs, mine) {
                reasons.insert((Level::Write, Reason::Above(person, theirs)));
            }
            for (number, rule) in self.rules.iter().enumerate() {
                let source_holds = theirs == rule.source
                    || (rule.source_below && self.is_below(theirs, rule.source));
                let target_holds =
                    mine == rule.target || (rule.target_below && self.is_below(mine, rule.target));
                let for_object = rule.object.is_none() || rule.object == Some(object);
                let ended = rule.ends_at.is_some_and(|end| end <= self.now);
                if rule.active && !ended && for_object && source_holds && target_holds {
                    let level = if rule.write {
                        Level::Write
                    } else {
                        Level::Read
                    };
                    reasons.insert((level, Reason::Rule(number, person)));
                }
            }
        }
        reasons
    }

    /// "The strongest of these, there is no deny."
    pub fn level(&self, member: usize, object: Object, owners: Owners) -> Level {
        let levels = self
            .reasons(member, object, owners)
            .into_iter()
            .map(|(level, _)| level);
        levels.max().unwrap_or(Level::None)
    }

    /// Reading, editing or deleting a record: "NONE: 404. Edit and Delete need WRITE and the verb."
    pub fn try_to(&self, tick: usize, member: usize, object: Object, owners: Owners) -> Answer {
        let level = self.level(member, object, owners);
        let needs = if tick == READ {
            Level::Read
        } else {
            Level::Write
        };
        if level == Level::None {
            Answer::NotThere
        } else if level >= needs && self.holds(member, tick, object) {
            Answer::Allowed
        } else {
            Answer::Refused
        }
    }

    /// "Export also needs the member's Export permission (administrators too)."
    pub fn may_export(&self, member: usize) -> bool {
        self.is_active(member) && self.members[member].export
    }

    /// "The layout of (profile, object) decides", as (key, read-only, required) in its order. The name of a record is
    /// always there and always required.
    pub fn fields(&self, member: usize, object: Object) -> Vec<(String, bool, bool)> {
        let mut all: Vec<String> = built_in(object)
            .iter()
            .map(|key| (*key).to_owned())
            .collect();
        for custom in &self.custom {
            if custom.object == object && !custom.retired {
                all.push(custom.key.clone());
            }
        }
        if self.is_administrator(member) {
            return all
                .into_iter()
                .map(|key| (key.clone(), false, key == "name"))
                .collect();
        }
        if !self.holds(member, READ, object) {
            return Vec::new();
        }
        let Some(profile) = self.members[member].profile else {
            return Vec::new();
        };
        let layout = &self.layouts[self.profiles[profile].layouts[object.index()]];
        let mut fields = Vec::new();
        for on in &layout.fields {
            if all.contains(&on.key) {
                fields.push((
                    on.key.clone(),
                    on.read_only && on.key != "name",
                    on.required || on.key == "name",
                ));
            }
        }
        if !fields.iter().any(|(key, ..)| key == "name") {
            fields.insert(0, ("name".to_owned(), false, true));
        }
        fields
    }
}
