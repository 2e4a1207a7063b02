//! What stands for each parameter of a path when a test walks the route table.

use diesel::prelude::*;
use insight::billing::invoices::{self, Draft, Invoice, Line};
use insight::billing::providers::schema::card_setups;
use insight::db::Conn;
use insight::db::types::{
    AnnouncementId, CardSetupId, ExportId, ImportId, InvitationId, PaymentId, PermissionChangeId,
    SessionId, Slot, SubscriberId,
};
use insight::permissions::difference::Difference;
use insight::permissions::objects::OBJECTS;
use insight::permissions::sharing_rules::{self, Wanted};
use insight::permissions::{Change, Level, Object, custom_fields, layouts, profiles, roles};
use insight::schema::{
    announcements, exports, imports, invitations, members, payments, permission_changes, sessions,
    subscribers,
};

use crate::app::TestApp;
use crate::app::people::{Level as Session, Person, Role};
use crate::app::records::called;
use crate::routes::{MADE_UP, is_of_an_account};

/// Things of Halden Logistics that the parameters of a path can name.
pub struct Fixture<'a> {
    pub app: &'a TestApp,
    pub admin: &'a Person,
    pub number: usize,
}

impl Fixture<'_> {
    async fn value(&self, parameter: &str) -> String {
        let Fixture { app, admin, number } = self;
        let (account, member, user) = (admin.account(), admin.member(), admin.user());
        match parameter {
            "environment" => "test".to_owned(),
            "object" => "leads".to_owned(),
            "record" => {
                // An earlier route may have ended the session.
                admin.start_session(Session::Full);
                let name = format!("Lead {number}");
                let fields = [("name", name.as_str())];
                admin.make("test/leads", &fields).await.to_string()
            }
            "token" => "A".repeat(47),
            "member" => {
                let email = format!("m{number}@halden.example");
                let company = app.halden().await;
                company
                    .person(&format!("Member {number}"), &email, &[Role::Viewer])
                    .member()
                    .to_string()
            }
            "session" => {
                let token = app.context().session(user, account, Session::Full);
                let hash = token.hash().to_vec();
                self.id(|conn| {
                    sessions::table
                        .filter(sessions::token_hash.eq(hash))
                        .select(sessions::id)
                        .first::<SessionId>(conn)
                })
                .to_string()
            }
            "invitation" => {
                let now = app.clock.now();
                self.id(|conn| {
                    diesel::insert_into(invitations::table)
                        .values((
                            invitations::account_id.eq(account),
                            invitations::email.eq(format!("i{number}@halden.example")),
                            invitations::name.eq(""),
                            invitations::viewer.eq(true),
                            invitations::technician.eq(false),
                            invitations::admin.eq(false),
                            invitations::invited_by.eq(Some(member)),
                            invitations::invited_at.eq(now),
                            invitations::sent_at.eq(now),
                            invitations::expires_at.eq(now + time::Duration::days(7)),
                        ))
                        .returning(invitations::id)
                        .get_result::<InvitationId>(conn)
                })
                .to_string()
            }
            "role" => {
                let name = called(&format!("Role {number}"));
                app.set_up(admin, |setup| roles::add(setup, &name, None))
                    .to_string()
            }
            "profile" => {
                let name = called(&format!("Profile {number}"));
                app.set_up(admin, |setup| {
                    profiles::add(setup, &name, &profiles::Matrix::default())
                })
                .to_string()
            }
            "layout" => {
                let name = called(&format!("Layout {number}"));
                app.set_up(admin, |setup| layouts::add(setup, Object::Lead, &name))
                    .to_string()
            }
            "rule" => {
                let role = called(&format!("Source {number}"));
                app.set_up(admin, |setup| {
                    let role = roles::add(setup, &role, None)?;
                    let wanted = Wanted {
                        name: called(&format!("Rule {number}")),
                        object: Some(Object::Lead),
                        source: role,
                        source_below: false,
                        target: role,
                        target_below: true,
                        level: Level::Read,
                        active: true,
                        ends_at: None,
                    };
                    sharing_rules::add(setup, &wanted)
                })
                .to_string()
            }
            "field" => {
                let label = called(&format!("Field {number}"));
                app.set_up(admin, |setup| {
                    custom_fields::add(setup, Object::Lead, &label, "text", "")
                })
                .to_string()
            }
            // Applied, so that the history has it and Review change says so.
            "change" => {
                let levels = [Level::None; OBJECTS];
                let change = Change::SetSharing { levels };
                self.id(|conn| {
                    diesel::insert_into(permission_changes::table)
                        .values((
                            permission_changes::account_id.eq(account),
                            permission_changes::proposed_by.eq(member),
                            permission_changes::proposed_at.eq(app.clock.now()),
                            permission_changes::change.eq(json(&change)),
                            permission_changes::sentence.eq("Leads become Private"),
                            permission_changes::back.eq("/settings/permissions/fields"),
                            permission_changes::number.eq(1 + *number as i64),
                            permission_changes::applied_by.eq(member),
                            permission_changes::applied_at.eq(app.clock.now()),
                            permission_changes::difference.eq(json(&Difference::default())),
                        ))
                        .returning(permission_changes::id)
                        .get_result::<PermissionChangeId>(conn)
                })
                .to_string()
            }
            "subscriber" => self
                .id(|conn| {
                    diesel::insert_into(subscribers::table)
                        .values((
                            subscribers::account_id.eq(account),
                            subscribers::email.eq(format!("s{number}@halden.example")),
                            subscribers::state.eq("active"),
                            subscribers::added_by.eq(member),
                            subscribers::added_at.eq(app.clock.now()),
                        ))
                        .returning(subscribers::id)
                        .get_result::<SubscriberId>(conn)
                })
                .to_string(),
            "announcement" => self
                .id(|conn| {
                    diesel::insert_into(announcements::table)
                        .values((
                            announcements::kind.eq("product-update"),
                            announcements::subject.eq("News"),
                            announcements::markdown.eq("Good *news*."),
                            announcements::written_by.eq(Some(user)),
                            announcements::created_at.eq(app.clock.now()),
                            announcements::addressed_at.eq(Some(app.clock.now())),
                        ))
                        .returning(announcements::id)
                        .get_result::<AnnouncementId>(conn)
                })
                .to_string(),
            "import" => self
                .id(|conn| {
                    let slot: Slot = members::table
                        .filter(members::id.eq(member))
                        .select(members::slot)
                        .first(conn)?;
                    diesel::insert_into(imports::table)
                        .values((
                            imports::account_id.eq(account),
                            imports::environment.eq(0_i16),
                            imports::object.eq(Object::Lead.number()),
                            imports::member_slot.eq(slot),
                            (imports::address.eq(""), imports::source.eq("csv")),
                            (imports::name.eq("leads.csv"), imports::external_id.eq("")),
                            (imports::state.eq("checked"), imports::reason.eq("")),
                            imports::attempts.eq(1),
                            (
                                imports::heads.eq("[\"Name\"]"),
                                imports::matched.eq("[\"name\"]"),
                            ),
                            (imports::total.eq(0_i64), imports::done.eq(0_i64)),
                            (
                                imports::created_rows.eq(0_i64),
                                imports::updated_rows.eq(0_i64),
                            ),
                            imports::rejected_rows.eq(0_i64),
                            imports::created_at.eq(app.clock.now()),
                        ))
                        .returning(imports::id)
                        .get_result::<ImportId>(conn)
                })
                .to_string(),
            "export" => self
                .id(|conn| {
                    let slot: Slot = members::table
                        .filter(members::id.eq(member))
                        .select(members::slot)
                        .first(conn)?;
                    let file = format!("{number}-fixture.csv");
                    let folder = app.config.data_dir.join("exports");
                    std::fs::create_dir_all(&folder).expect("a folder");
                    std::fs::write(folder.join(&file), "Record number,Name\r\n").expect("a file");
                    diesel::insert_into(exports::table)
                        .values((
                            exports::account_id.eq(account),
                            exports::environment.eq(0_i16),
                            exports::object.eq(Object::Lead.number()),
                            exports::member_slot.eq(slot),
                            exports::address.eq("127.0.0.1"),
                            (exports::query.eq(""), exports::filter.eq("all")),
                            (exports::direct.eq(false), exports::state.eq("done")),
                            (exports::reason.eq(""), exports::attempts.eq(1)),
                            exports::expected.eq(0_i64),
                            (exports::written.eq(0_i64), exports::bytes.eq(20_i64)),
                            exports::file.eq(file),
                            exports::created_at.eq(app.clock.now()),
                            exports::finished_at.eq(app.clock.now()),
                        ))
                        .returning(exports::id)
                        .get_result::<ExportId>(conn)
                })
                .to_string(),
            "setup" => {
                let visit = format!("visit {number}");
                self.id(|conn| {
                    diesel::insert_into(card_setups::table)
                        .values((
                            card_setups::account_id.eq(account),
                            card_setups::provider.eq("sandbox"),
                            card_setups::asked_by.eq("Ada"),
                            card_setups::session.eq(visit),
                            card_setups::state.eq("open"),
                            card_setups::created_at.eq(app.clock.now()),
                        ))
                        .returning(card_setups::id)
                        .get_result::<CardSetupId>(conn)
                })
                .to_string()
            }
            "invoice" => self.invoice().id.to_string(),
            "payment" => {
                let invoice = self.invoice();
                self.id(|conn| {
                    diesel::insert_into(payments::table)
                        .values((
                            payments::account_id.eq(account),
                            payments::invoice_id.eq(invoice.id),
                            payments::key.eq(format!("key {number}")),
                            (
                                payments::provider.eq("sandbox"),
                                payments::customer.eq("customer"),
                                payments::token.eq("token"),
                                payments::card.eq("Visa ending in 4242"),
                            ),
                            (payments::amount.eq(100_i64), payments::currency.eq("EUR")),
                            payments::present.eq(true),
                            (
                                payments::state.eq("waiting"),
                                payments::reference.eq(format!("key {number}")),
                            ),
                            payments::created_at.eq(app.clock.now()),
                            payments::leased_until.eq(app.clock.now()),
                        ))
                        .returning(payments::id)
                        .get_result::<PaymentId>(conn)
                })
                .to_string()
            }
            other => panic!("add a line for {{{other}}} to Fixture::value in tests/it/routes.rs"),
        }
    }

    /// An invoice that waits for money.
    fn invoice(&self) -> Invoice {
        let account = self.admin.account();
        let line = Line {
            text: "Business".into(),
            detail: "1 seat".into(),
            quantity: 1,
            unit_price: 100,
            amount: 100,
        };
        let issued = self
            .app
            .system_write(|tx| invoices::issue(tx, account, Draft::invoice(vec![line], None)));
        issued.unwrap_or_else(|e| panic!("{e}"))
    }

    fn id<T>(&self, f: impl FnOnce(&mut Conn) -> QueryResult<T>) -> T {
        let made = self.app.system_write(|tx| Ok(f(tx.conn())?));
        made.unwrap_or_else(|e| panic!("{e}"))
    }

    /// The path with a thing of Halden Logistics for each parameter, and with numbers that name nothing.
    pub async fn paths(&self, pattern: &str) -> (String, String) {
        let (mut real, mut made_up) = (pattern.to_owned(), pattern.to_owned());
        for parameter in parameters(pattern) {
            let value = self.value(parameter).await;
            let name = format!("{{{parameter}}}");
            real = real.replace(&name, &value);
            let nothing = if is_of_an_account(parameter) {
                MADE_UP
            } else {
                &value
            };
            made_up = made_up.replace(&name, nothing);
        }
        (real, made_up)
    }
}

pub fn parameters(pattern: &str) -> impl Iterator<Item = &str> {
    pattern
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}
