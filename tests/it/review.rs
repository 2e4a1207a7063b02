//! Review change: nothing is changed before Apply, what is announced is what people see afterwards, and of two
//! administrators at once one wins.

use futures_util::future::join_all;
use insight::db::Target;
use insight::db::types::{ProfileId, RoleId};
use insight::permissions::change::Change;
use insight::permissions::profiles::Matrix;
use insight::permissions::{Level, Object, Rights, layouts, profiles};

use crate::app::page::Page;
use crate::app::people::{Level as Session, Person};
use crate::app::program::Installation;
use crate::app::records::{called, names};
use crate::app::steps::{assert_newest, audit_sentences, everything};
use crate::app::{Backend, TestApp};
use crate::on_both;

on_both!(
    a_moved_role_shows_who_gains_and_who_loses_and_so_it_comes,
    fields_that_go_are_named,
    what_is_dangerous_is_said_in_red,
    a_change_that_changes_nothing_is_not_reviewed,
    rules_that_moved_meanwhile_refuse_it_and_show_it_anew,
    of_two_who_apply_at_once_one_wins,
    a_change_writes_as_many_rows_whatever_the_number_of_records,
    a_proposal_waits_a_week,
    what_would_be_written_otherwise_than_reviewed_is_not_written,
);

/// Two managers, a rep below the first, and five leads of the rep.
struct Sales {
    ada: Person,
    north: Person,
    south: Person,
    rep: Person,
    roles: [RoleId; 3],
}

async fn sales(app: &TestApp) -> Sales {
    let ada = app.admin("ada").await;
    let north = app.member("north", &[]).await;
    let south = app.member("south", &[]).await;
    let rep = app.member("rep", &[]).await;
    app.standard("Sales", &[&north, &south, &rep]);
    let of_north = app.role("Manager North", None, &[&north]);
    let of_south = app.role("Manager South", None, &[&south]);
    let of_rep = app.role("Rep", Some(of_north), &[&rep]);
    for number in 1..=5 {
        let name = format!("Lead {number}");
        rep.make("test/leads", &[("name", &name)]).await;
    }
    Sales {
        ada,
        north,
        south,
        rep,
        roles: [of_north, of_south, of_rep],
    }
}

impl Sales {
    /// Proposes to move the rep's role below the other manager.
    async fn move_rep(&self) -> Page {
        let [_, south, rep] = self.roles;
        let fields = [("name", "Rep"), ("reports_to", &south.to_string())];
        let path = format!("/settings/permissions/roles/{rep}/edit");
        self.ada.post(&path, &fields).await.follow().await
    }
}

/// How many leads somebody's list has.
async fn leads(person: &Person) -> usize {
    let list = person.get("/test/records/leads").await;
    names(&list).len()
}

async fn a_moved_role_shows_who_gains_and_who_loses_and_so_it_comes(app: TestApp) {
    let sales = sales(&app).await;
    let before = [leads(&sales.north).await, leads(&sales.south).await];
    assert_eq!(before, [5, 0]);
    let page = sales.move_rep().await;
    assert_eq!(page.h1(), "Review change");
    page.expect("Rep reports to Manager South");
    let gains = page.section("Who gains");
    gains.expect("1 member").expect("South").expect("Leads");
    gains
        .expect("+5")
        .expect("Read, Edit, Delete")
        .expect("Lead 5");
    page.section("Who loses").expect("North").expect("−5");
    // Only looking changes nothing.
    assert_eq!(
        [leads(&sales.north).await, leads(&sales.south).await],
        before
    );

    let done = page.press("Apply").await;
    assert_eq!(
        done.flash(),
        "Applied change 1: Rep reports to Manager South."
    );
    assert_eq!(
        [leads(&sales.north).await, leads(&sales.south).await],
        [0, 5]
    );
    assert_eq!(leads(&sales.rep).await, 5);
    assert_newest(&audit_sentences(&sales.ada).await, "Changed the role Rep");
    // Once more on the same page: it was done, and is not done again.
    page.press("Apply").await.follow().await;
    let history = sales.ada.open("/settings/permissions/history").await;
    assert_eq!(history.all("table tbody tr").len(), 1);
}

