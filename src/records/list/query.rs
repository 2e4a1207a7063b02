//! What a list is asked for: name prefix, words, filters, order. Read from the query string through the member's own fields:
//! a field that the member does not have filters and sorts nothing, like one that never existed.

use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::{Slot, Timestamp};
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind};
use crate::records::change::sort_name;
use crate::records::links::{Target, Targets};
use crate::records::list::order::Sort;
use crate::records::list::words::{self, Words};
use crate::records::{Desk, Record, links, people};
use crate::web::request::Form;
use crate::web::times::{self, Zone};

/// A column of a list. Two are the same if they show the same field, whatever it is called.
#[derive(Clone, Debug)]
pub enum Column {
    Field(Shown),
    AssignedTo,
    CreatedBy,
    Created,
    Updated,
}

impl PartialEq for Column {
    fn eq(&self, other: &Column) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Column {}

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
    /// A link to a record with this in its name, in lower case, that the reader sees.
    LeadsTo(String),
    /// At this instant or later.
    Since(Timestamp),
    /// Earlier than this instant.
    Before(Timestamp),
}

impl Filter {
    /// True for a record that meets the condition, as far as that can be told without what links lead to.
    fn admits(&self, record: &Record) -> bool {
        match &self.column {
            Column::Field(shown) => {
                let kept = record.value(shown);
                let key = |text: &str| shown.field().kind.sort_key(text);
                match &self.test {
                    Test::Is(value) => kept == value,
                    Test::Contains(part) => kept.to_lowercase().contains(part),
                    Test::AtLeast(value) => !kept.is_empty() && key(kept) >= key(value),
                    Test::AtMost(value) => !kept.is_empty() && key(kept) <= key(value),
                    Test::Empty => kept.is_empty() || self.names_link(),
                    Test::LeadsTo(_) => !kept.is_empty(),
                    Test::Nothing | Test::Member(_) | Test::Since(_) | Test::Before(_) => false,
                }
            }
            Column::AssignedTo => self.test == Test::Member(record.people.assigned),
            Column::CreatedBy => self.test == Test::Member(Some(record.people.creator)),
            Column::Created => self.admits_instant(record.created_at),
            Column::Updated => self.admits_instant(record.updated_at),
        }
    }

    fn admits_instant(&self, at: Timestamp) -> bool {
        match self.test {
            Test::Since(from) => at >= from,
            Test::Before(end) => at < end,
            _ => false,
        }
    }

    /// True when it asks what a link is called, or whether there is one: both go by what the reader sees.
    fn names_link(&self) -> bool {
        let is_link = |shown: &Shown| matches!(shown.field().kind, Kind::Link(_));
        match (&self.column, &self.test) {
            (Column::Field(shown), Test::Empty) => is_link(shown),
            (_, test) => matches!(test, Test::LeadsTo(_)),
        }
    }

    /// The same as [`Self::admits`] where links decide.
    fn admits_link(&self, record: &Record, targets: &Targets) -> bool {
        let Column::Field(shown) = &self.column else {
            return true;
        };
        let target = targets.get(record.value(shown));
        match &self.test {
            Test::LeadsTo(part) => {
                target.is_some_and(|target| sort_name(&target.name).contains(part))
            }
            Test::Empty if self.names_link() => target.is_none(),
            _ => true,
        }
    }
}

/// What a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Beginning of the name as typed; empty for any.
    pub prefix: String,
    /// In any field.
    pub words: Option<Words>,
    pub filters: Vec<Filter>,
    pub sort: Sort,
}

impl ListQuery {
    /// From a query string: `q` is the beginning of the name, `any` words in any field, `f.KEY` a filter
    /// by a field (`f.KEY.min`, `f.KEY.max` for numbers and days; `-` for empty; a link by number or by what its name
    /// contains), `assigned` and `created-by` a member's number or e-mail address, "me" or "nobody", `created.min`,
    /// `created.max`, `updated.min` and `updated.max` days in the reader's time zone or the one of `zone`, `sort` a column.
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
            if typed == "-" {
                add(Test::Empty);
            } else if !typed.is_empty() {
                match kind {
                    Kind::Text | Kind::LongText | Kind::Email | Kind::Url | Kind::Phone => {
                        add(Test::Contains(sort_name(typed)));
                    }
                    // Asking for what links to a record out of sight would tell that the link is there.
                    Kind::Link(to) => {
                        let id = typed.parse().ok();
                        let targets = links::visible(tx, desk, id)?;
                        let fits = |target: &&Target| to.is_none_or(|to| to == target.object);
                        add(match targets.get(typed).filter(fits) {
                            Some(target) => Test::Is(target.id.to_string()),
                            None => Test::LeadsTo(sort_name(typed)),
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
        // A file is written with the days of its asking, wherever its asker is by then.
        let zone = match form.one("zone")? {
            "" => Zone::named(&tx.me().time_zone),
            zone => Zone::named(zone),
        };
        for (name, column) in [("created", Column::Created), ("updated", Column::Updated)] {
            for (end, days_on) in [("min", 0), ("max", 1)] {
                let typed = form.one(&format!("{name}.{end}"))?.trim();
                if typed.is_empty() {
                    continue;
                }
                let test = match times::start_of_day(&zone, typed, days_on) {
                    _ if objects::day(typed).is_none() => Test::Nothing,
                    Some(from) if end == "min" => Test::Since(from),
                    Some(end) => Test::Before(end),
                    // No instant comes after the last day that there is.
                    None if end == "max" => continue,
                    None => Test::Nothing,
                };
                let column = column.clone();
                filters.push(Filter { column, test });
            }
        }
        Ok(ListQuery {
            prefix: form.one("q")?.trim().chars().take(words::TYPED).collect(),
            words: Words::read(desk, form)?,
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

    /// True for a record that meets every condition, as far as that can be told without what links lead to.
    pub fn admits(&self, record: &Record) -> bool {
        (self.prefix.is_empty() || sort_name(record.name()).starts_with(&sort_name(&self.prefix)))
            && self.filters.iter().all(|filter| filter.admits(record))
    }

    /// True when a filter asks what a link is called.
    pub fn names_links(&self) -> bool {
        self.filters.iter().any(Filter::names_link)
    }

    /// True for a record whose links lead where the filters say.
    pub fn admits_links(&self, record: &Record, targets: &Targets) -> bool {
        let mut filters = self.filters.iter();
        filters.all(|filter| filter.admits_link(record, targets))
    }

    /// The instants between which the records lie, where filters say so: not before the first, before the second.
    pub fn updated_between(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let of =
            |filter: &Filter| (filter.column == Column::Updated).then_some(filter.test.clone());
        let tests = || self.filters.iter().filter_map(of);
        let from = tests().filter_map(|test| match test {
            Test::Since(at) => Some(at),
            _ => None,
        });
        let end = tests().filter_map(|test| match test {
            Test::Before(at) => Some(at),
            _ => None,
        });
        (from.max(), end.min())
    }
}
