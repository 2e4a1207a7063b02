//! Puts the page frame around a page: the menu from the route table, the accounts, the environment switch, the strip;
//! and afterwards the cookies that go with it.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use diesel::prelude::*;

use super::answer::{Answer, FlashKind};
use super::csrf;
use super::request::Request;
use super::shell::{Crumb, Flash, Frame, MenuEntry, MenuGroup, Shell};
use super::times::Zone;
use crate::Result;
use crate::access::{Admit, Caller, Can, Environment, Level, Permission, Theme, Visit};
use crate::credentials::keys::{Keys, Purpose};
use crate::db::types::AccountId;
use crate::permissions::{Object, Rights, load};
use crate::routes;
use crate::schema::{accounts, members};

const FLASH_COOKIE: &str = "flash";

/// The group of the menu whose pages belong to one environment.
pub const ENVIRONMENT_GROUP: &str = "environment";

impl<P: Admit> Can<P> {
    /// The frame for a page at the end of a bread crumb trail of (label, address) pairs; an empty address is a step
    /// without a page of its own. The title is the trail.
    pub fn page(&self, request: &Request, trail: &[(&str, &str)]) -> Result<Shell> {
        framed(self.visit(), request, trail)
    }

    /// A page outside the frame: signing in, registration.
    pub fn bare_page(&self, request: &Request, title: &str) -> Shell {
        bare(self.visit(), request, title)
    }
}

/// See [`Can::bare_page`].
pub fn bare(visit: &Visit, request: &Request, title: &str) -> Shell {
    let caller = visit.caller();
    let zone = caller.map_or_else(Zone::utc, |c| Zone::named(&c.time_zone));
    let (csrf, seed) = csrf::for_page(&visit.app().keys, request);
    if let Some(seed) = seed {
        visit.bind_forms_to(seed);
    }
    Shell {
        title: title.to_owned(),
        refused: false,
        in_environment: false,
        nonce: request.nonce().to_owned(),
        csrf,
        theme: match caller.map(|c| c.theme) {
            None | Some(Theme::System) => "",
            Some(theme) => theme.slug(),
        },
        flash: request
            .cookie(FLASH_COOKIE)
            .and_then(|sealed| read_flash(&visit.app().keys, sealed)),
        frame: None,
        zone,
        now: visit.now(),
    }
}

/// See [`Can::page`]. Somebody who is not signed in gets the page without the frame.
pub fn framed(visit: &Visit, request: &Request, trail: &[(&str, &str)]) -> Result<Shell> {
    let labels: Vec<&str> = trail.iter().map(|(label, _)| *label).collect();
    let mut shell = bare(visit, request, &labels.join(" > "));
    let Some(caller) = visit.caller().filter(|c| c.level == Level::Full) else {
        return Ok(shell);
    };
    let here = request
        .path()
        .split('/')
        .nth(1)
        .and_then(|first| first.parse::<Environment>().ok());
    shell.in_environment = here.is_some();
    let switch = Environment::ALL.map(|to| {
        let href = match here {
            Some(from) => {
                let prefix = format!("/{}", from.slug());
                let rest = request.path().strip_prefix(&prefix).unwrap_or("");
                format!("/{}{}", to.slug(), in_both(rest))
            }
            None => format!("/{}", to.slug()),
        };
        (to, href)
    });
    let menu = menu(visit, caller, request.path())?;
    let search = format!("/{}/records", caller.environment.slug());
    let records = format!("{search}/");
    let searches = menu
        .iter()
        .flat_map(|group| &group.entries)
        .any(|entry| entry.href.starts_with(&records));
    shell.frame = Some(Frame {
        account: caller.account_name.clone(),
        other_accounts: other_accounts(visit, caller)?,
        environment: caller.environment,
        switch,
        name: caller.name.clone(),
        menu,
        search: searches.then_some(search),
        crumbs: trail
            .iter()
            .map(|(label, href)| Crumb {
                label: (*label).to_owned(),
                href: (!href.is_empty()).then(|| (*href).to_owned()),
            })
            .collect(),
        read_only: caller.read_only.then(|| {
            let may_pay = Permission::ManageBilling.held_by(caller);
            if may_pay { "/billing/invoices" } else { "" }
        }),
    });
    Ok(shell)
}

fn other_accounts(visit: &Visit, caller: &Caller) -> Result<Vec<(AccountId, String)>> {
    if !caller.has_other_accounts {
        return Ok(Vec::new());
    }
    visit.with_reader(|conn| {
        Ok(members::table
            .inner_join(accounts::table.on(accounts::id.eq(members::account_id)))
            .filter(members::user_id.eq(caller.user))
            .filter(members::removed_at.is_null())
            .filter(members::account_id.ne(caller.account))
            .order(accounts::name)
            .limit(100)
            .select((accounts::id, accounts::name))
            .load(conn)?)
    })
}

