//! The page Insight users and its CSV.

use askama::Template;

use super::list::{self, By, Filter, INACTIVE, Key, Sort};
use super::{Member, PATH, Rules};
use crate::access::{Can, Html, ManageMembers, Tx};
use crate::audit::{self, Event};
use crate::web::answer::Answer;
use crate::web::paging::{self, PAGE, Page, Place};
use crate::web::request::{Request, query_string};
use crate::web::shell::Shell;
use crate::web::times::{self, Times, Zone};
use crate::{Error, Result, invitations, subscribers};

#[derive(Template)]
#[template(path = "members/index.html")]
struct Index {
    shell: Shell,
    account: String,
}

/// Everything below the head of the page. It holds no token of the answer: its buttons belong to a form outside.
#[derive(Template)]
#[template(path = "members/lists.html")]
struct Lists {
    times: Times,
    members: MembersCard,
    pending: invitations::Section,
    subscribers: subscribers::Section,
}

/// The card Members.
struct MembersCard {
    filter: Filter,
    sort: Sort,
    heads: Heads,
    rows: Vec<Row>,
    page: Page<()>,
    range: String,
    /// Of the account, whatever the filter.
    total: String,
    /// Members who cannot sign in until they have set up 2FA.
    without_two_factor: i64,
    /// Where the list is unfiltered; "" when it is.
    clear: String,
    csv: String,
}

/// Addresses behind the heads of the columns.
struct Heads {
    name: String,
    activity: String,
    joined: String,
}

struct Row {
    member: Member,
    me: bool,
    owner: bool,
    reset_refused: Option<String>,
    removal_refused: Option<String>,
}

impl MembersCard {
    fn load(tx: &mut Tx<ManageMembers>, request: &Request) -> Result<MembersCard> {
        let query = request.query();
        let filter = Filter::read(query)?;
        let sort = Sort::read(query)?;
        let place = list::place(query, sort);
        let rules = Rules::load(tx)?;
        let found = list::rows(tx, &filter, sort, place.as_ref(), PAGE + 1)?;
        let page = paging::page(
            found,
            PAGE,
            place.as_ref(),
            |member| sort.key(member),
            |cursor| paging::with(PATH, query, &[], "page", cursor),
        );
        let (everybody, without_two_factor) = list::totals(tx)?;
        let matching = if filter.is_empty() {
            everybody
        } else {
            list::count(tx, &filter)?
        };
        let range = page.range(matching);
        let me = tx.me().member;
        let head = |by| {
            let text = sort.toward(by).text();
            paging::with(PATH, query, &["page"], "sort", &text)
        };
        let csv = {
            // Not the pages, and not what belongs to the other lists.
            let known = ["q", "role", "two-factor", "inactive", "sort"];
            let kept = query.pairs().iter();
            let kept = kept.filter(|(name, _)| known.contains(&name.as_str()));
            let text = query_string(kept.map(|(n, v)| (n.as_str(), v.as_str())));
            let mark = if text.is_empty() { "" } else { "?" };
            format!("{PATH}/members.csv{mark}{text}")
        };
        Ok(MembersCard {
            heads: Heads {
                name: head(By::Name),
                activity: head(By::Activity),
                joined: head(By::Joined),
            },
            rows: page
                .rows
                .into_iter()
                .map(|member| Row {
                    me: member.id == me,
                    owner: rules.is_owner(&member),
                    reset_refused: rules.reset_refused(&member),
                    removal_refused: rules.removal_refused(&member),
                    member,
                })
                .collect(),
            page: Page {
                rows: vec![],
                previous: page.previous,
                next: page.next,
                first: page.first,
            },
            range,
            total: paging::capped(everybody),
            without_two_factor,
            clear: if filter.is_empty() {
                String::new()
            } else {
                let sort = sort.text();
                let text = query_string([("sort", sort.as_str())]);
                let mark = if text.is_empty() { "" } else { "?" };
                format!("{PATH}{mark}{text}")
            },
            csv,
            filter,
            sort,
        })
    }

    fn warning(&self) -> String {
        match self.without_two_factor {
            1 => "1 needs 2FA set-up".into(),
            n => format!("{} need 2FA set-up", paging::capped(n)),
        }
    }
}

/// `GET /shared/insight-users`
pub fn index(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let lists = can.kept(request, || {
        let lists = can.read(|tx| {
            Ok(Lists {
                times: Times {
                    zone: Zone::named(&tx.me().time_zone),
                    now: tx.now(),
                },
                members: MembersCard::load(tx, request)?,
                pending: invitations::section(tx, request)?,
                subscribers: subscribers::section(tx, request)?,
            })
        })?;
        lists.render().map_err(Error::internal)
    })?;
    let page = Index {
        shell: can.page(request, &[("Shared", ""), ("Insight users", "")])?,
        account: can.me().account_name.clone(),
    };
    Answer::page_around(lists, &page)
}

/// Members in one piece of the CSV.
const PIECE: usize = 500;

/// `GET /shared/insight-users/members.csv`: the members that the list shows, all pages of them.
pub fn csv(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let filter = Filter::read(request.query())?;
    let sort = Sort::read(request.query())?;
    can.write(|tx| {
        // Counted beforehand: an export that breaks off has still been made.
        let rows = list::count_all(tx, &filter)?;
        let event = Event::MembersExported {
            filter: filter.words(),
            rows,
        };
        audit::record(tx, tx.account(), &event)
    })?;
    let can = can.later();
    let header = [
        "Name",
        "E-mail",
        "Platform roles",
        "2FA",
        "Last activity (UTC)",
        "Joined (UTC)",
    ];
    Ok(Answer::csv(
        "members.csv",
        &header,
        move |after: Option<Key>| {
            let place = after.map(|key| Place {
                back: false,
                key,
                at: 0,
            });
            let members = can.read(|tx| list::rows(tx, &filter, sort, place.as_ref(), PIECE))?;
            let more = members.len() == PIECE;
            let next = members.last().filter(|_| more).map(|m| sort.key(m));
            Ok((members.into_iter().map(record).collect(), next))
        },
    ))
}

fn record(member: Member) -> Vec<String> {
    let roles = member.roles_text();
    vec![
        member.name,
        member.email,
        roles,
        if member.two_factor {
            "On"
        } else {
            "Needs set-up"
        }
        .to_owned(),
        times::iso(member.last_activity_at),
        times::iso(member.joined_at),
    ]
}
