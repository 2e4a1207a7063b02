//! The database keeps the numbers of an account's members; they agree with the members there are, whatever happens.

use crate::app::TestApp;
use crate::app::people::Role;
use crate::on_both;

on_both!(the_kept_numbers_are_the_numbers_of_members);

async fn the_kept_numbers_are_the_numbers_of_members(app: TestApp) {
    let agree = || {
        let counted = app.number(
            "SELECT COUNT(*) FROM accounts a WHERE a.member_count <> \
               (SELECT COUNT(*) FROM members m WHERE m.account_id = a.id AND m.removed_at IS NULL) \
             OR a.without_two_factor_count <> (SELECT COUNT(*) FROM members m \
               WHERE m.account_id = a.id AND m.removed_at IS NULL AND NOT m.two_factor)",
        );
        assert_eq!(counted, 0);
    };
    let ada = app.admin("ada").await;
    app.member("bob", &[Role::Viewer]).await;
    app.member("cleo", &[]).await;
    agree();

    let page = ada.open("/shared/insight-users").await;
    let page = page.row("bob").press("Reset 2FA").await;
    page.press("Reset 2FA").await;
    agree();
    let page = ada.open("/shared/insight-users").await;
    let page = page.row("bob").press("Remove").await;
    page.press("Remove Bob").await;
    let page = ada.open("/shared/insight-users").await;
    let page = page.row("cleo").press("Remove").await;
    page.press("Remove Cleo").await;
    agree();
    assert_eq!(
        app.number("SELECT member_count FROM accounts WHERE name = 'Halden Logistics'"),
        1
    );
}
