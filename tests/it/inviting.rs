//! The form **Invite a new member** and what became of each address (SPEC 3.2).

use std::rc::Rc;
use std::time::Duration;

use insight::access::{Can, ManageMembers, PlatformRoles, Visit};
use insight::accounts::Grants;
use insight::credentials::email::Email;
use insight::db::types::{ProfileId, RoleId};
use insight::invitations::{Outcome, invite as invite_one};

use crate::app::TestApp;
use crate::app::people::{Level as Session, Role};
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, confirm_with_code, everything, invite,
};
use crate::on_both;

const INVITE: &str = "/shared/insight-users/invite";

/// True when the link opens the first step of registration.
async fn opens(app: &TestApp, link: &str) -> bool {
    let page = app.visitor().open(link).await;
    assert!(matches!(page.status, 200 | 404), "{}", page.status);
    page.status == 200
}

on_both!(
    each_address_gets_an_invitation_and_a_line_of_its_own,
    addresses_may_be_separated_by_anything,
    an_address_is_compared_as_mail_compares_it,
    a_refused_form_keeps_what_was_typed_and_invites_nobody,
    making_an_administrator_needs_a_fresh_code,
    only_what_the_form_offers_can_be_granted,
    an_answer_does_not_tell_who_has_a_sign_in_elsewhere,
    a_role_that_was_deleted_since_the_form_was_read_is_not_granted,
);

async fn each_address_gets_an_invitation_and_a_line_of_its_own(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    invite(&erika, "vera@halden.example").await;
    let before = app.mail().len();

    let result = invite(
        &erika,
        "new@halden.example, SAM@halden.example vera@halden.example\nnot-an-address new@halden.example",
    )
    .await;

    result.expect_status(200);
    assert_eq!(result.texts(".steps li").len(), 4, "one line an address");
    result.expect("1 of 4 invitations were sent");
    result
        .row("new@halden.example")
        .expect("Sent. The invitation expires in 7 days");
    result
        .row("sam@halden.example")
        .expect("Sam is already a member");
    result
        .row("sam@halden.example")
        .press("Open Sam")
        .await
        .row(sam.email())
        .expect("Viewer");
    let again = result.row("vera@halden.example");
    again.expect("Already invited by Erika");
    result.row("not-an-address").expect("Not an e-mail address");
    assert_eq!(
        app.mail().len(),
        before + 1,
        "one letter for one invitation"
    );
    let letter = app.last_mail_to("new@halden.example");
    assert_eq!(
        letter.subject,
        "Erika invites you to join Halden Logistics on Insight"
    );
    assert!(opens(&app, &letter.link("/register/")).await);
    let list = erika.open(INSIGHT_USERS).await;
    assert_eq!(list.texts("#h-pending .count"), ["2"]);
    let row = list.row("new@halden.example");
    for words in ["Viewer", "Erika", "Queued", "Opened", "Expires in 7 days"] {
        row.expect(words);
    }
    assert_newest(
        &audit_sentences(&erika).await,
        "Invited new@halden.example with Viewer",
    );

    let resent = again
        .press("Resend invitation to vera@halden.example")
        .await;
    assert_eq!(
        resent.flash(),
        "The invitation to vera@halden.example was sent again."
    );
    let corrected = result.row("not-an-address").press("Correct it").await;
    assert_eq!(corrected.value("E-mail addresses"), "not-an-address");
    assert!(corrected.is_ticked("Viewer"));
}

async fn addresses_may_be_separated_by_anything(app: TestApp) {
    let erika = app.admin("erika").await;
    let result = invite(
        &erika,
        "a@x.example,b@x.example, c@x.example d@x.example\r\ne@x.example\n\nf@x.example\t g@x.example;h@x.example,\n",
    )
    .await;
    result.expect("8 of 8 invitations were sent");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let address = format!("{name}@x.example");
        let letters = app.mail_to(&address);
        assert_eq!(letters.len(), 1, "{address}");
    }
    let links: std::collections::HashSet<String> =
        app.mail().iter().map(|l| l.link("/register/")).collect();
    assert_eq!(links.len(), 8, "each has a link of its own");
}

