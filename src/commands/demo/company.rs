//! The demo's company: who joined when, who is invited, what was announced. Everything is written through the product's
//! own functions while a clock goes through the past, so that lists, audit log and mails agree with each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;

use super::records::{self, Added, Owner};
use super::rules;
use crate::access::{Environment, PlatformRoles, System, Tx};
use crate::accounts::{self, Grants};
use crate::audit::{self, Event};
use crate::billing::details::Details;
use crate::billing::providers::sandbox::Behaviour;
use crate::billing::providers::{ProviderCard, sandbox};
use crate::credentials::email::Email;
use crate::credentials::passwords::{Context, Password};
use crate::credentials::second_factor;
use crate::credentials::totp::Secret;
use crate::db::types::{AccountId, Day, MemberId, Slot, Timestamp, UserId};
use crate::mail::outbox::{self, Outcome};
use crate::permissions::custom_fields;
use crate::permissions::setup::Setup;
use crate::schema::{
    invitations as invited, members, outbox as messages, roles, subscribers as subscribed, users,
};
use crate::subscribers::{self, announcements};
use crate::{App, Clock, Error, Result, billing, db, invitations, operators};

pub(super) const COMPANY: &str = "Halden Logistics";
const SECOND_COMPANY: &str = "Fjord Terminals";
pub(super) const PASSWORD: &str = "copper lantern seventeen";

/// (name, platform roles as letters, days since joining, hours since the last activity).
const PEOPLE: &[(&str, &str, i64, i64)] = &[
    ("Erika Moss", "A", 264, 0),
    ("Amira Haddad", "TA", 264, 1),
    ("Søren Pedersen", "V", 264, 560),
    ("Tomás Rey", "V", 263, 17),
    ("Jonas Weber", "V", 263, 18),
    ("Freja Bakke", "V", 263, 148),
    ("Priya Nair", "VT", 258, 47),
    ("Li Na", "V", 234, 70),
    ("Oluwaseun Kalu", "T", 234, 98),
    ("Kwame Raji", "V", 189, 237),
    ("Tuva Vik", "", 72, 115),
    ("Ada Lind", "V", 54, 1_200),
    ("Mirela Dinu", "V", 230, 30),
    ("Henrik Aas", "V", 229, 41),
    ("Noor Bakker", "T", 228, 52),
    ("Emil Sandvik", "V", 220, 2_300),
    ("Chiara Conti", "V", 214, 63),
    ("Matteo Greco", "VT", 210, 75),
    ("Ines Duarte", "V", 205, 9),
    ("Yusuf Demir", "V", 201, 85),
    ("Aiko Tanaka", "V", 198, 22),
    ("Leila Farouk", "V", 190, 96),
    ("Viktor Holm", "T", 182, 4_400),
    ("Sanna Lehto", "V", 175, 110),
    ("Pavel Novak", "V", 171, 120),
    ("Zofia Wrona", "V", 166, 33),
    ("Marek Kolar", "", 160, 900),
    ("Elif Aydin", "V", 151, 132),
    ("Diego Marin", "V", 144, 143),
    ("Hanna Vik", "VT", 139, 6),
    ("Omar Said", "V", 130, 155),
    ("Greta Lund", "V", 121, 166),
    ("Bram de Wit", "V", 117, 177),
    ("Chloé Martin", "V", 104, 188),
    ("Ravi Menon", "T", 98, 199),
    ("Sofia Almeida", "V", 90, 210),
    ("Nils Berg", "V", 83, 221),
    ("Ewa Zielinska", "V", 61, 5),
    ("Tariq Aziz", "V", 33, 26),
    ("Maja Strand", "V", 12, 3),
];

/// Days since the company has bought its plan.
const FIRST_PLAN: i64 = 95;

/// People who have been asked to set two-factor up again.
const NEEDS_SET_UP: [&str; 2] = ["Li Na", "Ada Lind"];

/// Somebody whose records have stayed.
const LEFT: &str = "Marek Kolar";

const ADMIN: &str = "Erika Moss";
const OWNER: &str = "Søren Pedersen";

