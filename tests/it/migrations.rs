//! Two databases, one schema: what holds on SQLite holds on Postgres.

use std::collections::BTreeSet;

use diesel::query_builder::QueryFragment;
use diesel::{QueryDsl, RunQueryDsl};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use insight::db::{Conn, Db, migrate};

use crate::app::contents::tables;
use crate::app::{Backend, Database, OnBackend, TestApp, texts};
use crate::on_both;

on_both!(
    up_down_and_up_again_gives_the_same_tables,
    eight_processes_may_start_at_once_on_a_fresh_database,
    the_tables_of_the_code_are_those_of_the_database,
    an_account_from_before_the_records_gets_slots_layouts_and_rights,
);

/// On SQLite a column that is an INTEGER and the whole primary key holds 64 bits.
const TABLES: [&str; 2] = [
    "SELECT m.name || '.' || c.name || ' ' || lower(CASE WHEN c.pk > 0 AND c.type = 'INTEGER' \
       AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) o WHERE o.pk > 1) THEN 'BIGINT' ELSE c.type END) \
       || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' not null' ELSE '' END \
       || coalesce(' default ' || c.dflt_value, '') AS line \
     FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
    "SELECT table_name || '.' || column_name || ' ' || data_type \
       || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END \
       || coalesce(' default ' || column_default, '') AS line \
     FROM information_schema.columns WHERE table_schema = 'public'",
];

const PRIMARY_KEYS: [&str; 2] = [
    "SELECT 'primary key of ' || m.name || ' (' || (SELECT group_concat(name, ', ' ORDER BY pk) \
       FROM pragma_table_info(m.name) WHERE pk > 0) || ')' AS line \
     FROM sqlite_schema m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
    "SELECT 'primary key of ' || c.relname || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
       FROM unnest(i.indkey) WITH ORDINALITY k(attnum, n) \
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) || ')' AS line \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace s ON s.oid = c.relnamespace \
     WHERE s.nspname = 'public' AND i.indisprimary",
];

/// Postgres keeps no index of its own for the numbers of records: one less to write for each of ten million. The columns
/// that it only includes in an index are at the end of the key on SQLite.
const ON_PURPOSE: [(&str, &str); 2] = [
    (
        "primary key of records (id)",
        "primary key of records (account_id, id)",
    ),
    ("constraint on records unique (account_id, id)", ""),
];

/// Of an index that a constraint made the name is the database's own affair.
const INDEXES: [&str; 2] = [
    "SELECT CASE i.origin WHEN 'c' THEN 'index ' || i.name ELSE 'constraint' END || ' on ' || m.name \
       || CASE WHEN i.\"unique\" THEN ' unique' ELSE '' END || ' (' || (SELECT group_concat(x.name, ', ' ORDER BY x.seqno) \
         FROM pragma_index_info(i.name) x) || ')' \
       || coalesce((SELECT ' where ' || substr(d.sql, instr(d.sql, ' WHERE ') + 7) FROM sqlite_schema d \
         WHERE d.name = i.name AND i.partial), '') AS line \
     FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin <> 'pk'",
    "SELECT CASE WHEN n.conname IS NULL THEN 'index ' || x.relname ELSE 'constraint' END || ' on ' || c.relname \
       || CASE WHEN i.indisunique THEN ' unique' ELSE '' END || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
         FROM unnest(i.indkey) WITH ORDINALITY k(attnum, n) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum) || ')' \
       || coalesce(' where ' || pg_get_expr(i.indpred, i.indrelid), '') AS line \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid \
     JOIN pg_namespace s ON s.oid = c.relnamespace \
     LEFT JOIN pg_constraint n ON n.conindid = x.oid AND n.contype = 'u' \
     WHERE s.nspname = 'public' AND NOT i.indisprimary",
];

const FOREIGN_KEYS: [&str; 2] = [
    "SELECT 'from ' || m.name || ' (' || group_concat(f.\"from\", ', ' ORDER BY f.seq) || ') to ' || f.\"table\" \
       || ' (' || group_concat(f.\"to\", ', ' ORDER BY f.seq) || ')' AS line \
     FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' GROUP BY m.name, f.id",
    "SELECT 'from ' || c.conrelid::regclass || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
         FROM unnest(c.conkey) WITH ORDINALITY k(attnum, n) \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) || ') to ' || c.confrelid::regclass \
       || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
         FROM unnest(c.confkey) WITH ORDINALITY k(attnum, n) \
         JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum) || ')' AS line \
     FROM pg_constraint c WHERE c.contype = 'f'",
];

/// Everything about a schema that both databases can tell, in the same words.
fn schema(conn: &mut Conn) -> BTreeSet<String> {
    let side = usize::from(matches!(conn, Conn::Pg(_)));
    [TABLES, PRIMARY_KEYS, INDEXES, FOREIGN_KEYS]
        .iter()
        .flat_map(|queries| texts(conn, queries[side]))
        .filter(|line| !line.contains("__diesel"))
        .map(|line| same_words(&line))
        .map(|line| {
            match ON_PURPOSE
                .iter()
                .find(|(sqlite, _)| side == 0 && *sqlite == line)
            {
                Some((_, postgres)) => (*postgres).to_owned(),
                None => line,
            }
        })
        .filter(|line| !line.is_empty())
        .collect()
}

