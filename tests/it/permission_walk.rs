//! The permissions of a sales organization, built from nothing in a real browser: hierarchy, people, profiles, a sharing
//! rule, a hidden field. Once with JavaScript, once without. Then everybody signs in and meets what was built.

use insight::permissions::Object;

use crate::app::browser::{Browser, Options};
use crate::app::people::{Level, Person, Role};
use crate::app::records::names;
use crate::app::{Backend, OnBackend, TestApp};

const ROLES: &str = "/settings/permissions/roles";
const PROFILES: &str = "/settings/permissions/profiles";

/// Name, role, profile.
const PEOPLE: [(&str, &str, &str); 10] = [
    ("carla", "CEO", "Sales"),
    ("dan", "Sales Director", "Sales"),
    ("mia", "Regional Manager", "Sales"),
    ("ron", "Rep", "Sales"),
    ("rita", "Rep", "Sales"),
    ("omar", "Ops Director", "Projects"),
    ("paul", "PM", "Projects"),
    ("pia", "PM", "Projects"),
    ("nora", "", "Sales"),
    ("sue", "", ""),
];

#[actix_web::test]
async fn an_organization_is_built_with_javascript() {
    walk(Options::DESKTOP).await;
}

#[actix_web::test]
async fn an_organization_is_built_without_javascript() {
    walk(Options::DESKTOP.without_javascript()).await;
}

struct Walk {
    app: TestApp,
    browser: Browser,
    javascript: bool,
}

async fn walk(options: Options) {
    let app = TestApp::on(Backend::Sqlite);
    let ada = app.admin("ada").await;
    let mut people = Vec::new();
    for (name, ..) in PEOPLE {
        people.push(app.member(name, &[Role::Viewer]).await);
    }
    let browser = Browser::open(options).await;
    let token = app
        .context()
        .session(ada.user(), ada.account(), Level::Full);
    browser
        .set_cookie(&app.base(), &app.context().session_cookie(&token))
        .await;
    let walk = Walk {
        browser,
        javascript: options.javascript,
        app,
    };
    walk.build_hierarchy().await;
    walk.assign_roles().await;
    walk.add_profiles().await;
    for owner in ["mia", "ron", "rita", "nora"] {
        let name = format!("Lead of {owner}");
        let fields = [("name", name.as_str()), ("phone", "555 1000")];
        called(&people, owner).make("test/leads", &fields).await;
    }
    walk.share().await;
    walk.hide_a_field().await;
    walk.let_one_export().await;
    let problems = walk.browser.problems().await;
    assert!(problems.is_empty(), "{problems:?}");
    everybody_meets_it(&walk.app, &people).await;
}

/// The person of the table with this name.
fn called<'p>(people: &'p [Person], name: &str) -> &'p Person {
    let nth = PEOPLE.iter().position(|(known, ..)| *known == name);
    &people[nth.expect("somebody")]
}