/// Invited at an address that cannot be reached.
const UNKNOWN_HOST: &str = "r.olsen@haldn.example";

/// (address, added by, days since, days since it was unsubscribed).
const SUBSCRIBERS: &[(&str, &str, i64, Option<i64>)] = &[
    ("board@halden.example", "Erika Moss", 263, None),
    ("controller@halden.example", "Erika Moss", 263, Some(96)),
    ("it-changes@partner.example", "Amira Haddad", 69, None),
    (BOUNCING, "Amira Haddad", 69, None),
];

/// Takes no mail.
const BOUNCING: &str = "ops@oldhost.example";

/// (days ago, kind, subject, Markdown).
const UPDATES: &[(i64, &str, &str, &str)] = &[
    (
        120,
        "product-update",
        "Two-factor for everybody",
        "From today everybody signs in with **two-factor**. Whoever has no authenticator app yet is asked to set one up.\n\n\
         Lost your phone? An administrator of your company can reset 2FA under *Shared > Insight users*.\n",
    ),
    (
        20,
        "api-change",
        "Version 1 of the API keeps its dates",
        "Dates in answers stay as they are. A new field `updated_at` is added to every record on **1 December**.\n\n\
         - Nothing has to be done.\n- Programs that refuse unknown fields need a change.\n",
    ),
];

/// The clock of the past.
pub(super) struct Past {
    micros: Arc<AtomicI64>,
    now: Timestamp,
}

impl Past {
    pub(super) fn new() -> Past {
        let now = Clock::System.now();
        Past {
            micros: Arc::new(AtomicI64::new(now.0)),
            now,
        }
    }

    pub(super) fn clock(&self) -> Clock {
        Clock::Set(self.micros.clone())
    }

    fn go(&self, ago: time::Duration) {
        self.micros.store((self.now - ago).0, Ordering::SeqCst);
    }

    fn go_days(&self, ago: i64) {
        self.go(time::Duration::days(ago));
    }
}

/// "erika.moss@halden.example".
pub(super) fn email_of(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'ø' => 'o',
            'á' => 'a',
            'é' => 'e',
            ' ' => '.',
            c => c,
        })
        .collect();
    format!("{plain}@halden.example")
}

/// Writes everything.
pub(super) fn fill(app: &App, past: &Past, secret: &Secret) -> Result<()> {
    let example = parse("nobody@halden.example")?;
    let context = Context {
        email: &example,
        companies: &[COMPANY],
    };
    let password = Password::new(PASSWORD, &context).map_err(Error::internal)?;
    let hash = app.passwords.hash(&app.keys, &password);
    let hash = hash.map_err(Error::internal)?;
    past.go_days(265);
    let account = app.system_write(|tx| accounts::create(tx, COMPANY))?;
    let mut company = Company {
        app,
        past,
        account,
        hash,
        secret,
        people: Vec::new(),
    };
    for (ago, step) in steps() {
        past.go_days(ago);
        company.go_on(step)?;
    }
    company.people_are_invited()?;
    past.go_days(0);
    company.everybody_was_here()?;
    company.records_are_made()
}

/// What happened, and how many days ago, in its order: the audit log is written in it.
fn steps() -> Vec<(i64, Step)> {
    let mut steps = vec![
        (140, Step::SecondAccount),
        (10, Step::SetsRulesUp),
        (4, Step::Leaves(LEFT)),
        (1, Step::ResetTwoFactor),
    ];
    steps.push((FIRST_PLAN, Step::BuysPlan));
    steps.push((20, Step::MoreSeats));
    steps.extend((0..FIRST_PLAN).map(|ago| (ago, Step::Bills)));
    for (name, letters, joined, _) in PEOPLE {
        steps.push((*joined, Step::Joins(name, letters)));
    }
    for (email, by, added, left) in SUBSCRIBERS {
        steps.push((*added, Step::Subscribes(email, by)));
        steps.extend(left.map(|left| (left, Step::Unsubscribes(email))));
    }
    for (ago, kind, subject, markdown) in UPDATES {
        steps.push((*ago, Step::Announces(kind, subject, markdown)));
    }
    steps.sort_by_key(|(ago, _)| std::cmp::Reverse(*ago));
    steps
}

