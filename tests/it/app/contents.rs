//! The whole database as text.

use diesel::prelude::*;
use insight::db::Conn;

/// Every row of every table as text, so that "nothing was changed" can be asserted. `except` names columns as
/// `table.column`.
pub fn dump(conn: &mut Conn, except: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for (table, columns) in tables(conn) {
        let columns: Vec<String> = columns
            .into_iter()
            .filter(|column| !except.contains(&format!("{table}.{column}").as_str()))
            .collect();
        let line = match conn {
            // Quoted: otherwise NULL and an empty text would be one.
            Conn::Sqlite(_) => columns
                .iter()
                .map(|c| format!("'{c}=' || quote({c})"))
                .collect::<Vec<_>>()
                .join(" || ' ' || "),
            Conn::Pg(_) => columns
                .iter()
                .map(|c| format!("'{c}=' || quote_nullable({c}::text)"))
                .collect::<Vec<_>>()
                .join(" || ' ' || "),
        };
        if columns.is_empty() {
            continue;
        }
        let lines = texts(conn, &format!("SELECT {line} AS line FROM {table}"));
        rows.extend(lines.into_iter().map(|line| format!("{table}: {line}")));
    }
    rows.sort();
    rows
}

/// The text that each row of a query gives in its column `line`.
pub fn texts(conn: &mut Conn, query: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let rows: Vec<Row> = diesel::sql_query(query)
        .load(conn)
        .unwrap_or_else(|e| panic!("{query}: {e}"));
    rows.into_iter().map(|row| row.line).collect()
}

/// Every table of Insight with its columns, in order of name.
pub fn tables(conn: &mut Conn) -> Vec<(String, Vec<String>)> {
    let query = match conn {
        Conn::Sqlite(_) => {
            "SELECT m.name || ' ' || group_concat(c.name, ' ' ORDER BY c.name) AS line \
             FROM sqlite_schema m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' \
             GROUP BY m.name ORDER BY m.name"
        }
        Conn::Pg(_) => {
            "SELECT table_name || ' ' || string_agg(column_name, ' ' ORDER BY column_name) AS line \
             FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name NOT LIKE '\\_\\_%' GROUP BY table_name ORDER BY table_name"
        }
    };
    texts(conn, query)
        .into_iter()
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            (words.next().unwrap_or_default(), words.collect())
        })
        .collect()
}