async fn fields_that_go_are_named(app: TestApp) {
    let sales = sales(&app).await;
    let (id, fields) = app.set_up(&sales.ada, |setup| {
        let id = layouts::default_of(setup, Object::Lead)?;
        Ok((id, layouts::fields(setup, id)?))
    });
    let fewer: Vec<_> = fields.into_iter().filter(|f| f.key != "email").collect();
    let change = Change::ChangeLayout {
        layout: id,
        name: called("Default"),
        fields: fewer,
    };
    let page = propose(&sales.ada, &change).await;
    let fields = page.section("Fields");
    fields.expect("Lose: E-mail").expect("North, South and Rep");
    page.expect_not("Who gains");
}

/// Proposes any change, as Check access does.
async fn propose(by: &Person, change: &Change) -> Page {
    let change = serde_json::to_string(change).expect("JSON");
    let answer = by
        .post("/settings/check-access", &[("change", &change)])
        .await;
    answer.follow().await
}

async fn what_is_dangerous_is_said_in_red(app: TestApp) {
    let sales = sales(&app).await;
    app.let_export(&sales.south);
    let mut levels = [Level::None; 6];
    levels[Object::Lead.index()] = Level::Read;
    let page = propose(&sales.ada, &Change::SetSharing { levels }).await;
    page.expect("All leads become Public Read Only");
    page.expect("South may export what this person gains here.");

    // The only administrator who can sign in keeps the right; with another one, oneself is warned.
    let profile = app.set_up(&sales.ada, |setup| {
        profiles::add(setup, &called("Other"), &Matrix::default())
    });
    let mine = Change::AssignProfile {
        members: vec![sales.ada.member()],
        profile,
    };
    let refused = propose(&sales.ada, &mine).await;
    refused.expect("Ada is the last administrator who can sign in.");
    app.admin("eve").await;
    let page = propose(&sales.ada, &mine).await;
    page.expect("You stop being an administrator");

    // Nobody is left who reads leads.
    let everybody = [&sales.north, &sales.south, &sales.rep];
    let others = Change::AssignProfile {
        members: everybody.iter().map(|person| person.member()).collect(),
        profile,
    };
    let page = propose(&sales.ada, &others).await;
    page.expect("Nobody but administrators will read leads any more.");
}

async fn a_change_that_changes_nothing_is_not_reviewed(app: TestApp) {
    let sales = sales(&app).await;
    let before = everything(&app);
    let path = format!("/settings/permissions/roles/{}/edit", sales.roles[2]);
    let above = sales.roles[0].to_string();
    let fields = [("name", "Rep"), ("reports_to", above.as_str())];
    let answer = sales.ada.post(&path, &fields).await;
    assert_eq!(answer.follow().await.flash(), "Nothing was changed.");
    assert_eq!(everything(&app), before);
}

async fn rules_that_moved_meanwhile_refuse_it_and_show_it_anew(app: TestApp) {
    let sales = sales(&app).await;
    let page = sales.move_rep().await;
    app.open_to_all(&sales.ada, Object::Lead, Level::Write);
    let again = page.press("Apply").await;
    again.expect_status(409);
    again.expect("The rules were changed while you looked at this page.");
    again.expect("Nobody gains or loses a record.");
    let done = again.press("Apply").await;
    assert!(done.flash().starts_with("Applied change 1"));

    // What it would change is gone by now.
    let page = propose(
        &sales.ada,
        &Change::DeleteRole {
            role: sales.roles[0],
            replacement: None,
        },
    )
    .await;
    page.expect("Manager North has 1 member.");
}

async fn of_two_who_apply_at_once_one_wins(app: TestApp) {
    let sales = sales(&app).await;
    let eve = app.admin("eve").await;
    let [north, south, rep] = sales.roles;
    for round in 0..4 {
        let above = if round % 2 == 0 { south } else { north };
        let other = Change::ChangeRole {
            role: rep,
            name: called(&format!("Rep {round}")),
            reports_to: Some(above),
        };
        let add = Change::AddRole {
            name: called(&format!("One more {round}")),
            reports_to: None,
        };
        let first = propose(&sales.ada, &other).await;
        let second = propose(&eve, &add).await;
        let answers = join_all([first.press_once("Apply"), second.press_once("Apply")]).await;
        let mut statuses: Vec<u16> = answers.iter().map(|page| page.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409], "round {round}");
    }
    let numbers = "SELECT count(*) FROM permission_changes WHERE number IS NOT NULL";
    assert_eq!(app.number(numbers), 4);
    let highest = "SELECT max(number) FROM permission_changes";
    assert_eq!(app.number(highest), 4);
}