enum Step {
    /// Name, platform roles as letters.
    Joins(&'static str, &'static str),
    SecondAccount,
    /// Address, added by.
    Subscribes(&'static str, &'static str),
    Unsubscribes(&'static str),
    /// Kind, subject, Markdown.
    Announces(&'static str, &'static str, &'static str),
    ResetTwoFactor,
    /// Roles, profiles, layouts, sharing.
    SetsRulesUp,
    Leaves(&'static str),
    BuysPlan,
    MoreSeats,
    /// Whatever of billing is due that day.
    Bills,
}

fn parse(address: &str) -> Result<Email> {
    Email::parse(address).map_err(Error::internal)
}

struct Person {
    name: &'static str,
    user: UserId,
    member: MemberId,
}

struct Company<'a> {
    app: &'a App,
    past: &'a Past,
    account: AccountId,
    hash: String,
    secret: &'a Secret,
    people: Vec<Person>,
}

impl Company<'_> {
    fn person(&self, name: &str) -> Result<&Person> {
        let found = self.people.iter().find(|person| person.name == name);
        found.ok_or_else(|| Error::internal(format!("{name} is nobody")))
    }

    fn go_on(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Joins(name, letters) => self.joins(name, letters),
            Step::SecondAccount => self.second_account(),
            Step::Subscribes(email, by) => self.subscribes(email, by),
            Step::Unsubscribes(email) => self.unsubscribes(email),
            Step::Announces(kind, subject, markdown) => {
                announcements::announce_from_cli(self.app, subject, markdown, kind, None)?;
                while announcements::address_due(self.app)? > 0 {}
                self.deliver()
            }
            Step::ResetTwoFactor => self.two_factor_is_reset(),
            Step::SetsRulesUp => self.rules_are_set_up(),
            Step::Leaves(name) => self.leaves(name),
            Step::BuysPlan => self.plan_is_bought(),
            Step::MoreSeats => self.order(64),
            Step::Bills => {
                billing::jobs::run_due(self.app)?;
                self.deliver()
            }
        }
    }

    fn joins(&mut self, name: &'static str, letters: &str) -> Result<()> {
        let account = self.account;
        let person = self.app.system_write(|tx| {
            let email = parse(&email_of(name))?;
            let user = accounts::create_user(tx, &email, name, &self.hash, account)?;
            diesel::update(users::table.filter(users::id.eq(user)))
                .set(users::time_zone.eq("Europe/Oslo"))
                .execute(tx.conn())?;
            // Step 0: the first code that a visitor types is fresh.
            second_factor::bind(tx, user, self.secret, 0)?;
            let grants = grants(tx, account, letters)?;
            let member = accounts::add_member(tx, account, user, grants)?;
            if name == OWNER {
                accounts::set_owner(tx, account, member)?;
            }
            tx.act_as(user, name);
            let event = Event::MemberJoined {
                name: name.to_owned(),
                email: email.to_string(),
                roles: grants.roles.sentence(),
            };
            audit::record(tx, account, &event)?;
            Ok(Person { name, user, member })
        })?;
        self.people.push(person);
        if name == ADMIN {
            operators::mark(self.app, &email_of(ADMIN))?;
        }
        Ok(())
    }

    /// Billing details, a card of the sandbox, and the plan that the company has had since.
    fn plan_is_bought(&self) -> Result<()> {
        let by = self.person(ADMIN)?;
        self.app.system_write(|tx| {
            db::lock_account(tx.conn(), self.account)?;
            tx.act_as(by.user, by.name);
            let details = Details {
                company: "Halden Logistics AS".into(),
                address: "Storgata 14\n1767 Halden".into(),
                country: "Norway".into(),
                vat_number: "NO912345678MVA".into(),
                extra_text: "Cost centre 4410".into(),
                contact: "invoices@halden.example".into(),
                account_name: String::new(),
            };
            billing::details::save_in(tx, self.account, &details)?;
            let card = ProviderCard {
                token: Behaviour::Pays.token(),
                brand: "Visa".into(),
                last4: "4242".into(),
                exp_year: i32::from(Day::of(tx.now()).year()) + 2,
                exp_month: 8,
            };
            let who = by.name.to_owned();
            billing::cards::put(tx, self.account, sandbox::NAME, &card, who)
        })?;
        self.order(60)
    }