/// The same condition, type or default, spelled one way.
fn same_words(line: &str) -> String {
    let mut line = line.to_lowercase();
    if let Some((head, condition)) = line.clone().split_once(" where ") {
        let condition = condition.replace(['(', ')'], "").replace("::text", "");
        line = format!("{head} where {condition}");
    }
    for (one, other) in [
        (" bytea", " blob"),
        ("::text", ""),
        ("'-1'::integer", "-1"),
        (
            " boolean not null default 1",
            " boolean not null default true",
        ),
        (
            " boolean not null default 0",
            " boolean not null default false",
        ),
    ] {
        line = line.replace(one, other);
    }
    line
}

#[test]
fn both_databases_have_the_same_schema() {
    let [sqlite, postgres] = [Backend::Sqlite, Backend::Postgres]
        .map(|backend| schema(&mut Database::migrated(backend).connect()));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    assert!(sqlite.len() > 100, "{sqlite:#?}");
    assert_eq!(
        (only(&sqlite, &postgres), only(&postgres, &sqlite)),
        (vec![], vec![]),
        "only on SQLite, only on Postgres"
    );
}

fn migrate(database: &Database) -> usize {
    let db = Db::open(database.target(), 1).expect("opens");
    migrate::run(&db).expect("migrates")
}

fn folder(name: &str) -> FileBasedMigrations {
    FileBasedMigrations::from_path(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(name),
    )
    .expect("the folder is there")
}

async fn up_down_and_up_again_gives_the_same_tables(backend: Backend) {
    let database = Database::empty(backend);
    let count = migrate(&database);
    let first = schema(&mut database.connect());
    let mut conn = database.connect();
    let reverted = match &mut conn {
        Conn::Sqlite(c) => c.revert_all_migrations(folder("sqlite")).map(|d| d.len()),
        Conn::Pg(c) => c.revert_all_migrations(folder("postgres")).map(|d| d.len()),
    };
    assert_eq!(reverted.expect("reverts"), count);
    assert_eq!(schema(&mut conn), BTreeSet::new());
    drop(conn);
    assert_eq!(migrate(&database), count);
    assert_eq!(schema(&mut database.connect()), first);
    assert_eq!(migrate(&database), 0);
}

async fn eight_processes_may_start_at_once_on_a_fresh_database(backend: Backend) {
    let database = Database::empty(backend);
    let ran: Vec<usize> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| migrate(&database))).collect();
        starts
            .into_iter()
            .map(|start| start.join().expect("starts"))
            .collect()
    });
    assert_eq!(ran.iter().filter(|n| **n > 0).count(), 1, "{ran:?}");
    let db = Db::open(database.target(), 1).expect("opens");
    assert!(!migrate::pending(&db).expect("asks"));
}

/// `table column column …` of a table as diesel selects it, after the database has understood that.
fn known<T>(conn: &mut Conn, table: T) -> (String, Vec<String>)
where
    T: QueryDsl + diesel::query_dsl::methods::LimitDsl,
    <T as diesel::query_dsl::methods::LimitDsl>::Output: QueryFragment<diesel::pg::Pg>
        + QueryFragment<insight::db::Backend>
        + diesel::query_builder::QueryId
        + Copy,
{
    let query = diesel::query_dsl::methods::LimitDsl::limit(table, 0);
    let sql = diesel::debug_query::<diesel::pg::Pg, _>(&query).to_string();
    let ran = diesel::sql_query(
        sql.replace("$1", "0")
            .split(" -- ")
            .next()
            .unwrap_or_default(),
    )
    .execute(conn);
    ran.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let columns = sql.split(" FROM ").next().unwrap_or_default();
    let mut columns: Vec<(&str, &str)> = columns
        .split(", ")
        .filter_map(|column| {
            let mut names = column.split('"');
            Some((names.nth(1)?, names.nth(1)?))
        })
        .collect();
    columns.sort_unstable();
    (
        columns
            .first()
            .map_or_else(String::new, |(t, _)| (*t).to_owned()),
        columns.iter().map(|(_, c)| (*c).to_owned()).collect(),
    )
}

