//! Rights and records for stories about files of records, arranged past the pages.

use insight::permissions::{Object, Rights};

use super::TestApp;
use super::people::Person;

/// A field on somebody's layout.
pub enum On {
    Shown,
    ReadOnly,
    Required,
}

/// What the profile of a person allows on an object: a profile and a layout of their own.
pub fn give(app: &TestApp, to: &Person, object: Object, rights: Rights, fields: &[(&str, On)]) {
    let (account, member, number) = (to.account(), to.member(), object.number());
    let run = |sql: String| {
        app.sql(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    };
    if app.number(&format!(
        "SELECT count(*) FROM profiles WHERE name = 'P{member}'"
    )) == 0
    {
        run(format!(
            "INSERT INTO profiles (account_id, name, standard) VALUES ({account}, 'P{member}', FALSE)"
        ));
    }
    run(format!(
        "INSERT INTO page_layouts (account_id, object, name, standard) VALUES ({account}, {number}, 'L{member}', FALSE)"
    ));
    let layout =
        format!("SELECT id FROM page_layouts WHERE name = 'L{member}' AND object = {number}");
    for (place, (key, on)) in fields.iter().enumerate() {
        let (read_only, required) = match on {
            On::Shown => ("FALSE", "FALSE"),
            On::ReadOnly => ("TRUE", "FALSE"),
            On::Required => ("FALSE", "TRUE"),
        };
        run(format!(
            "INSERT INTO layout_fields (account_id, layout_id, field, position, section, read_only, required) \
             VALUES ({account}, ({layout}), '{key}', {place}, '', {read_only}, {required})"
        ));
    }
    run(format!(
        "INSERT INTO object_permissions (account_id, profile_id, object, rights, layout_id) VALUES ({account}, \
         (SELECT id FROM profiles WHERE name = 'P{member}'), {number}, {}, ({layout}))",
        rights.bits()
    ));
    run(format!(
        "UPDATE members SET profile_id = (SELECT id FROM profiles WHERE name = 'P{member}') WHERE id = {member}"
    ));
}

/// Takes away or gives what the profile of a person allows on an object.
pub fn set_rights(app: &TestApp, of: &Person, object: Object, rights: Rights) {
    let sql = format!(
        "UPDATE object_permissions SET rights = {} WHERE object = {} AND profile_id = \
         (SELECT profile_id FROM members WHERE id = {})",
        rights.bits(),
        object.number(),
        of.member()
    );
    assert_eq!(app.sql(&sql), Ok(1), "{sql}");
}

/// The Export switch.
pub fn set_export(app: &TestApp, of: &Person, on: bool) {
    let sql = format!(
        "UPDATE members SET export = {on} WHERE id = {}",
        of.member()
    );
    assert_eq!(app.sql(&sql), Ok(1), "{sql}");
}

/// A record in TEST with fields as JSON, made by somebody; gives its number.
pub fn record(app: &TestApp, by: &Person, object: Object, name: &str, data: &str) -> i64 {
    let (account, member, number) = (by.account(), by.member(), object.number());
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let slot = format!("(SELECT slot FROM members WHERE id = {member})");
    let sql = format!(
        "INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, owner_slot, created_at, \
         updated_at, version, data) VALUES ({account}, 0, {number}, {}, {}, {slot}, {slot}, 0, 0, 1, {})",
        quoted(name),
        quoted(&name.to_lowercase()),
        quoted(data)
    );
    app.sql(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    app.number("SELECT max(id) FROM records")
}

/// Many records in TEST, made by somebody, named "Row 000001" and on, each with these notes.
pub fn records(app: &TestApp, by: &Person, object: Object, count: usize, notes: &str) {
    app.sql(&many(by, object, count, notes))
        .unwrap_or_else(|e| panic!("{e}"));
}

/// The statement of [`records`].
pub fn many(by: &Person, object: Object, count: usize, notes: &str) -> String {
    let (account, member, number) = (by.account(), by.member(), object.number());
    let slot = format!("(SELECT slot FROM members WHERE id = {member})");
    // substr, because there is no padding that both databases know.
    let label = "substr('000000' || n, length('000000' || n) - 5)";
    format!(
        "INSERT INTO records (account_id, environment, object, name, sort_name, creator_slot, owner_slot, created_at, \
         updated_at, version, data) \
         WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
         SELECT {account}, 0, {number}, 'Row ' || {label}, 'row ' || {label}, {slot}, {slot}, 0, n, 1, \
         '{{\"notes\":\"{notes}\"}}' FROM numbers"
    )
}