    fn order(&self, seats: i64) -> Result<()> {
        let by = self.person(ADMIN)?;
        self.app.system_write(|tx| {
            db::lock_account(tx.conn(), self.account)?;
            tx.act_as(by.user, by.name);
            billing::order::place_in(tx, self.account, "business", seats, None)
        })?;
        Ok(())
    }

    /// Somebody to switch to.
    fn second_account(&self) -> Result<()> {
        let user = self.person(ADMIN)?.user;
        self.app.system_write(|tx| {
            let second = accounts::create(tx, SECOND_COMPANY)?;
            let grants = grants(tx, second, "A")?;
            let there = accounts::add_member(tx, second, user, grants)?;
            accounts::set_owner(tx, second, there)
        })
    }

    fn subscribes(&self, email: &str, by: &str) -> Result<()> {
        let by = self.person(by)?;
        self.app.system_write(|tx| {
            diesel::insert_into(subscribed::table)
                .values((
                    subscribed::account_id.eq(self.account),
                    subscribed::email.eq(email),
                    subscribed::state.eq("active"),
                    subscribed::added_by.eq(by.member),
                    subscribed::added_at.eq(tx.now()),
                ))
                .execute(tx.conn())?;
            tx.act_as(by.user, by.name);
            let email = email.to_owned();
            audit::record(tx, self.account, &Event::SubscriberAdded { email })
        })
    }

    fn unsubscribes(&self, email: &str) -> Result<()> {
        self.app.system_write(|tx| {
            diesel::update(subscribed::table.filter(subscribed::email.eq(email)))
                .set(subscribed::state.eq("unsubscribed"))
                .execute(tx.conn())?;
            tx.act_as_outsider(email);
            let email = email.to_owned();
            audit::record(tx, self.account, &Event::SubscriberLeft { email })
        })
    }

    fn two_factor_is_reset(&self) -> Result<()> {
        let by = self.person(ADMIN)?;
        for name in NEEDS_SET_UP {
            let user = self.person(name)?.user;
            self.app.system_write(|tx| {
                second_factor::discard(tx, user)?;
                tx.act_as(by.user, by.name);
                let event = Event::TwoFactorReset {
                    name: name.to_owned(),
                    email: email_of(name),
                    password_too: false,
                };
                audit::record(tx, self.account, &event)
            })?;
        }
        Ok(())
    }

    fn rules_are_set_up(&self) -> Result<()> {
        let by = self.person(ADMIN)?;
        self.app.system_write(|tx| {
            tx.act_as(by.user, by.name);
            let mut setup = Setup::of_account(tx, self.account)?;
            rules::fill(&mut setup, &|name| Ok(self.person(name)?.member))
        })
    }

    fn leaves(&self, name: &str) -> Result<()> {
        let (by, member) = (self.person(ADMIN)?, self.person(name)?.member);
        self.app.system_write(|tx| {
            let now = tx.now();
            diesel::update(members::table.filter(members::id.eq(member)))
                .set(members::removed_at.eq(Some(now)))
                .execute(tx.conn())?;
            tx.act_as(by.user, by.name);
            let event = Event::MemberRemoved {
                name: name.to_owned(),
                email: email_of(name),
                transferred_to: None,
                invitations_revoked: 0,
            };
            audit::record(tx, self.account, &event)
        })
    }