/// The part of a path that both environments have: a record belongs to one, its list to both.
fn in_both(rest: &str) -> &str {
    let mut slashes = rest.match_indices('/').skip(2).map(|(at, _)| at);
    match slashes.next() {
        Some(end) if rest.starts_with(RECORDS) && &rest[end..] != "/new" => &rest[..end],
        _ => rest,
    }
}

/// What the addresses of records begin with under their environment.
const RECORDS: &str = "/records/";

/// The menu entries this person may open: the objects whose records their profile lets them Read, then what the route
/// table has.
fn menu(visit: &Visit, caller: &Caller, path: &str) -> Result<Vec<MenuGroup>> {
    let environment = caller.environment;
    let rules = visit.with_reader(|conn| {
        let version = caller.permission_version;
        load::of_version(visit.app(), conn, caller.account, version, visit.now())
    })?;
    let objects = Object::ALL
        .into_iter()
        .filter(|object| rules.rights(caller.slot, *object).has(Rights::READ))
        .map(|object| MenuEntry {
            label: object.plural().to_owned(),
            href: format!("/{}{RECORDS}{}", environment.slug(), object.slug()),
            icon: object.icon(),
            current: false,
        });
    let mut groups = vec![MenuGroup {
        label: environment.label().to_owned(),
        is_environment: true,
        entries: objects.collect(),
    }];
    for route in routes::table() {
        let Some(menu) = route.menu.filter(|_| route.needs.held_by(caller)) else {
            continue;
        };
        let href = match route.path.split_once("{environment}") {
            Some((before, after)) => format!("{before}{}{after}", environment.slug()),
            None => route.path.to_owned(),
        };
        let entry = MenuEntry {
            label: menu.label.to_owned(),
            href,
            icon: menu.icon,
            current: false,
        };
        let label = if menu.group == ENVIRONMENT_GROUP {
            environment.label()
        } else {
            menu.group
        };
        match groups.iter_mut().find(|g| g.label == label) {
            Some(group) => group.entries.push(entry),
            None => groups.push(MenuGroup {
                label: label.to_owned(),
                is_environment: false,
                entries: vec![entry],
            }),
        }
    }
    mark_current(&mut groups, path);
    Ok(groups)
}

/// Marks the entry whose page is shown, or stands above the one that is: the nearest of them.
fn mark_current(groups: &mut [MenuGroup], path: &str) {
    let entries = groups.iter_mut().flat_map(|group| &mut group.entries);
    let nearest = entries
        .filter(|entry| {
            path.strip_prefix(&entry.href)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|entry| entry.href.len());
    if let Some(entry) = nearest {
        entry.current = true;
    }
}

/// The cookies around an answer: a strip to show next, a strip that has been shown, and the seed of this page's
/// forms.
pub(super) fn settle(visit: &Rc<Visit>, request: &Request, mut answer: Answer) -> Answer {
    let keys = &visit.app().keys;
    match answer.flash.take() {
        Some((kind, text)) => {
            answer = answer.set_cookie(FLASH_COOKIE, write_flash(keys, kind, &text), None);
        }
        None => {
            if answer.is_page() && request.cookie(FLASH_COOKIE).is_some() {
                answer = answer.clear_cookie(FLASH_COOKIE);
            }
        }
    }
    match visit.form_seed() {
        Some(seed) => answer.set_cookie(csrf::SEED_COOKIE, seed, None),
        None => answer,
    }
}

/// A strip travels in a cookie of its own, sealed: it may name people.
fn write_flash(keys: &Keys, kind: FlashKind, text: &str) -> String {
    let tag = match kind {
        FlashKind::Done => '+',
        FlashKind::Warning => '!',
    };
    // Browsers drop cookies over 4 KB whole.
    let text: String = text.chars().take(500).collect();
    BASE64.encode(keys.seal(Purpose::Flash, b"strip", format!("{tag}{text}").as_bytes()))
}

fn read_flash(keys: &Keys, sealed: &str) -> Option<Flash> {
    let plain = keys
        .open(Purpose::Flash, b"strip", &BASE64.decode(sealed).ok()?)
        .ok()?;
    let text = std::str::from_utf8(&plain).ok()?;
    let kind = match text.chars().next()? {
        '+' => "",
        _ => "is-warn",
    };
    Some(Flash {
        kind,
        text: text.get(1..)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::in_both;

    #[test]
    fn a_record_leads_to_its_list_in_the_other_environment() {
        for (rest, both) in [
            ("", ""),
            ("/import-data", "/import-data"),
            ("/records/leads", "/records/leads"),
            ("/records/leads/new", "/records/leads/new"),
            ("/records/leads/17", "/records/leads"),
            ("/records/leads/17/edit", "/records/leads"),
        ] {
            assert_eq!(in_both(rest), both);
        }
    }
}