async fn a_change_writes_as_many_rows_whatever_the_number_of_records(app: TestApp) {
    let sales = sales(&app).await;
    let records = "SELECT max(updated_at) * 1000 + count(*) FROM records";
    let before = app.number(records);
    let rows = |app: &TestApp| everything(app).len();
    let counted = rows(&app);
    let page = sales.move_rep().await;
    page.press("Apply").await;
    // The proposal and the entry of the audit log; no record was touched.
    assert_eq!(rows(&app), counted + 2);
    assert_eq!(app.number(records), before);
}

async fn a_proposal_waits_a_week(app: TestApp) {
    let sales = sales(&app).await;
    sales.move_rep().await;
    let open = "SELECT count(*) FROM permission_changes";
    assert_eq!(app.number(open), 1);
    app.forward(std::time::Duration::from_secs(8 * 86_400));
    let ada = sales.ada.other_browser();
    ada.start_session(Session::Full);
    let mut levels = [Level::None; 6];
    levels[0] = Level::Read;
    propose(&ada, &Change::SetSharing { levels }).await;
    assert_eq!(app.number(open), 1, "the old one is gone");
}

async fn what_would_be_written_otherwise_than_reviewed_is_not_written(app: TestApp) {
    let sales = sales(&app).await;
    let page = sales.move_rep().await;
    // Something in the database gives a changed role another name.
    let other_name = match app.database().target() {
        Target::Sqlite(_) => vec![
            "CREATE TRIGGER other_name AFTER UPDATE ON roles BEGIN \
             UPDATE roles SET name = NEW.name || '!' WHERE id = NEW.id; END",
        ],
        Target::Postgres(_) => vec![
            "CREATE FUNCTION other_name() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN NEW.name := NEW.name || ''!''; RETURN NEW; END'",
            "CREATE TRIGGER other_name BEFORE UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION other_name()",
        ],
    };
    for statement in other_name {
        app.sql(statement).expect("makes a trigger");
    }
    let before = everything(&app);
    let failed = page.press("Apply").await;
    failed.expect_status(500);
    assert_eq!(everything(&app), before);
    assert_eq!(leads(&sales.north).await, 5);
    let list = sales.ada.open("/settings/permissions/history").await;
    list.expect("Nothing was changed yet.");
}

#[actix_web::test]
async fn the_next_request_of_another_server_obeys_a_change() {
    let installation = Installation::new(Backend::Postgres);
    let company = installation.context().company("Halden Logistics");
    let ada = company.admin("ada");
    let first = installation.start();
    let second = installation.start_another();
    let bob = company.member("bob", &[]);
    bob.use_server(second.address);
    ada.use_server(first.address);
    let profiles = ada.open("/settings/permissions/profiles").await;
    let id = profiles
        .all("a[href]")
        .into_iter()
        .filter_map(|a| {
            a.attr("href")?
                .strip_prefix("/settings/permissions/profiles/")
        })
        .find_map(|id| id.parse::<i64>().ok())
        .expect("Standard User");
    let assign = Change::AssignProfile {
        members: vec![bob.member()],
        profile: ProfileId(id),
    };
    // Bob has it already, or gets it.
    let page = propose(&ada, &assign).await;
    if page.offers("Apply") {
        page.press("Apply").await;
    }
    bob.get("/test/records/leads").await.expect_status(200);
    let change = Change::ChangeProfile {
        profile: ProfileId(id),
        name: called("Standard User"),
        matrix: Matrix::default(),
    };
    let page = propose(&ada, &change).await;
    page.expect("Bob");
    page.press("Apply").await;
    bob.get("/test/records/leads").await.expect_status(403);
    let mut matrix = Matrix::default();
    matrix[Object::Lead.index()].rights = Rights::READ;
    let change = Change::ChangeProfile {
        profile: ProfileId(id),
        name: called("Standard User"),
        matrix,
    };
    propose(&ada, &change).await.press("Apply").await;
    bob.get("/test/records/leads").await.expect_status(200);
}