    /// 20,000 in each environment. Whoever has no role makes none.
    fn records_are_made(&self) -> Result<()> {
        self.app.system_write(|tx| {
            let rows: Vec<(Slot, Timestamp, String)> = members::table
                .inner_join(roles::table.on(members::role_id.eq(roles::id.nullable())))
                .filter(members::account_id.eq(self.account))
                .order(members::slot)
                .select((members::slot, members::joined_at, roles::name))
                .load(tx.conn())?;
            let owners: Vec<Owner> = rows
                .into_iter()
                .map(|(slot, joined_at, role)| Owner {
                    slot,
                    joined_at,
                    sells: role.starts_with("Sales") || role.starts_with("Customer"),
                })
                .collect();
            let added = custom_fields::all(&mut Setup::of_account(tx, self.account)?)?;
            let added: Added = added
                .into_iter()
                .map(|field| (field.label, format!("custom_{}", field.id)))
                .collect();
            let mut first = 1;
            for environment in Environment::ALL {
                first = records::fill(tx, self.account, environment, &owners, &added, first)?;
            }
            Ok(())
        })
    }

    fn people_are_invited(&self) -> Result<()> {
        // It has expired yesterday, two steps before the end.
        self.past.go(time::Duration::hours(8 * 24 + 2));
        self.invite("k.ito@partner.example", "Amira Haddad", "V")?;
        self.deliver()?;
        self.past.go(time::Duration::hours(8 * 24));
        self.reaches("k.ito@partner.example", true)?;
        self.past.go(time::Duration::minutes(40));
        self.invite(UNKNOWN_HOST, ADMIN, "VT")?;
        self.invite("m.duarte@halden.example", ADMIN, "V")?;
        self.deliver()?;
        self.past.go(time::Duration::minutes(25));
        self.reaches("m.duarte@halden.example", false)?;
        self.past.go(time::Duration::minutes(2));
        self.invite("p.sand@halden.example", ADMIN, "V")?;
        // Else it would be delivered before anybody looks.
        self.app.system_write(|tx| {
            let tomorrow = tx.now() + time::Duration::days(1);
            diesel::update(messages::table.filter(messages::state.eq("queued")))
                .set(messages::available_at.eq(tomorrow))
                .execute(tx.conn())?;
            Ok(())
        })
    }

    fn invite(&self, email: &str, by: &str, letters: &str) -> Result<()> {
        let (email, by) = (parse(email)?, self.person(by)?);
        self.app.system_write(|tx| {
            tx.act_as(by.user, by.name);
            let grants = grants(tx, self.account, letters)?;
            invitations::invite_as(tx, self.account, Some(by.member), &email, None, grants)
        })
    }

    /// The invited person opens the link, and perhaps chooses a password too.
    fn reaches(&self, email: &str, password: bool) -> Result<()> {
        self.app.system_write(|tx| {
            let now = tx.now();
            diesel::update(invited::table.filter(invited::email.eq(email)))
                .set((
                    invited::opened_at.eq(now),
                    invited::password_set_at.eq(password.then_some(now)),
                ))
                .execute(tx.conn())?;
            Ok(())
        })
    }

    /// What the mail server of that time took and refused.
    fn deliver(&self) -> Result<()> {
        loop {
            let claimed = outbox::claim(self.app, 100)?;
            if claimed.is_empty() {
                return Ok(());
            }
            for mail in claimed {
                let outcome = match mail.recipient.as_str() {
                    UNKNOWN_HOST => Outcome::Refused("550 5.1.2 Host unknown".into()),
                    BOUNCING => Outcome::Refused("550 5.1.1 User unknown".into()),
                    _ => Outcome::Sent,
                };
                outbox::finish(self.app, &mail, &outcome, subscribers::mark_bounced)?;
            }
        }
    }

    fn everybody_was_here(&self) -> Result<()> {
        self.app.system_write(|tx| {
            let now = tx.now();
            for (name, _, _, hours) in PEOPLE {
                let member = self.person(name)?.member;
                diesel::update(members::table.filter(members::id.eq(member)))
                    .set(members::last_activity_at.eq(now - time::Duration::hours(*hours)))
                    .execute(tx.conn())?;
            }
            Ok(())
        })
    }
}

fn grants(tx: &mut Tx<System>, account: AccountId, letters: &str) -> Result<Grants> {
    Ok(Grants {
        roles: PlatformRoles {
            viewer: letters.contains('V'),
            technician: letters.contains('T'),
            admin: letters.contains('A'),
        },
        profile: Some(accounts::standard_profile(tx, account)?),
        role: None,
    })
}
