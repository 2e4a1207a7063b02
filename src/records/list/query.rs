//! What a list is asked for: name prefix, words, filters, order. Read from the query string through the member's own fields:
//! a field that the member does not have filters and sorts nothing, like one that never existed.

use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::Slot;
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind};
use crate::records::change::sort_name;
use crate::records::links::Targets;
use crate::records::list::order::Sort;
use crate::records::{Desk, Record, links, people};
use crate::web::request::Form;
use crate::web::times;

/// A column of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    Field(Shown),
    AssignedTo,
    CreatedBy,
    Created,
    Updated,
}

impl Column {
    /// All columns the desk's holder can choose, the name first.
    pub fn all(desk: &Desk) -> Vec<Column> {
        let fields = desk.fields().iter().cloned().map(Column::Field);
        let (mut name, others): (Vec<Column>, Vec<Column>) =
            fields.partition(|column| column.key() == "name");
        name.extend(others);
        name.extend([
            Column::AssignedTo,
            Column::CreatedBy,
            Column::Created,
            Column::Updated,
        ]);
        name
    }

    /// Stable name in the query string and in files.
    pub fn key(&self) -> &str {
        match self {
            Column::Field(shown) => shown.key(),
            Column::AssignedTo => "assigned_to",
            Column::CreatedBy => "created_by",
            Column::Created => "created_at",
            Column::Updated => "updated_at",
        }
    }

    /// As it is called on pages.
    pub fn label(&self) -> &str {
        match self {
            Column::Field(shown) => shown.label(),
            Column::AssignedTo => "Assigned to",
            Column::CreatedBy => "Created by",
            Column::Created => "Created",
            Column::Updated => "Updated",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub column: Column,
    pub test: Test,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Exactly this kept text.
    Is(String),
    /// Contains this, in lower case.
    Contains(String),
    AtLeast(String),
    AtMost(String),
    Empty,
    /// No record meets it.
    Nothing,
    /// This member; nothing: nobody.
    Member(Option<Slot>),
}

impl Filter {
    /// True for a record that meets the condition.
    pub fn admits(&self, record: &Record) -> bool {
        match &self.column {
            Column::Field(shown) => {
                let kept = record.value(shown);
                let key = |text: &str| shown.field().kind.sort_key(text);
                match &self.test {
                    Test::Is(value) => kept == value,
                    Test::Contains(part) => kept.to_lowercase().contains(part),
                    Test::AtLeast(value) => !kept.is_empty() && key(kept) >= key(value),
                    Test::AtMost(value) => !kept.is_empty() && key(kept) <= key(value),
                    Test::Empty => kept.is_empty(),
                    Test::Nothing | Test::Member(_) => false,
                }
            }
            Column::AssignedTo => self.test == Test::Member(record.people.assigned),
            Column::CreatedBy => self.test == Test::Member(Some(record.people.creator)),
            Column::Created | Column::Updated => false,
        }
    }
}

/// Words looked for in every field that the reader has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// As typed.
    pub typed: String,
    /// In lower case.
    text: String,
    /// As a number is kept: pages group thousands and have a longer minus.
    digits: String,
    fields: Vec<Shown>,
}

impl Words {
    /// These words in the fields of a desk; nothing when there are none.
    pub fn in_fields_of(desk: &Desk, typed: &str) -> Option<Words> {
        let typed: String = typed.trim().chars().take(TYPED).collect();
        let text = sort_name(&typed);
        (!typed.is_empty()).then(|| Words {
            digits: text.replace(',', "").replace('−', "-"),
            text,
            typed,
            fields: desk.fields().iter().cloned().collect(),
        })
    }

    /// True for a record that has them in one of the fields, as it is kept or as pages show it. `targets`: what its links
    /// lead to for the reader.
    fn admits(&self, record: &Record, targets: &Targets) -> bool {
        let text = &self.text;
        self.fields.iter().any(|shown| {
            let kept = record.value(shown);
            match &shown.field().kind {
                _ if kept.is_empty() => false,
                // "no" is in too many other words.
                Kind::YesNo => false,
                Kind::Link(_) => targets
                    .get(kept)
                    .is_some_and(|target| sort_name(&target.name).contains(text)),
                Kind::Number => !self.digits.is_empty() && kept.contains(&self.digits),
                Kind::Date => {
                    let day = objects::day(kept).map(times::day).unwrap_or_default();
                    kept.contains(text) || day.to_lowercase().contains(text)
                }
                _ => kept.to_lowercase().contains(text),
            }
        })
    }
}

/// Characters that are looked for at most.
const TYPED: usize = 200;

/// What a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Beginning of the name as typed; empty for any.
    pub prefix: String,
    pub words: Option<Words>,
    pub filters: Vec<Filter>,
    pub sort: Sort,
}

