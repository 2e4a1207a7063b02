//! Who may do what in the demo's company: four levels of roles, three profiles, layouts that hide something, sharing.

use crate::access::System;
use crate::credentials::names::SettingName;
use crate::db::types::{LayoutId, MemberId, RoleId};
use crate::permissions::model::ObjectFact;
use crate::permissions::profiles::Matrix;
use crate::permissions::setup::Setup;
use crate::permissions::{
    Level, Object, Rights, custom_fields, layouts, members, organization_wide, profiles, roles,
    sharing_rules,
};
use crate::{Error, Result};

/// (role, reports to, who has it).
const ROLES: &[(&str, &str, &[&str])] = &[
    ("Managing Director", "", &["Søren Pedersen"]),
    ("Sales Director", "Managing Director", &["Tomás Rey"]),
    ("Operations Director", "Managing Director", &["Jonas Weber"]),
    (
        "Sales Manager North",
        "Sales Director",
        &["Freja Bakke", "Henrik Aas"],
    ),
    (
        "Sales Manager South",
        "Sales Director",
        &["Chiara Conti", "Ines Duarte"],
    ),
    (
        "Terminal Manager",
        "Operations Director",
        &["Mirela Dinu", "Viktor Holm"],
    ),
    (
        "Project Manager",
        "Operations Director",
        &["Priya Nair", "Kwame Raji"],
    ),
    (
        "Sales Rep North",
        "Sales Manager North",
        &[
            "Li Na",
            "Sanna Lehto",
            "Hanna Vik",
            "Greta Lund",
            "Nils Berg",
            "Maja Strand",
        ],
    ),
    (
        "Sales Rep South",
        "Sales Manager South",
        &[
            "Matteo Greco",
            "Diego Marin",
            "Sofia Almeida",
            "Chloé Martin",
            "Emil Sandvik",
        ],
    ),
    (
        "Dispatcher",
        "Terminal Manager",
        &[
            "Yusuf Demir",
            "Aiko Tanaka",
            "Pavel Novak",
            "Elif Aydin",
            "Ravi Menon",
            "Ada Lind",
        ],
    ),
    (
        "Planner",
        "Project Manager",
        &[
            "Leila Farouk",
            "Zofia Wrona",
            "Omar Said",
            "Bram de Wit",
            "Ewa Zielinska",
        ],
    ),
    (
        "Customer Care",
        "Sales Director",
        &["Oluwaseun Kalu", "Tariq Aziz", "Marek Kolar"],
    ),
];

/// Who looks at figures and takes them along.
const CONTROLLERS: [&str; 2] = ["Ewa Zielinska", "Yusuf Demir"];
const SALES: [&str; 11] = [
    "Li Na",
    "Sanna Lehto",
    "Hanna Vik",
    "Greta Lund",
    "Nils Berg",
    "Maja Strand",
    "Matteo Greco",
    "Diego Marin",
    "Sofia Almeida",
    "Chloé Martin",
    "Emil Sandvik",
];
const EXPORTERS: [&str; 4] = ["Erika Moss", "Ewa Zielinska", "Tomás Rey", "Yusuf Demir"];

/// (object, label, kind, choices).
const FIELDS: &[(Object, &str, &str, &str)] = &[
    (Object::Organization, "Customer number", "text", ""),
    (Object::Organization, "Credit limit", "number", ""),
    (Object::Contact, "Newsletter", "yes-no", ""),
    (
        Object::Opportunity,
        "Cargo",
        "choice",
        "Containers\nBulk\nVehicles\nRefrigerated",
    ),
    (Object::Project, "Hand-over", "date", ""),
];

fn name(text: &str) -> Result<SettingName> {
    SettingName::parse(text).map_err(Error::internal)
}

