//! Two databases, one schema: what holds on SQLite holds on Postgres.

use std::collections::BTreeSet;

use diesel::query_builder::QueryFragment;
use diesel::{QueryDsl, RunQueryDsl};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use insight::db::{Conn, Db, migrate};

use crate::app::{Backend, Database, tables, texts};
use crate::on_both;

on_both!(
    up_down_and_up_again_gives_the_same_tables,
    eight_processes_may_start_at_once_on_a_fresh_database,
    the_tables_of_the_code_are_those_of_the_database,
);

const TABLES: [&str; 2] = [
    "SELECT m.name || '.' || c.name || ' ' || lower(CASE WHEN c.pk > 0 AND c.type = 'INTEGER' THEN 'BIGINT' ELSE c.type END) \
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

async fn up_down_and_up_again_gives_the_same_tables(backend: Backend) {
    let database = Database::empty(backend);
    let count = migrate(&database);
    let first = schema(&mut database.connect());
    let folder = |name| {
        FileBasedMigrations::from_path(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(name),
        )
        .expect("the folder is there")
    };
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
        devices,
        exports,
        import_rows,
        imports,
        invitations,
        links,
        members,
        outbox,
        profiles,
        recovery_codes,
        roles,
        sessions,
        subscribers,
        throttles,
        users
    ];
    code.sort();
    assert_eq!(code, tables(&mut conn));
}