/// As the tests call people: bob is Bob.
fn shown(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

impl Walk {
    async fn goto(&self, path: &str) {
        self.browser
            .goto(&format!("{}{path}", self.app.base()))
            .await;
    }

    async fn apply(&self) {
        self.browser.press("Review change").await;
        self.apply_reviewed().await;
    }

    async fn apply_reviewed(&self) {
        self.browser
            .see("Nothing is changed until you press Apply")
            .await;
        self.browser.press("Apply").await;
        self.browser.see("Applied change").await;
    }

    async fn build_hierarchy(&self) {
        let browser = &self.browser;
        for (role, above) in [
            ("CEO", ""),
            ("Sales Director", "CEO"),
            ("Regional Manager", "Sales Director"),
            ("Rep", "Regional Manager"),
            ("Ops Director", "CEO"),
            ("PM", "Ops Director"),
        ] {
            let below = if above.is_empty() {
                String::new()
            } else {
                let id = self.id_of("roles", above);
                format!("?below={id}")
            };
            self.goto(&format!("{ROLES}/new{below}")).await;
            browser.fill("Name", role).await;
            self.apply().await;
        }
        self.goto(ROLES).await;
        browser.see("6 roles").await;
        if self.javascript {
            browser.press("Collapse all").await;
            let shown = browser.words(".tree").await;
            assert!(shown.contains("CEO") && !shown.contains("Rep"), "{shown}");
            browser.press("Expand all").await;
            browser.see("Regional Manager").await;
        }
    }

    fn id_of(&self, table: &str, name: &str) -> i64 {
        self.app
            .number(&format!("SELECT id FROM {table} WHERE name = '{name}'"))
    }

    async fn assign_roles(&self) {
        for role in [
            "CEO",
            "Sales Director",
            "Regional Manager",
            "Rep",
            "Ops Director",
            "PM",
        ] {
            self.goto(&format!("{ROLES}/{}/assign", self.id_of("roles", role)))
                .await;
            let holders = PEOPLE.iter().filter(|(_, held, _)| *held == role);
            self.choose_people(holders.map(|(name, ..)| *name)).await;
            self.browser.press("Add to role").await;
            self.apply_reviewed().await;
        }
    }

    async fn choose_people(&self, names: impl Iterator<Item = &'static str>) {
        for name in names {
            let id = self.app.number(&format!(
                "SELECT members.id FROM members JOIN users ON users.id = members.user_id \
                 WHERE users.email = '{name}@halden.example'"
            ));
            let tick = format!("[name=member][value='{id}']");
            self.browser.tick(&tick, true).await;
        }
    }

    async fn add_profiles(&self) {
        let browser = &self.browser;
        for (profile, ticks) in [
            (
                "Sales",
                &["Leads: Create", "Leads: Edit", "Tasks: Modify All"][..],
            ),
            ("Projects", &["Projects: Create", "Leads: Read"][..]),
        ] {
            self.goto(&format!("{PROFILES}/new")).await;
            browser.fill("Name", profile).await;
            for tick in ticks {
                browser.tick(tick, true).await;
            }
            if self.javascript && profile == "Sales" {
                // What the ticks imply is seen at once.
                browser.see("unsaved changes").await;
                let implied = "[name=leads][value=read]:checked";
                browser
                    .client
                    .find(fantoccini::Locator::Css(implied))
                    .await
                    .expect("is ticked");
            }
            self.apply().await;
            // A new profile leads to its people.
            browser.see(&format!("Assign: {profile}")).await;
            let goers = PEOPLE.iter().filter(|(_, _, by)| *by == profile);
            self.choose_people(goers.map(|(name, ..)| *name)).await;
            browser.press("Add to profile").await;
            self.apply_reviewed().await;
        }
    }

    async fn share(&self) {
        let browser = &self.browser;
        self.goto("/settings/permissions/sharing-rules/new").await;
        browser.fill("Name", "Delivery").await;
        browser.choose("Records", "Leads").await;
        for (select, role) in [("source", "Rep"), ("target", "PM")] {
            let id = self.id_of("roles", role);
            let select = fantoccini::Locator::Id(select);
            let select = browser.client.find(select).await.expect("a list");
            select
                .select_by_value(&id.to_string())
                .await
                .expect("a role");
        }
        browser.press("Review change").await;
        browser.see("Paul").await;
        self.apply_reviewed().await;
        browser.see("Leads of Rep are visible to PM").await;
    }

    /// PM do not see the phone of leads.
    async fn hide_a_field(&self) {
        let browser = &self.browser;
        let default = self.app.number(&format!(
            "SELECT id FROM page_layouts WHERE object = {} AND standard",
            Object::Lead.number()
        ));
        self.goto(&format!(
            "/settings/permissions/page-layouts/{default}/clone"
        ))
        .await;
        browser.fill("Name of the layout", "Without phone").await;
        browser.tick("Phone: Shown", false).await;
        self.apply().await;
        self.goto(&format!(
            "{PROFILES}/{}",
            self.id_of("profiles", "Projects")
        ))
        .await;
        browser.choose("Leads", "Without phone").await;
        browser.press("Review change").await;
        browser.see("Phone").await;
        self.apply_reviewed().await;
    }

    async fn let_one_export(&self) {
        self.goto("/settings/users?q=mia").await;
        self.browser.press("Export: Mia").await;
        self.browser.see("Mia may export what they see.").await;
    }
}

/// Each person signs in and finds what the rules say.
async fn everybody_meets_it(app: &TestApp, people: &[Person]) {
    const LEADS: &str = "/test/records/leads";
    let person = |name: &str| called(people, name);
    for person in people {
        person.other_browser().sign_in().await.expect_status(200);
    }
    let ron = app.number("SELECT id FROM records WHERE sort_name = 'lead of ron'");
    // Who, whose leads they see, whether they edit Ron's, whether they export.
    for (name, sees, edits, exports) in [
        ("carla", &["mia", "rita", "ron"][..], true, false),
        ("dan", &["mia", "rita", "ron"], true, false),
        ("mia", &["mia", "rita", "ron"], true, true),
        ("ron", &["ron"], true, false),
        ("rita", &["rita"], false, false),
        ("omar", &[], false, false),
        ("paul", &["rita", "ron"], false, false),
        ("pia", &["rita", "ron"], false, false),
        ("nora", &["nora"], false, false),
    ] {
        let own = person(name).other_browser();
        own.sign_in().await.expect_status(200);
        let list = own.open(&format!("{LEADS}?sort=name&column=phone")).await;
        let expected: Vec<String> = sees.iter().map(|who| format!("Lead of {who}")).collect();
        assert_eq!(names(&list), expected, "{}", shown(name));
        let seen = sees.contains(&"ron");
        let record = own.get(&format!("{LEADS}/{ron}")).await;
        assert_eq!(record.status, if seen { 200 } else { 404 }, "{name}");
        let form = own.get(&format!("{LEADS}/{ron}/edit")).await;
        let expected = match (seen, edits) {
            (false, _) => 404,
            (true, false) => 403,
            (true, true) => 200,
        };
        assert_eq!(form.status, expected, "{name}");
        let export = own.get(&format!("{LEADS}/export")).await;
        assert_eq!(export.status, if exports { 200 } else { 403 }, "{name}");
        assert_eq!(list.offers("Export"), exports, "{name}");
        // The field that is hidden from the profile Projects.
        if matches!(name, "paul" | "pia") {
            list.expect_not("Phone");
            record.expect_not("555 1000");
        } else if seen {
            record.expect("555 1000");
        }
    }
    // Without a profile there is nothing at all.
    let sue = person("sue").other_browser();
    sue.sign_in().await.expect_status(200);
    sue.get(LEADS).await.expect_status(403);
}
