//! Search over the records of an environment: of every object that the reader has, those whose names begin so.

use askama::Template;

use super::path_of;
use crate::access::{Can, Environment, Tx, UseRecords};
use crate::permissions::Object;
use crate::records::Desk;
use crate::records::list::{self, By, ListQuery, Sort};
use crate::web::answer::Answer;
use crate::web::request::{Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "records/search.html")]
struct SearchPage {
    shell: Shell,
    path: String,
    q: String,
    groups: Vec<Group>,
}

impl SearchPage {
    /// No name begins so.
    fn finds_nothing(&self) -> bool {
        self.groups.iter().all(|group| group.rows.is_empty())
    }
}

/// What was found of one object.
struct Group {
    object: Object,
    /// Address and name.
    rows: Vec<(String, String)>,
    /// The list with the same search, when it has more.
    more: Option<String>,
    /// The list of those that have the same words in any field.
    in_fields: String,
}

/// Records of each object on the page.
const SHOWN: usize = 10;

/// `GET /{environment}/records`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let environment: Environment = request.param("environment")?;
    let q = request.query().one("q")?.trim().to_owned();
    let groups = can.read(|tx| search(tx, environment, &q))?;
    let start = format!("/{}", environment.slug());
    let path = format!("{start}/records");
    let trail = [(environment.label(), start.as_str()), ("Records", "")];
    let mut shell = can.page(request, &trail)?;
    shell.title = "Search records".into();
    Answer::page(&SearchPage {
        shell,
        path,
        q,
        groups,
    })
}

fn search(tx: &mut Tx<UseRecords>, environment: Environment, q: &str) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let mut refused = None;
    for object in Object::ALL {
        let desk = match Desk::open(tx, environment, object) {
            Ok(desk) => desk,
            Err(error @ Error::Forbidden { .. }) => {
                refused = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        groups.push(found(tx, &desk, q)?);
    }
    match refused {
        Some(error) if groups.is_empty() => Err(error),
        _ => Ok(groups),
    }
}

fn found(tx: &mut Tx<UseRecords>, desk: &Desk, q: &str) -> Result<Group> {
    let mut group = Group {
        object: desk.object(),
        rows: Vec::new(),
        more: None,
        in_fields: format!("{}?{}", desk.path(), query_string([("any", q)])),
    };
    if q.is_empty() {
        return Ok(group);
    }
    let query = ListQuery {
        prefix: q.to_owned(),
        sort: Sort {
            by: By::Name,
            descending: false,
        },
        ..ListQuery::default()
    };
    let mut records = list::part(tx, desk, &query, None, false, SHOWN + 1)?.records;
    if records.len() > SHOWN {
        records.truncate(SHOWN);
        let text = query_string([("q", q), ("sort", "name")]);
        group.more = Some(format!("{}?{text}", desk.path()));
    }
    group.rows = records
        .into_iter()
        .map(|record| (path_of(desk, record.id), record.name().to_owned()))
        .collect();
    Ok(group)
}
