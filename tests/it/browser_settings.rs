//! The pages of System Settings with people, roles and rules on them, and as they look after a refusal: light and dark,
//! on a desk and on a phone. What every page looks like when it is new is in `browser_pages`.

use insight::permissions::{Level, Object, profiles, roles};

use crate::app::browser::Options;
use crate::app::people::{Level as Session, Role};
use crate::app::records::called;
use crate::app::{Backend, OnBackend, TestApp};
use crate::browser_pages::Look;

const PERMISSIONS: &str = "/settings/permissions";

#[actix_web::test]
async fn pages_of_a_set_up_company_are_for_everybody() {
    let app = TestApp::on(Backend::Sqlite);
    let ada = app.admin("ada").await;
    let company = app.halden().await;
    let mut people = Vec::new();
    for number in 0..55 {
        let name = format!("Maximiliane Konstantinopolitanska-Wolff {number}");
        let email = format!("somebody.with.a.rather.long.address.{number}@halden.example");
        people.push(company.person(&name, &email, &[Role::Viewer]));
    }
    let mut above = None;
    let mut chain = Vec::new();
    for (number, person) in people.iter().take(7).enumerate() {
        let name = format!("Regional Manager of Northern Territories {number}");
        above = Some(app.role(&name, above, &[person]));
        chain.extend(above);
    }
    let sales = app.standard("Sales in the Northern Territories", &[&people[3]]);
    app.share(&ada, Object::Lead, chain[5], chain[1], Level::Write);
    app.set_up(&ada, |setup| {
        for number in 0..15 {
            roles::add(setup, &called(&format!("Clerk {number}")), Some(chain[0]))?;
        }
        profiles::add(setup, &called("Nobody's"), &profiles::Matrix::default())
    });
    crate::app::steps::invite(&ada, "new@halden.example")
        .await
        .expect("Sent");

    let mut look = Look::of(&app, &ada, Session::Full)
        .await
        .with_large_text()
        .await;
    look.page("/settings/users", 200).await;
    let details = format!("/settings/users/{}", people[3].member());
    look.page(&details, 200).await;
    for path in [
        format!("/roles?role={}", chain[6]),
        "/roles?q=clerk".to_owned(),
        format!("/roles/{}/assign", chain[3]),
        format!("/roles/{}/delete", chain[3]),
        format!("/profiles/{sales}/assign"),
        format!("/profiles/{sales}/delete"),
        "/profiles".to_owned(),
        "/sharing-rules".to_owned(),
    ] {
        look.page(&format!("{PERMISSIONS}{path}"), 200).await;
    }
    // After a refusal.
    look.goto(&format!("{PERMISSIONS}/roles/new")).await;
    look.browser.press("Review change").await;
    look.here("a refused role", 422).await;
    look.goto(&format!("{PERMISSIONS}/sharing-rules/new")).await;
    look.browser.press("Review change").await;
    look.here("a refused sharing rule", 422).await;
    look.goto(&format!("{PERMISSIONS}/profiles/new")).await;
    look.browser.tick("Leads: Modify All", true).await;
    look.browser.press("Review change").await;
    look.here("a refused profile", 422).await;
    look.goto(&format!("{PERMISSIONS}/roles/{}/assign", chain[3]))
        .await;
    look.browser.press("Add to role").await;
    look.here("nobody chosen", 422).await;
    // The administrator's own switch asks first.
    look.goto("/settings/users?q=ada").await;
    look.here("the last administrator", 200).await;
    // Closed branches, and an open menu.
    for options in [Options::DESKTOP, Options::PHONE.dark()] {
        look.browser.emulate(options).await;
        look.goto(&format!("{PERMISSIONS}/roles")).await;
        look.browser
            .press("More actions for Regional Manager of Northern Territories 0")
            .await;
        look.browser.see("Add role below").await;
        look.state("an open menu in the tree", options).await;
        look.goto(&format!("{PERMISSIONS}/roles")).await;
        look.browser.press("Collapse all").await;
        look.state("a closed tree", options).await;
    }
    look.done();
}