async fn an_address_is_compared_as_mail_compares_it(app: TestApp) {
    let erika = app.admin("erika").await;
    invite(&erika, "Jonas.Weber@Halden.Example")
        .await
        .expect("Sent");
    assert_eq!(app.mail_to("jonas.weber@halden.example").len(), 1);
    let again = invite(&erika, " JONAS.WEBER@HALDEN.EXAMPLE ").await;
    again.expect("Already invited");
    let umlaut = invite(&erika, "post@müller.example").await;
    umlaut.expect("post@xn--mller-kva.example");
    invite(&erika, "post@xn--mller-kva.example")
        .await
        .expect("Already invited");
}

async fn a_refused_form_keeps_what_was_typed_and_invites_nobody(app: TestApp) {
    let erika = app.admin("erika").await;
    let long = "x".repeat(101);
    let many: String = (0..101).map(|n| format!("p{n}@x.example ")).collect();
    let before = everything(&app);
    for (emails, name, problem) in [
        ("", "", "Type at least one e-mail address."),
        (" ,\n; ", "", "Type at least one e-mail address."),
        ("p.sand", "", "“p.sand” is not an e-mail address."),
        ("<b>@x", "", "is not an e-mail address."),
        ("a@localhost", "", "is not an e-mail address."),
        ("a@127.0.0.1", "", "is not an e-mail address."),
        ("a@b@c.example", "", "is not an e-mail address."),
        ("a b", "", "are not e-mail addresses."),
        (many.as_str(), "", "Invite at most 100 addresses at a time."),
        (
            "a@x.example",
            "A\u{202e}B",
            "Leave control characters out of the name.",
        ),
        ("a@x.example", long.as_str(), "Use at most 100 characters."),
        (
            "a@x.example b@x.example",
            "Anna",
            "Leave the name empty when you invite several people.",
        ),
    ] {
        let form = erika.open(INVITE).await;
        let answer = form
            .fill("E-mail addresses", emails)
            .fill("Name", name)
            .tick("Technician")
            .press("Send")
            .await;
        answer.expect_status(422);
        let errors = answer.errors();
        assert!(
            errors.iter().any(|e| e.contains(problem)),
            "{problem}: {errors:?}"
        );
        let kept = answer.value("E-mail addresses").replace("\r\n", "\n");
        assert_eq!(kept, emails, "what was typed is kept");
        assert_eq!(answer.value("Name"), name);
        assert!(answer.is_ticked("Technician") && answer.is_ticked("Viewer"));
    }
    assert_eq!(everything(&app), before, "nothing was changed");
}

async fn making_an_administrator_needs_a_fresh_code(app: TestApp) {
    let erika = app.admin("erika").await;
    app.forward(Duration::from_secs(15 * 60 + 1));
    invite(&erika, "plain@x.example").await.expect("Sent");
    let form = erika.open(INVITE).await;
    let page = form
        .fill("E-mail addresses", "boss@x.example")
        .fill("Name", "Bo Ss")
        .untick("Viewer")
        .tick("Admin")
        .press("Send")
        .await;
    assert!(
        app.mail_to("boss@x.example").is_empty(),
        "not before the code"
    );
    let form = confirm_with_code(&erika, page).await;
    assert_eq!(form.value("E-mail addresses"), "boss@x.example");
    assert_eq!(form.value("Name"), "Bo Ss");
    assert!(form.is_ticked("Admin") && !form.is_ticked("Viewer"));
    form.press("Send").await.expect("Sent");

    // A new link to it is worth as much as the invitation.
    app.forward(Duration::from_secs(15 * 60 + 1));
    for action in ["Resend", "Copy link"] {
        let before = everything(&app);
        let row = erika.open(INSIGHT_USERS).await.row("boss@x.example");
        row.press_once(action).await.expect_redirect("/step-up");
        assert_eq!(everything(&app), before, "{action}");
    }
    let row = erika.open(INSIGHT_USERS).await.row("plain@x.example");
    row.press("Resend").await.expect("was sent again");
}

