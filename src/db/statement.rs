//! Statements that diesel's query builder cannot say: a query for each of a list of numbers, a test of a bit, a hint which
//! index to use. Their text is the same for every value, so that they stay prepared.

use std::cell::OnceCell;
use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Integer, SmallInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, RunQueryDsl, SqliteConnection};

/// A part of a statement.
#[derive(Clone, Debug)]
enum Piece {
    Sql(String),
    /// Name of the index to use. Postgres finds it itself.
    Index(&'static str),
    /// The primary key alone is to be used. Postgres finds that itself, too.
    ByKey,
    Small(i16),
    Number(i32),
    Big(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// A table of numbers named `listed`, with one column `number`.
    Each(List<i32>),
    /// The same with bigger numbers.
    EachBig(List<i64>),
}

/// Numbers, and the same as SQLite takes them: a bind has to live as long as its statement.
#[derive(Clone, Debug)]
struct List<N> {
    numbers: Vec<N>,
    json: OnceCell<String>,
}

impl<N: std::fmt::Display> List<N> {
    fn of(numbers: Vec<N>) -> List<N> {
        List {
            numbers,
            json: OnceCell::new(),
        }
    }

    fn json(&self) -> &String {
        self.json.get_or_init(|| {
            let numbers: Vec<String> = self.numbers.iter().map(N::to_string).collect();
            format!("[{}]", numbers.join(","))
        })
    }
}

/// What a statement is put together of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces(Vec<Piece>);

impl Pieces {
    /// Text without values. Numbers in it that vary make a new statement each time.
    pub fn sql(mut self, text: impl AsRef<str>) -> Pieces {
        let text = text.as_ref();
        match self.0.last_mut() {
            Some(Piece::Sql(before)) => before.push_str(text),
            _ => self.0.push(Piece::Sql(text.to_owned())),
        }
        self
    }

    fn push(mut self, piece: Piece) -> Pieces {
        self.0.push(piece);
        self
    }

    pub fn index(self, name: &'static str) -> Pieces {
        self.push(Piece::Index(name))
    }

    /// After the name of a table that is looked at by its primary key.
    pub fn by_key(self) -> Pieces {
        self.push(Piece::ByKey)
    }

    pub fn small(self, value: i16) -> Pieces {
        self.push(Piece::Small(value))
    }

    pub fn number(self, value: i32) -> Pieces {
        self.push(Piece::Number(value))
    }

    pub fn big(self, value: i64) -> Pieces {
        self.push(Piece::Big(value))
    }

    pub fn text(self, value: &str) -> Pieces {
        self.push(Piece::Text(value.to_owned()))
    }

    pub fn bytes(self, value: Vec<u8>) -> Pieces {
        self.push(Piece::Bytes(value))
    }

    /// The table `listed (number)`, to stand after FROM.
    pub fn each(self, numbers: Vec<i32>) -> Pieces {
        self.push(Piece::Each(List::of(numbers)))
    }

    /// The same with bigger numbers.
    pub fn each_big(self, numbers: Vec<i64>) -> Pieces {
        self.push(Piece::EachBig(List::of(numbers)))
    }

    /// All of another.
    pub fn then(mut self, others: Pieces) -> Pieces {
        for piece in others.0 {
            self = match piece {
                Piece::Sql(text) => self.sql(text),
                other => self.push(other),
            };
        }
        self
    }

    /// A statement that gives rows of a type.
    pub fn giving<ST>(self) -> Statement<ST> {
        Statement {
            pieces: self,
            of: PhantomData,
        }
    }
}

/// See the module.
pub(crate) struct Statement<ST> {
    pieces: Pieces,
    of: PhantomData<ST>,
}

impl<ST> Query for Statement<ST> {
    type SqlType = ST;
}

impl<ST> QueryId for Statement<ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST> RunQueryDsl<PgConnection> for Statement<ST> {}
impl<ST> RunQueryDsl<SqliteConnection> for Statement<ST> {}

impl<ST> QueryFragment<Pg> for Statement<ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for piece in &self.pieces.0 {
            match piece {
                Piece::Sql(text) => out.push_sql(text),
                Piece::Index(_) | Piece::ByKey => {}
                Piece::Small(value) => out.push_bind_param::<SmallInt, _>(value)?,
                Piece::Number(value) => out.push_bind_param::<Integer, _>(value)?,
                Piece::Big(value) => out.push_bind_param::<BigInt, _>(value)?,
                Piece::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Piece::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                // A planner that knew how many they are would plan anew each time, which costs more than most answers.
                Piece::Each(list) => {
                    out.push_sql("unnest((SELECT ");
                    out.push_bind_param::<Array<Integer>, _>(&list.numbers)?;
                    out.push_sql(")) AS listed (number)");
                }
                Piece::EachBig(list) => {
                    out.push_sql("unnest((SELECT ");
                    out.push_bind_param::<Array<BigInt>, _>(&list.numbers)?;
                    out.push_sql(")) AS listed (number)");
                }
            }
        }
        Ok(())
    }
}

/// SQLite takes a list as JSON.
impl<ST> QueryFragment<Sqlite> for Statement<ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for piece in &self.pieces.0 {
            match piece {
                Piece::Sql(text) => out.push_sql(text),
                Piece::Index(name) => {
                    out.push_sql(" INDEXED BY ");
                    out.push_sql(name);
                }
                Piece::ByKey => out.push_sql(" NOT INDEXED"),
                Piece::Small(value) => out.push_bind_param::<SmallInt, _>(value)?,
                Piece::Number(value) => out.push_bind_param::<Integer, _>(value)?,
                Piece::Big(value) => out.push_bind_param::<BigInt, _>(value)?,
                Piece::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Piece::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                Piece::Each(list) => each_of(&mut out, list.json())?,
                Piece::EachBig(list) => each_of(&mut out, list.json())?,
            }
        }
        Ok(())
    }
}

fn each_of<'b>(out: &mut AstPass<'_, 'b, Sqlite>, json: &'b String) -> QueryResult<()> {
    out.push_sql("(SELECT value AS number FROM json_each(");
    out.push_bind_param::<Text, _>(json)?;
    out.push_sql(")) AS listed");
    Ok(())
}