async fn the_tables_of_the_code_are_those_of_the_database(backend: Backend) {
    use insight::billing::providers::schema::*;
    use insight::schema::*;
    let database = Database::migrated(backend);
    let mut conn = database.connect();
    macro_rules! known {
        ($($table:ident),*) => {
            vec![$(known(&mut conn, $table::table)),*]
        };
    }
    let mut code = known![
        accounts,
        announcement_recipients,
        announcements,
        audit_entries,
        billing,
        card_setups,
        cards,
        custom_fields,
        devices,
        exports,
        import_rows,
        imports,
        invitations,
        invoices,
        layout_fields,
        links,
        members,
        object_permissions,
        organization_wide_sharing,
        outbox,
        page_layouts,
        payments,
        profiles,
        provider_events,
        record_changes,
        record_transfers,
        permission_changes,
        records,
        recovery_codes,
        roles,
        sandbox_cards,
        sandbox_charges,
        saved_forms,
        sessions,
        sharing_rules,
        subscribers,
        throttles,
        users
    ];
    code.sort();
    assert_eq!(code, tables(&mut conn));
}

/// Two companies as the first version of Insight kept them, with three members and one, of whom one has left.
const OF_THE_FIRST_VERSION: [&str; 5] = [
    "INSERT INTO accounts (id, name, created_at, audit_head) VALUES (7, 'Halden', 0, ''), (8, 'Fjord', 0, '')",
    "INSERT INTO users (id, email, name, home_account_id, created_at) VALUES \
       (1, 'a@x.example', 'A', 7, 0), (2, 'b@x.example', 'B', 7, 0), (3, 'c@x.example', 'C', 7, 0)",
    "INSERT INTO profiles (id, account_id, name, standard) VALUES \
       (1, 7, 'Standard User', TRUE), (2, 8, 'Standard User', TRUE), (3, 8, 'Guest', FALSE)",
    "INSERT INTO members (id, account_id, user_id, viewer, technician, admin, profile_id, name_key, search_text, \
       two_factor, joined_at, last_activity_at, removed_at) VALUES \
       (21, 7, 1, TRUE, FALSE, TRUE, 1, 'a', 'a', TRUE, 0, 0, NULL), (22, 8, 2, TRUE, FALSE, TRUE, 2, 'b', 'b', TRUE, 0, 0, NULL), \
       (23, 7, 2, TRUE, FALSE, FALSE, 1, 'b', 'b', TRUE, 0, 0, 5), (24, 7, 3, TRUE, FALSE, FALSE, NULL, 'c', 'c', TRUE, 0, 0, NULL)",
    "UPDATE accounts SET owner_member_id = 21 WHERE id = 7",
];

async fn an_account_from_before_the_records_gets_slots_layouts_and_rights(backend: Backend) {
    let database = Database::empty(backend);
    let mut conn = database.connect();
    let first = match &mut conn {
        Conn::Sqlite(c) => c.run_next_migration(folder("sqlite")).map(drop),
        Conn::Pg(c) => c.run_next_migration(folder("postgres")).map(drop),
    };
    first.expect("migrates");
    for statement in OF_THE_FIRST_VERSION {
        diesel::sql_query(statement)
            .execute(&mut conn)
            .expect(statement);
    }
    drop(conn);
    migrate(&database);

    let mut conn = database.connect();
    let slots =
        "SELECT account_id || ': ' || id || ' has ' || slot AS line FROM members ORDER BY id";
    let slots = texts(&mut conn, slots);
    assert_eq!(
        slots,
        ["7: 21 has 0", "8: 22 has 0", "7: 23 has 1", "7: 24 has 2"]
    );
    let next = "SELECT id || ': ' || next_slot AS line FROM accounts ORDER BY id";
    assert_eq!(texts(&mut conn, next), ["7: 3", "8: 1"]);

    // What a new account has, except for a profile that somebody may have added.
    let settings = "SELECT a.name || ' ' || l.object || l.name || l.standard || f.position || f.field || f.section \
       || f.read_only || f.required AS line \
       FROM accounts a JOIN page_layouts l ON l.account_id = a.id \
       JOIN layout_fields f ON f.account_id = a.id AND f.layout_id = l.id \
       UNION ALL SELECT a.name || ' ' || p.name || o.object || ' ' || o.rights || l.name || l.object \
       FROM accounts a JOIN profiles p ON p.account_id = a.id \
       JOIN object_permissions o ON o.account_id = a.id AND o.profile_id = p.id \
       JOIN page_layouts l ON l.account_id = a.id AND l.id = o.layout_id";
    let app = TestApp::on(backend);
    let new = app.company("New").id;
    let of_new = of(&texts(&mut app.database().connect(), settings), "New ");
    let migrated = texts(&mut conn, settings);
    assert!(of_new.len() > 40, "{new}: {of_new:#?}");
    assert_eq!(of(&migrated, "Halden "), of_new);
    let of_fjord = of(&migrated, "Fjord ");
    assert_eq!(
        of_fjord.difference(&of_new).count(),
        6,
        "the six objects of Guest"
    );
    assert!(
        of_fjord
            .iter()
            .filter(|line| line.starts_with("Guest"))
            .all(|line| line.contains(" 0Default"))
    );
    assert_eq!(of_new.difference(&of_fjord).count(), 0);
}

/// The lines that begin with this, without it.
fn of(lines: &[String], company: &str) -> BTreeSet<String> {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(company))
        .map(str::to_owned)
        .collect()
}