async fn only_what_the_form_offers_can_be_granted(app: TestApp) {
    let erika = app.admin("erika").await;
    let elsewhere = app.company("Other Company");
    let foreign = app.number(&format!(
        "SELECT id FROM profiles WHERE account_id = {}",
        elsewhere.id
    ));
    let own = app.number(&format!(
        "SELECT id FROM profiles WHERE account_id = {}",
        erika.account()
    ));
    let (foreign, own) = (foreign.to_string(), own.to_string());
    let before = everything(&app);
    for (field, value) in [
        ("profile", foreign.as_str()),
        ("profile", "x"),
        ("profile", ""),
        ("role", "1"),
        ("role", "x"),
        ("platform_role", "owner"),
        ("platform_role", "operator"),
    ] {
        let mut fields = vec![
            ("emails", "a@x.example"),
            ("name", ""),
            ("platform_role", "viewer"),
        ];
        fields.extend(
            [("profile", own.as_str()), ("role", "")]
                .iter()
                .filter(|(f, _)| *f != field),
        );
        fields.push((field, value));
        let answer = erika.post(INVITE, &fields).await;
        answer.expect_status(422);
    }
    for twice in ["emails", "name", "profile", "role"] {
        let fields = [
            ("emails", "a@x.example"),
            ("name", ""),
            ("profile", &own),
            ("role", ""),
        ];
        let mut fields: Vec<(&str, &str)> = fields.to_vec();
        fields.push((twice, "b@x.example"));
        erika.post(INVITE, &fields).await.expect_status(400);
    }
    erika.post(INVITE, &[]).await.expect_status(422);
    assert_eq!(everything(&app), before);
}

async fn an_answer_does_not_tell_who_has_a_sign_in_elsewhere(app: TestApp) {
    let erika = app.admin("erika").await;
    app.company("Other Company")
        .person("Known", "known@other.example", &[]);
    let known = invite(&erika, "known@other.example").await;
    let fresh = invite(&erika, "fresh@other.example").await;
    let text =
        |page: &crate::app::page::Page, name| crate::app::steps::masked(page).replace(name, "NAME");
    assert_eq!(text(&known, "known"), text(&fresh, "fresh"));
    let letter = |name: &str| {
        let letter = app.last_mail_to(format!("{name}@other.example"));
        letter
            .text
            .replace(&letter.link("/register/"), "")
            .replace(name, "NAME")
    };
    assert_eq!(letter("known"), letter("fresh"));
}

async fn a_role_that_was_deleted_since_the_form_was_read_is_not_granted(app: TestApp) {
    let erika = app.admin("erika").await;
    let profile = app.number(&format!(
        "SELECT id FROM profiles WHERE account_id = {}",
        erika.account()
    ));
    let token = app
        .context()
        .session(erika.user(), erika.account(), Session::Full);
    let address = "127.0.0.1".into();
    let visit = Visit::open(&app.context().app, Some(token.hash()), address, None);
    let can = Can::<ManageMembers>::decide(Rc::new(visit.expect("is signed in"))).expect("may");
    let before = everything(&app);
    let roles = PlatformRoles {
        viewer: true,
        technician: false,
        admin: false,
    };
    for (profile, role) in [(profile, Some(999_999)), (999_999, None)] {
        let grants = Grants {
            roles,
            profile: Some(ProfileId(profile)),
            role: role.map(RoleId),
        };
        let email = Email::parse("a@x.example").expect("an address");
        let outcome = can
            .write(|tx| invite_one(tx, &email, None, grants))
            .expect("is answered");
        assert!(matches!(outcome, Outcome::Gone));
    }
    assert_eq!(everything(&app), before);
}
