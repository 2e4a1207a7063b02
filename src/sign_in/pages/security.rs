//! What people change about themselves: password, product updates, display; and the ways to two-factor.

use askama::Template;

use super::super::proof::{check_own_password, new_password};
use super::super::{
    Settings, change_password, choose_display, choose_product_updates, notices, person, settings,
};
use super::{own_page, page_or_refused};
use crate::access::{Can, FRESH_CODE, SignedIn, Theme};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::recovery_codes::COUNT;
use crate::credentials::sessions;
use crate::subscribers::announcements;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::web::times;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "sign_in/security.html")]
struct SecurityPage<'a> {
    shell: Shell,
    email: &'a str,
    /// The last code is fresh enough to change the password on this page.
    fresh: bool,
    settings: Settings,
    zones: &'static [String],
    zone: &'a str,
    theme: Theme,
    errors: &'a Errors,
}

#[derive(Template)]
#[template(path = "sign_in/password.html")]
struct PasswordPage<'a> {
    shell: Shell,
    email: &'a str,
    errors: &'a Errors,
}

/// `GET /security`
pub fn show(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let me = can.me().clone();
    page(&can, request, &me.time_zone, me.theme, &Errors::new())
}

fn page(
    can: &Can<SignedIn>,
    request: &Request,
    zone: &str,
    theme: Theme,
    errors: &Errors,
) -> Result<Answer> {
    let settings = can.read(settings)?;
    let mut shell = own_page(can, request, &[("Security", "")])?;
    shell.refused = !errors.is_empty();
    let page = SecurityPage {
        shell,
        email: &can.me().email,
        fresh: can.now() - can.me().code_at <= FRESH_CODE,
        settings,
        zones: times::zones(),
        zone,
        theme,
        errors,
    };
    page_or_refused(&page, errors)
}

/// `GET /security/password`
pub fn show_password(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    password_page(&can, request, &Errors::new())
}

/// `POST /security/password`
pub fn set_password(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let app = can.app();
    let caller = can.me().clone();
    let mut errors = Errors::new();
    let about = can.read(|tx| person(tx, caller.user))?;
    // What is wrong with the new one is found first: it costs no attempt.
    let Some(password) = new_password(&can, request, &about, &mut errors)? else {
        return password_page(&can, request, &errors);
    };
    let Some(checked) = check_own_password(&can, request, &caller, &mut errors)? else {
        return password_page(&can, request, &errors);
    };
    let hash = app
        .passwords
        .hash(&app.keys, &password)
        .map_err(Error::busy)?;
    let token = can.write(|tx| {
        accounts::lock_of_user(tx, caller.user)?;
        let person = person(tx, caller.user)?;
        if person.password != checked.password {
            return Err(Error::refused(
                "The password was changed meanwhile. Nothing was changed now.",
            ));
        }
        change_password(tx, person.id, &hash, Some(caller.session))?;
        let token = sessions::renew(tx, false)?;
        audit::record_for_user(tx, person.id, &Event::PasswordChanged { by_link: false })?;
        notices::password_changed(tx, &person, request)?;
        Ok(token)
    })?;
    Ok(Answer::see_other("/security")
        .start_session(token)
        .flash("Your password was changed. Your other sessions were ended."))
}

fn password_page(can: &Can<SignedIn>, request: &Request, errors: &Errors) -> Result<Answer> {
    let trail = [("Security", "/security"), ("Change password", "")];
    let mut shell = own_page(can, request, &trail)?;
    shell.refused = !errors.is_empty();
    let page = PasswordPage {
        shell,
        email: &can.me().email,
        errors,
    };
    page_or_refused(&page, errors)
}

/// `POST /security/product-updates`
pub fn set_product_updates(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let on = request.form().ticked("updates");
    let user = can.me().user;
    can.write(|tx| {
        accounts::lock_of_user(tx, user)?;
        if choose_product_updates(tx, on)? {
            if !on {
                let email = tx.me().email.clone();
                announcements::withdraw(tx, &email)?;
            }
            audit::record_for_user(tx, user, &Event::ProductUpdatesChosen { on })?;
        }
        Ok(())
    })?;
    Ok(Answer::see_other("/security").flash(if on {
        "Product updates were turned on."
    } else {
        "Product updates were turned off."
    }))
}

/// `POST /security/display`
pub fn set_display(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let zone = form.one("zone")?;
    let theme = form.one("theme")?.parse::<Theme>();
    let mut errors = Errors::new();
    if !times::is_zone(zone) {
        errors.add("zone", "Choose a time zone from the list.");
    }
    if theme.is_err() {
        errors.add("theme", "Choose an appearance.");
    }
    match theme {
        Ok(theme) if errors.is_empty() => {
            can.write(|tx| choose_display(tx, zone, theme))?;
            Ok(Answer::see_other("/security").flash("Time zone and appearance were saved."))
        }
        _ => page(&can, request, zone, theme.unwrap_or_default(), &errors),
    }
}
