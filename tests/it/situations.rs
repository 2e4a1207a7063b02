//! Who may do what, as a table: the situations that follow from the rules (SPEC 5 and 5.1), each arranged by an
//! administrator on the pages of System Settings and looked at with everybody's own session.

use std::collections::HashMap;

use insight::db::types::{RecordId, RoleId};

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Company, Person, Role};
use crate::app::records::names;
use crate::on_both;

on_both!(the_rules_hold_in_every_situation);

const LEADS: &str = "/test/records/leads";
pub const PERMISSIONS: &str = "/settings/permissions";

/// Everybody with a role of their own name, but for `rep2`, who is a second Rep, and `free`, who has none:
///
/// ceo > director > manager > rep, ceo > ops > pm
const PEOPLE: [(&str, Option<&str>); 8] = [
    ("ceo", None),
    ("director", Some("ceo")),
    ("manager", Some("director")),
    ("rep", Some("manager")),
    ("rep2", None),
    ("ops", Some("ceo")),
    ("pm", Some("ops")),
    ("free", None),
];

/// What the administrator does.
enum Do {
    /// Rule on leads: source, with those below; target, with those below; level.
    Share(&'static str, bool, &'static str, bool, &'static str),
    /// Organization-wide sharing of leads: "0", "1", "2".
    Open(&'static str),
    /// Somebody gets a profile with these ticks for leads.
    Tick(&'static str, &'static [&'static str]),
    /// A role reports to another.
    Move(&'static str, &'static str),
    /// A role is deleted and replaced.
    Delete(&'static str, &'static str),
    /// Somebody loses their role.
    Unassign(&'static str),
    /// Somebody leaves.
    Remove(&'static str),
    /// The switch Administrator.
    Administrator(&'static str, bool),
    /// Somebody is put into a profile on its Assign page.
    Assign(&'static str),
    /// Somebody's profile is deleted, and Standard User replaces it.
    DeleteProfile(&'static str),
    /// The same as `Move` or `Administrator`, and refused with these words.
    Refused(Box<Do>, &'static str),
}

/// How far somebody gets with the lead of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// As if there were none.
    Nothing,
    Read,
    Edit,
    /// The profile does not open leads at all.
    Closed,
}

use Do::*;
use May::*;

struct Situation {
    what: &'static str,
    first: Vec<Do>,
    /// Who, whose lead, how far.
    then: &'static [(&'static str, &'static str, May)],
}

fn situation(
    what: &'static str,
    first: Vec<Do>,
    then: &'static [(&'static str, &'static str, May)],
) -> Situation {
    Situation { what, first, then }
}

fn situations() -> Vec<Situation> {
    vec![
        situation(
            "peers see nothing of each other",
            vec![],
            &[
                ("rep", "rep2", Nothing),
                ("rep2", "rep", Nothing),
                ("rep", "rep", Edit),
            ],
        ),
        situation(
            "nothing flows down",
            vec![],
            &[
                ("rep", "manager", Nothing),
                ("manager", "director", Nothing),
                ("director", "ceo", Nothing),
            ],
        ),
        situation(
            "those above see at any depth",
            vec![],
            &[
                ("manager", "rep", Edit),
                ("director", "rep2", Edit),
                ("ceo", "rep", Edit),
                ("ops", "rep", Nothing),
            ],
        ),
        situation(
            "without Read not even one's own",
            vec![Tick("rep", &[])],
            &[("rep", "rep", Closed), ("manager", "rep", Edit)],
        ),
        situation(
            "Read All is not edit",
            vec![Tick("pm", &["edit", "read_all"])],
            &[("pm", "rep", Read), ("pm", "ceo", Read), ("pm", "pm", Edit)],
        ),
        situation(
            "Modify All edits everything",
            vec![Tick("free", &["modify_all"])],
            &[("free", "ceo", Edit), ("free", "rep", Edit)],
        ),
        situation(
            "the tick is needed beside the level",
            vec![Tick("manager", &["read"])],
            &[("manager", "rep", Read), ("manager", "manager", Read)],
        ),
        situation(
            "a rule for reading",
            vec![Share("rep", false, "pm", false, "read")],
            &[
                ("pm", "rep", Read),
                ("pm", "rep2", Read),
                ("rep", "pm", Nothing),
            ],
        ),
        situation(
            "a rule for editing",
            vec![Share("rep", false, "pm", false, "write")],
            &[("pm", "rep", Edit)],
        ),
        situation(
            "a rule for one role leaves those below out",
            vec![Share("director", false, "pm", false, "read")],
            &[
                ("pm", "director", Read),
                ("pm", "manager", Nothing),
                ("pm", "rep", Nothing),
            ],
        ),
        situation(
            "a rule with the roles below",
            vec![Share("director", true, "ops", true, "read")],
            &[
                ("pm", "rep", Read),
                ("ops", "manager", Read),
                ("pm", "ceo", Nothing),
            ],
        ),
        situation(
            "the manager of a rule's target gets nothing",
            vec![Share("rep", false, "pm", false, "write")],
            &[("ops", "rep", Nothing), ("pm", "rep", Edit)],
        ),
        situation(
            "the strongest of two rules counts",
            vec![
                Share("rep", false, "pm", false, "read"),
                Share("manager", true, "pm", false, "write"),
            ],
            &[("pm", "rep", Edit)],
        ),
        situation(
            "private",
            vec![Open("0")],
            &[("free", "rep", Nothing), ("pm", "rep", Nothing)],
        ),
        situation(
            "public to read",
            vec![Open("1")],
            &[
                ("free", "rep", Read),
                ("rep", "ceo", Read),
                ("manager", "rep", Edit),
            ],
        ),
        situation(
            "public to edit",
            vec![Open("2")],
            &[("free", "rep", Edit), ("rep", "ceo", Edit)],
        ),
        situation(
            "public, and no Read in the profile",
            vec![Open("2"), Tick("free", &[])],
            &[("free", "rep", Closed)],
        ),
        situation(
            "a removed member counts with the role they had",
            vec![Remove("rep")],
            &[
                ("manager", "rep", Edit),
                ("ceo", "rep", Edit),
                ("rep2", "rep", Nothing),
                ("pm", "rep", Nothing),
            ],
        ),
        situation(
            "a subtree moves with everything in it",
            vec![Move("manager", "ops")],
            &[
                ("ops", "rep", Edit),
                ("ceo", "rep", Edit),
                ("director", "rep", Nothing),
                ("director", "manager", Nothing),
            ],
        ),
        situation(
            "a cycle is refused",
            vec![
                Refused(
                    Box::new(Move("director", "rep")),
                    "director cannot report to rep, which is below it.",
                ),
                Refused(
                    Box::new(Move("director", "director")),
                    "director cannot report to itself.",
                ),
            ],
            &[("director", "rep", Edit), ("rep", "director", Nothing)],
        ),
        situation(
            "a role is deleted and another takes its place",
            vec![
                Share("rep", false, "pm", false, "read"),
                Delete("pm", "ops"),
                Delete("manager", "rep"),
            ],
            &[
                ("ops", "rep", Read),
                ("pm", "rep", Read),
                ("rep", "manager", Nothing),
                ("director", "manager", Edit),
            ],
        ),
        situation(
            "without a role: one's own, and nobody above",
            vec![Unassign("rep")],
            &[
                ("rep", "rep", Edit),
                ("manager", "rep", Nothing),
                ("free", "free", Edit),
            ],
        ),
        situation(
            "Administrator beside all rules",
            vec![Tick("free", &[]), Administrator("free", true)],
            &[("free", "ceo", Edit), ("free", "rep", Edit)],
        ),
        situation(
            "an administrator loses it, and the rules apply again",
            vec![Administrator("free", true), Administrator("free", false)],
            &[("free", "rep", Nothing), ("free", "free", Edit)],
        ),
        situation(
            "a profile takes Administrator away",
            vec![Administrator("free", true), Assign("free")],
            &[("free", "rep", Nothing), ("free", "free", Edit)],
        ),
        situation(
            "the last administrator stays",
            vec![
                Refused(
                    Box::new(Administrator("ada", false)),
                    "is the last administrator who can sign in",
                ),
                Refused(
                    Box::new(Assign("ada")),
                    "is the last administrator who can sign in",
                ),
            ],
            &[("ada", "rep", Edit)],
        ),
        situation(
            "a deleted profile leaves nobody without one",
            vec![Tick("rep", &[]), DeleteProfile("rep")],
            &[("rep", "rep", Edit), ("rep", "rep2", Nothing)],
        ),
    ]
}

/// A company with everybody in their places, each with a lead of their own.
struct World<'a> {
    app: &'a TestApp,
    people: HashMap<&'static str, Person>,
    roles: HashMap<&'static str, RoleId>,
    leads: HashMap<&'static str, RecordId>,
    profiles: HashMap<&'static str, String>,
    gone: Vec<&'static str>,
}

impl<'a> World<'a> {
    async fn new(app: &'a TestApp, company: &Company) -> World<'a> {
        let ada = company.admin("ada");
        let mut world = World {
            app,
            people: HashMap::new(),
            roles: HashMap::new(),
            leads: HashMap::new(),
            profiles: HashMap::new(),
            gone: Vec::new(),
        };
        for (name, above) in PEOPLE {
            let person = company.member(name, &[Role::Viewer]);
            if name == "rep2" {
                let (member, rep) = (person.member(), world.roles["rep"]);
                app.set_up(&person, |setup| {
                    insight::permissions::roles::assign(setup, &[member], Some(rep))
                });
            } else if name != "free" {
                let above = above.map(|above| world.roles[above]);
                world.roles.insert(name, app.role(name, above, &[&person]));
            }
            world.people.insert(name, person);
        }
        world.people.insert("ada", ada);
        let everybody: Vec<&Person> = PEOPLE.iter().map(|(name, _)| &world.people[name]).collect();
        app.standard("Everybody", &everybody);
        for (name, _) in PEOPLE {
            let lead = format!("Lead of {name}");
            let fields = [("name", lead.as_str())];
            let made = world.people[name].make("test/leads", &fields).await;
            world.leads.insert(name, made);
        }
        world
    }

    fn ada(&self) -> &Person {
        &self.people["ada"]
    }

    fn role(&self, name: &str) -> String {
        self.roles[name].to_string()
    }

    fn member(&self, name: &str) -> String {
        self.people[name].member().to_string()
    }

    /// Sends a form to the end: the answer that refuses it, or what came after Apply.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.ada().post(path, fields).await;
        if page.status == 422 {
            return page;
        }
        let page = page.follow().await;
        assert!(page.path.contains("/permissions/review/"), "{}", page.path);
        page.press("Apply").await
    }

    async fn standard_user(&self) -> String {
        let list = self.ada().open(&format!("{PERMISSIONS}/profiles")).await;
        let link = list.row("Standard User").all("a.name")[0]
            .attr("href")
            .expect("an address")
            .to_owned();
        link.rsplit('/').next().expect("a number").to_owned()
    }

    async fn carry_out(&mut self, deed: &Do) -> Page {
        match deed {
            Share(source, source_below, target, target_below, level) => {
                let (name, from, to) = (
                    format!("{source} to {target}, {level}"),
                    self.role(source),
                    self.role(target),
                );
                let mut fields = vec![
                    ("name", name.as_str()),
                    ("object", "leads"),
                    ("source", &from),
                    ("target", &to),
                    ("level", level),
                    ("active", "1"),
                ];
                if *source_below {
                    fields.push(("source_below", "1"));
                }
                if *target_below {
                    fields.push(("target_below", "1"));
                }
                self.send(&format!("{PERMISSIONS}/sharing-rules/new"), &fields)
                    .await
            }
            Open("0") => {
                // It is so from the beginning.
                let path = format!("{PERMISSIONS}/organization-wide-sharing");
                let page = self
                    .ada()
                    .post(&path, &[("leads", "0")])
                    .await
                    .follow()
                    .await;
                assert_eq!(page.flash(), "Nothing was changed.");
                page
            }
            Open(level) => {
                let path = format!("{PERMISSIONS}/organization-wide-sharing");
                self.send(&path, &[("leads", level)]).await
            }
            Tick(who, ticks) => {
                let name = format!("Of {who}");
                let mut fields = vec![("name", name.as_str())];
                fields.extend(ticks.iter().map(|tick| ("leads", *tick)));
                let page = self
                    .send(&format!("{PERMISSIONS}/profiles/new"), &fields)
                    .await;
                // A new profile leads to Assign.
                assert!(page.path.ends_with("/assign"), "{}", page.path);
                let profile = page.path.split('/').nth(4).expect("a number").to_owned();
                let member = self.member(who);
                let page = self
                    .send(&page.path, &[("move", "in"), ("member", &member)])
                    .await;
                self.profiles.insert(who, profile);
                page
            }
            Move(role, to) => {
                let path = format!("{PERMISSIONS}/roles/{}/edit", self.role(role));
                let to = self.role(to);
                self.send(&path, &[("name", role), ("reports_to", &to)])
                    .await
            }
            Delete(role, replacement) => {
                let path = format!("{PERMISSIONS}/roles/{}/delete", self.role(role));
                let refused = self.send(&path, &[("replacement", "")]).await;
                refused
                    .expect_status(422)
                    .expect("Choose a role that replaces it.");
                let replacement = self.role(replacement);
                self.send(&path, &[("replacement", &replacement)]).await
            }
            Unassign(who) => {
                let role = self.role(who);
                let member = self.member(who);
                let path = format!("{PERMISSIONS}/roles/{role}/assign");
                self.send(&path, &[("move", "out"), ("member", &member)])
                    .await
            }
            Remove(who) => {
                let path = format!("/shared/insight-users/members/{}/remove", self.member(who));
                let page = self.ada().post(&path, &[]).await;
                page.expect_status(303);
                self.gone.push(who);
                page.follow().await
            }
            Administrator(who, on) => {
                let path = format!("/settings/users/{}/administrator", self.member(who));
                let on = if *on { "1" } else { "0" };
                let own = [("on", on), ("own", "1")];
                self.ada().post(&path, &own).await
            }
            Assign(who) => {
                let standard = self.standard_user().await;
                let path = format!("{PERMISSIONS}/profiles/{standard}/assign");
                let member = self.member(who);
                self.send(&path, &[("move", "in"), ("member", &member)])
                    .await
            }
            DeleteProfile(who) => {
                let path = format!("{PERMISSIONS}/profiles/{}/delete", self.profiles[who]);
                let standard = self.standard_user().await;
                self.send(&path, &[("replacement", &standard)]).await
            }
            Refused(..) => unreachable!("nothing is refused twice"),
        }
    }

    /// What the pages let somebody do with a lead; list, record and form have to agree.
    async fn may(&self, who: &str, whose: &str) -> May {
        let person = &self.people[who];
        let at = format!("{LEADS}/{}", self.leads[whose]);
        let list = person.get(LEADS).await;
        let record = person.get(&at).await;
        let form = person.get(&format!("{at}/edit")).await;
        if list.status == 403 {
            assert_eq!((record.status, form.status), (403, 403));
            return Closed;
        }
        let listed = names(&list).contains(&format!("Lead of {whose}"));
        match (listed, record.status, form.status) {
            (false, 404, 404) => Nothing,
            (true, 200, 403) => Read,
            (true, 200, 200) => Edit,
            other => panic!("{who}, {whose}: list, record and form disagree: {other:?}"),
        }
    }
}

async fn the_rules_hold_in_every_situation(app: TestApp) {
    for (number, situation) in situations().into_iter().enumerate() {
        let company = app.company(&format!("S{number} Limited"));
        let mut world = World::new(&app, &company).await;
        for deed in situation.first {
            if let Refused(deed, why) = deed {
                let page = world.carry_out(&deed).await;
                assert_eq!(page.status, 422, "{}: {}", situation.what, page.path);
                assert!(
                    page.errors()[0].contains(why),
                    "{}: {:?}",
                    situation.what,
                    page.errors()
                );
            } else {
                let page = world.carry_out(&deed).await;
                assert!(
                    page.status < 400,
                    "{}: {} {}",
                    situation.what,
                    page.status,
                    page.text()
                );
            }
        }
        for (who, whose, expected) in situation.then {
            let may = world.may(who, whose).await;
            assert_eq!(
                may, *expected,
                "{}: {who} and the lead of {whose}",
                situation.what
            );
        }
        for gone in &world.gone {
            let page = world.people[gone].get(LEADS).await;
            page.expect_redirect("/sign-in");
        }
        let _ = world.app;
    }
}
