//! Without a mouse: everything is reached with Tab and set off with Enter, and Escape closes what was opened.

use crate::app::TestApp;
use crate::app::browser::{Browser, Options};
use crate::app::people::PASSWORD;

/// What WebDriver calls the keys.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";

/// Name of what has the focus: its label, its `aria-label`, else its words.
const FOCUSED: &str = r#"
const on = document.activeElement;
const label = on.labels && on.labels.length ? on.labels[0].textContent : on.getAttribute("aria-label") || on.textContent;
return label.trim().replace(/\s+/g, " ");
"#;

/// True when the focus can be seen: an outline, inside the window, under no sticky bar.
const SEEN: &str = r#"
const on = document.activeElement, box = on.getBoundingClientRect();
const shown = getComputedStyle(on).outlineStyle !== "none" || getComputedStyle(on).boxShadow !== "none";
const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
return shown && top !== null && (on.contains(top) || top.contains(on));
"#;

async fn focused(browser: &Browser) -> String {
    let name = browser.client.execute(FOCUSED, vec![]).await;
    let name = name.expect("reads the focus");
    name.as_str().unwrap_or_default().to_owned()
}

/// Presses Tab until this has the focus, which must be seen on every stop of the way.
async fn tab_to(browser: &Browser, wanted: &str) {
    let mut way = Vec::new();
    for _ in 0..80 {
        browser.keys(TAB).await;
        let name = focused(browser).await;
        let seen = browser.client.execute(SEEN, vec![]).await;
        assert_eq!(
            seen.expect("looks at the focus"),
            true,
            "the focus on \"{name}\" is not to be seen"
        );
        if name == wanted {
            return;
        }
        way.push(name);
    }
    panic!("Tab never came to \"{wanted}\", only to {way:?}");
}

#[actix_web::test]
async fn a_person_without_a_mouse_signs_in_and_invites_a_colleague() {
    let app = <TestApp as crate::app::OnBackend>::on(crate::app::Backend::Sqlite);
    let ada = app.admin("ada").await;
    app.member("bob", &[]).await;
    let browser = Browser::open(Options::DESKTOP).await;

    browser.goto(&format!("{}/sign-in", app.base())).await;
    tab_to(&browser, "E-mail").await;
    browser.keys(ada.email()).await;
    tab_to(&browser, "Password").await;
    browser.keys(PASSWORD).await;
    browser.keys(ENTER).await;
    browser.wait_for_path("/sign-in/code").await;
    tab_to(&browser, "Six-digit code").await;
    browser.keys(&ada.code()).await;
    browser.keys(ENTER).await;
    browser.wait_for_path("/shared/insight-users").await;

    // The first stop leads past the menu.
    browser.keys(TAB).await;
    assert_eq!(focused(&browser).await, "Skip to main content");
    browser.keys(ENTER).await;
    browser.keys(TAB).await;
    assert!(
        !["Insight, start page", "Start", "Insight users"]
            .contains(&focused(&browser).await.as_str()),
        "the link past the menu leads into it"
    );

    tab_to(&browser, "Actions for Bob").await;
    browser.keys(ENTER).await;
    browser.see("Manage roles").await;
    browser.keys(ESCAPE).await;
    assert_eq!(focused(&browser).await, "Actions for Bob");
    assert!(!browser.text().await.contains("Manage roles"));
    browser.keys(ENTER).await;
    tab_to(&browser, "Manage roles").await;
    browser.keys(ENTER).await;
    browser.see("Manage roles: Bob").await;
    tab_to(&browser, "Cancel").await;
    browser.keys(ENTER).await;
    browser.wait_for_path("/shared/insight-users").await;

    tab_to(&browser, "Invite Member").await;
    browser.keys(ENTER).await;
    browser.wait_for_path("/shared/insight-users/invite").await;
    tab_to(&browser, "E-mail addresses").await;
    browser.keys("not an address").await;
    tab_to(&browser, "Send").await;
    browser.keys(ENTER).await;
    browser.see("There is a problem").await;
    // A refused form puts the focus on its summary, whose first link leads to the field.
    browser.keys(TAB).await;
    browser.keys(ENTER).await;
    assert_eq!(focused(&browser).await, "E-mail addresses");
    browser.fill("E-mail addresses", "new@halden.example").await;
    tab_to(&browser, "Send").await;
    browser.keys(ENTER).await;
    browser.see("1 of 1 invitation was sent.").await;
}