/// Writes everything. `member_of` finds a person.
pub(super) fn fill(
    setup: &mut Setup<System>,
    member_of: &dyn Fn(&str) -> Result<MemberId>,
) -> Result<()> {
    for (object, label, kind, choices) in FIELDS {
        custom_fields::add(setup, *object, &name(label)?, kind, choices)?;
    }
    let tree = tree(setup, member_of)?;
    let of = |role: &str| -> Result<RoleId> {
        let found = tree.iter().find(|(name, _)| *name == role);
        found
            .map(|(_, id)| *id)
            .ok_or_else(|| Error::internal(role))
    };
    three_profiles(setup, member_of)?;
    organization_wide::set(setup, Object::Organization, Level::Read)?;
    organization_wide::set(setup, Object::Task, Level::None)?;
    let forever = |text, object, source, target, level| -> Result<sharing_rules::Wanted> {
        Ok(sharing_rules::Wanted {
            name: name(text)?,
            object,
            source: of(source)?,
            source_below: true,
            target: of(target)?,
            target_below: false,
            level,
            active: true,
            ends_at: None,
        })
    };
    let wanted = [
        forever(
            "Won business reaches the planners",
            Some(Object::Opportunity),
            "Sales Director",
            "Project Manager",
            Level::Read,
        )?,
        forever(
            "Customer Care helps with contacts",
            Some(Object::Contact),
            "Sales Director",
            "Customer Care",
            Level::Write,
        )?,
        sharing_rules::Wanted {
            source_below: false,
            ..forever(
                "Dispatchers share their tasks",
                Some(Object::Task),
                "Dispatcher",
                "Dispatcher",
                Level::Write,
            )?
        },
        sharing_rules::Wanted {
            // Counted from when the rules are set up, ten days ago.
            ends_at: Some(setup.now() + time::Duration::days(14)),
            ..forever(
                "South stands in for North",
                Some(Object::Lead),
                "Sales Manager North",
                "Sales Manager South",
                Level::Write,
            )?
        },
        sharing_rules::Wanted {
            active: false,
            target_below: true,
            ..forever(
                "Everything for the terminals",
                None,
                "Project Manager",
                "Terminal Manager",
                Level::Read,
            )?
        },
    ];
    for rule in &wanted {
        sharing_rules::add(setup, rule)?;
    }
    for person in EXPORTERS {
        members::set_export(setup, member_of(person)?, true)?;
    }
    Ok(())
}

fn tree(
    setup: &mut Setup<System>,
    member_of: &dyn Fn(&str) -> Result<MemberId>,
) -> Result<Vec<(&'static str, RoleId)>> {
    let mut tree: Vec<(&str, RoleId)> = Vec::new();
    for (role, above, people) in ROLES {
        let reports_to = tree
            .iter()
            .find(|(name, _)| name == above)
            .map(|(_, id)| *id);
        let id = roles::add(setup, &name(role)?, reports_to)?;
        let ids = people
            .iter()
            .map(|person| member_of(person))
            .collect::<Result<Vec<_>>>()?;
        roles::assign(setup, &ids, Some(id))?;
        tree.push((role, id));
    }
    Ok(tree)
}

/// Beside Standard User: sales people, who see no credit limit and cannot change what an opportunity is worth, and
/// controllers, who see everything and change nothing.
fn three_profiles(
    setup: &mut Setup<System>,
    member_of: &dyn Fn(&str) -> Result<MemberId>,
) -> Result<()> {
    let organizations = sales_layout(setup, Object::Organization, "Credit limit", true)?;
    let opportunities = sales_layout(setup, Object::Opportunity, "probability", false)?;
    let mut sales: Matrix = Object::ALL.map(|_| ObjectFact {
        rights: Rights::of_bits(Rights::CREATE.and(Rights::EDIT).bits()),
        layout: None,
    });
    sales[Object::Organization.index()].layout = Some(organizations);
    sales[Object::Opportunity.index()].layout = Some(opportunities);
    sales[Object::Project.index()].rights = Rights::READ;
    let controllers: Matrix = Object::ALL.map(|object| ObjectFact {
        rights: match object {
            Object::Task => Rights::NONE,
            _ => Rights::of_bits(Rights::READ_ALL.bits()),
        },
        layout: None,
    });
    for (profile, matrix, people) in [
        ("Sales", sales, &SALES[..]),
        ("Controlling", controllers, &CONTROLLERS[..]),
    ] {
        let id = profiles::add(setup, &name(profile)?, &matrix)?;
        let ids = people
            .iter()
            .map(|person| member_of(person))
            .collect::<Result<Vec<_>>>()?;
        profiles::assign(setup, &ids, id)?;
    }
    Ok(())
}

/// A layout "Sales" on which one field, named by its key or its label, is hidden or read-only; the notes come last, in a
/// section of their own.
fn sales_layout(
    setup: &mut Setup<System>,
    object: Object,
    field: &str,
    hidden: bool,
) -> Result<LayoutId> {
    let layout = layouts::add(setup, object, &name("Sales")?)?;
    let added = custom_fields::all(setup)?;
    let added = added
        .iter()
        .find(|custom| custom.object == object && custom.label == field);
    let key = added.map_or(field.to_owned(), |custom| format!("custom_{}", custom.id));
    let mut fields = layouts::fields(setup, layout)?;
    if hidden {
        fields.retain(|on| on.key != key);
    }
    for on in &mut fields {
        on.read_only = on.key == key || on.key == "value";
        if on.key == "notes" {
            "Background".clone_into(&mut on.section);
        }
    }
    fields.sort_by_key(|on| on.key == "notes");
    layouts::set_fields(setup, layout, &fields)?;
    Ok(layout)
}