impl ListQuery {
    /// From a query string: `q` is the beginning of the name, `any` words in any field, `f.KEY` a filter by a field (`f.KEY.min`, `f.KEY.max` for
    /// numbers and days; `-` for empty), `assigned` and `created-by` a member's number or e-mail
    /// address, "me" or "nobody", `sort` a column.
    pub fn read<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, form: &Form) -> Result<ListQuery> {
        let mut filters = Vec::new();
        for shown in desk.fields() {
            let given = |end: &str| form.one(&format!("f.{}{end}", shown.key())).map(str::trim);
            let mut add = |test| {
                filters.push(Filter {
                    column: Column::Field(shown.clone()),
                    test,
                });
            };
            let kind = &shown.field().kind;
            let typed = given("")?;
            if typed == "-" && !matches!(kind, Kind::Link(_)) {
                add(Test::Empty);
            } else if !typed.is_empty() {
                match kind {
                    Kind::Text | Kind::LongText | Kind::Email | Kind::Url | Kind::Phone => {
                        add(Test::Contains(sort_name(typed)));
                    }
                    // Asking for what links to a record out of sight would tell that the link is there.
                    Kind::Link(_) => {
                        let ids = typed.parse().ok();
                        add(match links::visible(tx, desk, ids)?.get(typed) {
                            Some(target) => Test::Is(target.id.to_string()),
                            None => Test::Nothing,
                        });
                    }
                    // A value that no record can have finds nothing.
                    _ => add(Test::Is(
                        kind.read(typed).unwrap_or_else(|_| typed.to_owned()),
                    )),
                }
            }
            if matches!(kind, Kind::Number | Kind::Date) {
                for end in [".min", ".max"] {
                    let typed = given(end)?;
                    if typed.is_empty() {
                        continue;
                    }
                    add(match kind.read(typed) {
                        Ok(kept) if end == ".min" => Test::AtLeast(kept),
                        Ok(kept) => Test::AtMost(kept),
                        Err(_) => Test::Nothing,
                    });
                }
            }
        }
        for (name, column) in [
            ("assigned", Column::AssignedTo),
            ("created-by", Column::CreatedBy),
        ] {
            let typed = form.one(name)?;
            let test = match typed.trim() {
                "" => continue,
                "me" => Test::Member(Some(desk.slot())),
                // Somebody made every record.
                "nobody" if column == Column::CreatedBy => Test::Nothing,
                "nobody" => Test::Member(None),
                typed => match people::member(tx, desk.rules(), typed)? {
                    None => Test::Nothing,
                    slot => Test::Member(slot),
                },
            };
            filters.push(Filter { column, test });
        }
        Ok(ListQuery {
            prefix: form.one("q")?.trim().chars().take(TYPED).collect(),
            words: Words::in_fields_of(desk, form.one("any")?),
            filters,
            sort: Sort::read(desk, form.one("sort")?),
        })
    }

    /// True when nothing is narrowed.
    pub fn is_whole(&self) -> bool {
        self.prefix.is_empty() && !self.tests_values()
    }

    /// True when values of a record, or its people, decide whether it is in the list.
    pub fn tests_values(&self) -> bool {
        self.words.is_some() || !self.filters.is_empty()
    }

    /// True when a condition is one that no record meets: nothing has to be looked through.
    pub fn finds_nothing(&self) -> bool {
        self.filters
            .iter()
            .any(|filter| filter.test == Test::Nothing)
    }

    /// True for a record that meets every condition. `targets`: what its links lead to, where words are looked for.
    pub fn admits(&self, record: &Record, targets: &Targets) -> bool {
        (self.prefix.is_empty() || sort_name(record.name()).starts_with(&sort_name(&self.prefix)))
            && self.filters.iter().all(|filter| filter.admits(record))
            && self
                .words
                .as_ref()
                .is_none_or(|words| words.admits(record, targets))
    }
}
