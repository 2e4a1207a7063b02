//! Every URL in one table. The table drives the router, the menu and the tests over all routes.
//!
//! A handler is `fn(Can<P>, &Request) -> Result<Answer>`: its first parameter is a guard, else it does not compile.
//! The guard decides, then the form's origin and token are checked, then the freshness of the code; only then the
//! handler runs.

use std::rc::Rc;
use std::sync::LazyLock;

use crate::access::{Admit, Can, FRESH_CODE, Needs, Permission, Visit};
use crate::accounts::pages as accounts;
use crate::accounts::setup_pages;
use crate::billing::{
    details_pages, invoice_pages, owner_pages, plan_pages, sandbox_pages, webhook_pages,
};
use crate::invitations::{self, register_pages};
use crate::members::{index_pages, remove_pages, reset_pages, roles_pages};
use crate::permissions::check_access_pages as check_access;
use crate::permissions::fields_pages as fields;
use crate::permissions::history_pages as history;
use crate::permissions::lint_pages as lint;
use crate::permissions::pages as permissions;
use crate::permissions::review_pages as review;
use crate::records::export::pages as export;
use crate::records::import;
use crate::records::pages as records;
use crate::sign_in::pages as sign_in;
use crate::web::answer::Answer;
use crate::web::csrf;
use crate::web::frame::ENVIRONMENT_GROUP;
use crate::web::request::{Request, query_string};
use crate::{Error, Result, audit, subscribers, users as user_pages};

/// How a route is asked for. GET never changes anything that matters and answers HEAD as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// Where a page stands in the side menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Menu {
    pub group: &'static str,
    pub label: &'static str,
    pub icon: &'static str,
}

/// One row of the table.
pub struct Route {
    pub method: Method,
    /// With parameters in braces; each kind of thing has a parameter name of its own.
    pub path: &'static str,
    pub needs: Needs,
    /// Refused unless a code was typed in the last fifteen minutes.
    pub fresh_code: bool,
    /// Largest body in bytes.
    pub max_body: usize,
    /// May come with a CSV file, within the limits of [`crate::web::upload`].
    pub upload: bool,
    /// A POST that mail programs send without having seen a form (RFC 8058); its token is in the path.
    pub one_click: bool,
    /// A POST of another server, which signs it in this header; its body comes to the handler as it is.
    pub signed: Option<&'static str>,
    /// Adds or changes what an account that has not paid may not add or change: see [`crate::billing::read_only`].
    pub stops_when_read_only: bool,
    pub menu: Option<Menu>,
    handler: Box<Handler>,
}

type Handler = dyn Fn(&Route, Rc<Visit>, &Request) -> Result<Answer> + Send + Sync;

fn route<P: Admit>(
    method: Method,
    path: &'static str,
    handler: fn(Can<P>, &Request) -> Result<Answer>,
) -> Route {
    Route {
        method,
        path,
        needs: P::NEEDS,
        fresh_code: false,
        max_body: 16 * 1024,
        one_click: false,
        signed: None,
        stops_when_read_only: method == Method::Post && works_on_content(P::NEEDS),
        upload: false,
        menu: None,
        handler: Box::new(move |route, visit, request| {
            let can = Can::<P>::decide(visit).map_err(|error| route.named(error))?;
            route.check(can.visit(), request)?;
            handler(can, request)
        }),
    }
}

fn get<P: Admit>(path: &'static str, handler: fn(Can<P>, &Request) -> Result<Answer>) -> Route {
    route(Method::Get, path, handler)
}

fn post<P: Admit>(path: &'static str, handler: fn(Can<P>, &Request) -> Result<Answer>) -> Route {
    route(Method::Post, path, handler)
}

/// Rights whose posts change what an account is paid for.
fn works_on_content(needs: Needs) -> bool {
    match needs {
        Needs::Records => true,
        Needs::Permission(permission) => match permission {
            Permission::ManageMembers | Permission::ManagePermissions => true,
            Permission::ManageBilling | Permission::ViewAuditLog => false,
        },
        Needs::Nothing | Needs::HalfSession | Needs::SignedIn | Needs::Operator => false,
    }
}

impl Route {
    fn fresh_code(mut self) -> Route {
        self.fresh_code = true;
        self
    }

    fn max_body(mut self, bytes: usize) -> Route {
        self.max_body = bytes;
        self
    }

    fn upload(mut self) -> Route {
        self.upload = true;
        self
    }

    fn one_click(mut self) -> Route {
        self.one_click = true;
        self
    }

    fn signed(mut self, header: &'static str) -> Route {
        self.signed = Some(header);
        self
    }

    /// Taking away and carrying out go on in an account that has not paid.
    fn even_read_only(mut self) -> Route {
        self.stops_when_read_only = false;
        self
    }

    fn menu(mut self, group: &'static str, label: &'static str, icon: &'static str) -> Route {
        self.menu = Some(Menu { group, label, icon });
        self
    }

    /// Guard, checks, handler.
    pub fn run(&self, visit: Rc<Visit>, request: &Request) -> Result<Answer> {
        (self.handler)(self, visit, request)
    }

    /// A refusal with the section that the route belongs to: one right opens several of System Settings.
    fn named(&self, error: Error) -> Error {
        match error {
            Error::Forbidden { section, who }
                if self.needs == Needs::Permission(Permission::ManagePermissions) =>
            {
                Error::Forbidden {
                    section: self.section().unwrap_or(section),
                    who,
                }
            }
            other => other,
        }
    }

    /// The entry of the menu whose address this one begins with.
    fn section(&self) -> Option<&'static str> {
        table().iter().find_map(|row| {
            let rest = self.path.strip_prefix(row.path)?;
            let below = rest.is_empty() || rest.starts_with(['/', '.']);
            row.menu.as_ref().filter(|_| below).map(|menu| menu.label)
        })
    }

    fn check(&self, visit: &Visit, request: &Request) -> Result<()> {
        if self.method == Method::Post
            && !self.one_click
            && self.signed.is_none()
            && !csrf::token_fits(&visit.app().keys, request)
        {
            return Err(Error::CrossSite);
        }
        if self.stops_when_read_only && visit.caller().is_some_and(|c| c.read_only) {
            return Err(Error::ReadOnly);
        }
        let stale = |code_at| visit.now() - code_at > FRESH_CODE;
        if self.fresh_code && visit.caller().is_none_or(|c| stale(c.code_at)) {
            // The form's own page has the same path; a refused POST is not stored.
            let pairs = request.query().pairs().iter();
            let query = query_string(pairs.map(|(n, v)| (n.as_str(), v.as_str())));
            let path = request.path();
            return Err(Error::StepUp {
                next: match query.as_str() {
                    "" => path.to_owned(),
                    query => format!("{path}?{query}"),
                },
            });
        }
        Ok(())
    }
}

/// The table.
pub fn table() -> &'static [Route] {
    static TABLE: LazyLock<Vec<Route>> = LazyLock::new(rows);
    &TABLE
}

/// The row behind a path and a method, as the router finds it.
pub fn find(method: Method, path: &str) -> Option<&'static Route> {
    table()
        .iter()
        .find(|r| r.method == method && r.path == path)
}

/// Largest form of a record, or of the choices of a field: long texts in letters that take nine bytes each on the way.
const RECORD: usize = 1024 * 1024;

#[rustfmt::skip]
fn rows() -> Vec<Route> {
    vec![
        // Signing in.
        get("/sign-in", sign_in::sign_in::show),
        post("/sign-in", sign_in::sign_in::sign_in),
        get("/sign-in/code", sign_in::code::show),
        post("/sign-in/code", sign_in::code::confirm),
        post("/sign-out", sign_in::sign_in::sign_out),
        get("/forgot-password", sign_in::new_password::forgot),
        post("/forgot-password", sign_in::new_password::ask),
        get("/new-password/{token}", sign_in::new_password::open),
        get("/new-password", sign_in::new_password::show),
        post("/new-password", sign_in::new_password::set),
        get("/set-up-access/{token}", sign_in::set_up_access::open),
        get("/set-up-access", sign_in::set_up_access::show),
        post("/set-up-access", sign_in::set_up_access::prove),
        get("/set-up-access/two-factor", sign_in::set_up_access::show_two_factor),
        post("/set-up-access/two-factor", sign_in::set_up_access::bind),
        get("/step-up", sign_in::step_up::show),
        post("/step-up", sign_in::step_up::confirm),
        // Oneself.
        get("/security", sign_in::security::show),
        get("/security/password", sign_in::security::show_password).fresh_code(),
        post("/security/password", sign_in::security::set_password).fresh_code(),
        get("/security/two-factor", sign_in::two_factor::ask).fresh_code(),
        post("/security/two-factor", sign_in::two_factor::start).fresh_code(),
        get("/security/two-factor/new", sign_in::two_factor::show).fresh_code(),
        post("/security/two-factor/new", sign_in::two_factor::bind).fresh_code(),
        get("/security/recovery-codes", sign_in::recovery_codes::ask).fresh_code(),
        post("/security/recovery-codes", sign_in::recovery_codes::regenerate).fresh_code(),
        post("/security/product-updates", sign_in::security::set_product_updates),
        post("/security/display", sign_in::security::set_display),
        get("/recovery-codes", sign_in::recovery_codes::show),
        post("/recovery-codes", sign_in::recovery_codes::saved),
        post("/recovery-codes/download", sign_in::recovery_codes::download),
        get("/sessions", sign_in::own_sessions::show),
        post("/sessions/{session}/end", sign_in::own_sessions::end),
        post("/sessions/end-others", sign_in::own_sessions::end_others),
        // First start.
        get("/setup/{token}", setup_pages::open),
        get("/setup", setup_pages::show),
        post("/setup", setup_pages::save),
        get("/setup/two-factor", setup_pages::two_factor),
        post("/setup/two-factor", setup_pages::finish),
        // Invitations and registration.
        get("/shared/insight-users/invite", invitations::pages::form),
        post("/shared/insight-users/invite", invitations::pages::send).max_body(64 * 1024),
        post(
            "/shared/insight-users/invitations/{invitation}/resend",
            invitations::row_pages::resend,
        ),
        get(
            "/shared/insight-users/invitations/{invitation}/copy-link",
            invitations::row_pages::copied_link,
        ),
        post(
            "/shared/insight-users/invitations/{invitation}/copy-link",
            invitations::row_pages::copy_link,
        ),
        get(
            "/shared/insight-users/invitations/{invitation}/revoke",
            invitations::row_pages::revoke,
        ),
        post(
            "/shared/insight-users/invitations/{invitation}/revoke",
            invitations::row_pages::revoke_now,
        )
        .even_read_only(),
        get("/register/{token}", register_pages::open),
        get("/register", register_pages::show),
        post("/register", register_pages::save),
        get("/register/two-factor", register_pages::two_factor),
        post("/register/two-factor", register_pages::finish),
        post("/register/join", register_pages::join),
        // Start pages and accounts.
        get("/", accounts::home),
        get("/{environment}", accounts::start).menu(ENVIRONMENT_GROUP, "Start", "checklist"),
        get("/accounts", accounts::index),
        post("/accounts/switch", accounts::switch),
        // Records.
        get("/{environment}/records", records::search::show),
        get("/{environment}/records/{object}", records::list::show),
        get("/{environment}/records/{object}/new", records::new::show),
        post("/{environment}/records/{object}/new", records::new::save).max_body(RECORD),
        get("/{environment}/records/{object}/{record}", records::show::show),
        get("/{environment}/records/{object}/{record}/edit", records::edit::show),
        post("/{environment}/records/{object}/{record}/edit", records::edit::save).max_body(RECORD),
        get("/{environment}/records/{object}/{record}/assign", records::assign::show),
        post("/{environment}/records/{object}/{record}/assign", records::assign::save),
        get("/{environment}/records/{object}/{record}/delete", records::delete::show),
        post("/{environment}/records/{object}/{record}/delete", records::delete::act),
        get("/{environment}/records/{object}/{record}/access", records::access::show),
        // Members.
        get("/shared/insight-users", index_pages::index).menu("Shared", "Insight users", "users"),
        get("/shared/insight-users/members.csv", index_pages::csv),
        get(
            "/shared/insight-users/members/{member}/roles",
            roles_pages::show,
        ),
        post(
            "/shared/insight-users/members/{member}/roles",
            roles_pages::save,
        )
        .even_read_only(),
        get(
            "/shared/insight-users/members/{member}/reset-2fa",
            reset_pages::show,
        )
        .fresh_code(),
        post(
            "/shared/insight-users/members/{member}/reset-2fa",
            reset_pages::act,
        )
        .fresh_code()
        .even_read_only(),
        get(
            "/shared/insight-users/members/{member}/remove",
            remove_pages::show,
        )
        .fresh_code(),
        post(
            "/shared/insight-users/members/{member}/remove",
            remove_pages::act,
        )
        .fresh_code()
        .even_read_only(),
        // Subscribers and product updates.
        get(
            "/shared/insight-users/subscribers/new",
            subscribers::pages::new,
        ),
        post(
            "/shared/insight-users/subscribers/new",
            subscribers::pages::add,
        ),
        get(
            "/shared/insight-users/subscribers/{subscriber}/remove",
            subscribers::pages::confirm_removal,
        ),
        post(
            "/shared/insight-users/subscribers/{subscriber}/remove",
            subscribers::pages::remove,
        )
        .even_read_only(),
        get("/unsubscribe/{token}", subscribers::unsubscribe_pages::ask),
        post(
            "/unsubscribe/{token}",
            subscribers::unsubscribe_pages::carry_out,
        )
        .one_click(),
        // Records: export.
        get("/{environment}/records/{object}/export", export::show),
        post("/{environment}/records/{object}/export", export::export).even_read_only(),
        get("/{environment}/records/{object}/export/{export}", export::progress),
        get("/{environment}/records/{object}/export/{export}/file", export::file),
        // Records: import.
        get("/{environment}/records/{object}/import", import::pages::show),
        post("/{environment}/records/{object}/import", import::pages::receive).upload(),
        get("/{environment}/records/{object}/import/{import}", import::result_pages::show),
        post("/{environment}/records/{object}/import/{import}", import::pages::go_on),
        get("/{environment}/records/{object}/import/{import}/rejected", import::result_pages::rejected),
        // Users.
        get("/settings/users", user_pages::index_pages::index)
            .menu("System Settings", "Users", "user-cog"),
        get("/settings/users/{member}", user_pages::details_pages::show),
        get("/settings/users/{member}/administrator", user_pages::switch_pages::ask),
        post("/settings/users/{member}/administrator", user_pages::switch_pages::administrator),
        post("/settings/users/{member}/export", user_pages::switch_pages::export),
        post("/settings/users/{member}/role", user_pages::details_pages::role),
        post("/settings/users/{member}/profile", user_pages::details_pages::profile),
        post("/settings/users/{member}/sign-out", user_pages::details_pages::sign_out),
        // Permissions.
        get("/settings/permissions", permissions::first)
            .menu("System Settings", "Permissions", "lock"),
        get("/settings/permissions/roles", permissions::roles::show),
        get("/settings/permissions/roles/new", permissions::role_forms::new),
        post("/settings/permissions/roles/new", permissions::role_forms::add),
        get("/settings/permissions/roles/{role}/edit", permissions::role_forms::edit),
        post("/settings/permissions/roles/{role}/edit", permissions::role_forms::change),
        get("/settings/permissions/roles/{role}/delete", permissions::role_forms::ask),
        post("/settings/permissions/roles/{role}/delete", permissions::role_forms::delete),
        get("/settings/permissions/roles/{role}/assign", permissions::assign::role),
        post("/settings/permissions/roles/{role}/assign", permissions::assign::assign_role),
        get("/settings/permissions/profiles", permissions::profiles::show),
        get("/settings/permissions/profiles/new", permissions::profile_forms::new),
        post("/settings/permissions/profiles/new", permissions::profile_forms::add),
        get("/settings/permissions/profiles/{profile}", permissions::profile_forms::edit),
        post("/settings/permissions/profiles/{profile}", permissions::profile_forms::change),
        get("/settings/permissions/profiles/{profile}/clone", permissions::profile_forms::ask_clone),
        post("/settings/permissions/profiles/{profile}/clone", permissions::profile_forms::add_clone),
        get("/settings/permissions/profiles/{profile}/delete", permissions::profile_forms::ask),
        post("/settings/permissions/profiles/{profile}/delete", permissions::profile_forms::delete),
        get("/settings/permissions/profiles/{profile}/assign", permissions::assign::profile),
        post("/settings/permissions/profiles/{profile}/assign", permissions::assign::assign_profile),
        get("/settings/permissions/sharing-rules", permissions::sharing_rules::show),
        get("/settings/permissions/sharing-rules/new", permissions::rule_forms::new),
        post("/settings/permissions/sharing-rules/new", permissions::rule_forms::add),
        get("/settings/permissions/sharing-rules/{rule}/edit", permissions::rule_forms::edit),
        post("/settings/permissions/sharing-rules/{rule}/edit", permissions::rule_forms::change),
        post("/settings/permissions/sharing-rules/{rule}/active", permissions::sharing_rules::set_active),
        post("/settings/permissions/sharing-rules/{rule}/delete", permissions::sharing_rules::delete),
        get("/settings/permissions/organization-wide-sharing", permissions::organization_wide::show),
        post("/settings/permissions/organization-wide-sharing", permissions::organization_wide::save),
        get("/settings/permissions/page-layouts", permissions::layouts::show),
        get("/settings/permissions/page-layouts/{layout}", permissions::layout_forms::edit),
        post("/settings/permissions/page-layouts/{layout}", permissions::layout_forms::change).max_body(256 * 1024),
        get("/settings/permissions/page-layouts/{layout}/clone", permissions::layout_forms::ask_clone),
        post("/settings/permissions/page-layouts/{layout}/clone", permissions::layout_forms::add_clone).max_body(256 * 1024),
        get("/settings/permissions/page-layouts/{layout}/delete", permissions::layout_forms::ask),
        post("/settings/permissions/page-layouts/{layout}/delete", permissions::layout_forms::delete),
        // Fields.
        get("/settings/permissions/fields", fields::show),
        get("/settings/permissions/fields/new", fields::new),
        post("/settings/permissions/fields/new", fields::add).max_body(RECORD),
        get("/settings/permissions/fields/{field}/edit", fields::edit),
        post("/settings/permissions/fields/{field}/edit", fields::save).max_body(RECORD),
        get("/settings/permissions/fields/{field}/retire", fields::ask),
        post("/settings/permissions/fields/{field}/retire", fields::retire),
        post("/settings/permissions/fields/{field}/restore", fields::restore),
        // Review change.
        get("/settings/permissions/review/{change}", review::show),
        post("/settings/permissions/review/{change}", review::apply),
        get("/settings/permissions/history", history::show),
        post("/settings/permissions/history/{change}/revert", history::revert),
        get("/settings/permissions/lint", lint::show),
        // Check access.
        get("/settings/check-access", check_access::show)
            .menu("System Settings", "Check access", "shield-check"),
        post("/settings/check-access", check_access::change).max_body(64 * 1024),
        get("/settings/check-access.json", check_access::json),
        get("/check-access", check_access::own),
        // Audit log.
        get("/settings/audit-log", audit::pages::log).menu(
            "System Settings",
            "Audit log",
            "history",
        ),
        get("/settings/audit-log.csv", audit::pages::csv),
        // Billing.
        get("/billing/account-owner", owner_pages::show)
            .menu("Billing & Account", "Account Owner", "crown"),
        get("/billing/account-owner/change", owner_pages::ask).fresh_code(),
        post("/billing/account-owner/change", owner_pages::change).fresh_code(),
        get("/billing/plan", plan_pages::show).menu("Billing & Account", "Plan", "package"),
        get("/billing/plan/order", plan_pages::review).fresh_code(),
        post("/billing/plan/order", plan_pages::place).fresh_code(),
        get("/billing/invoices", invoice_pages::index)
            .menu("Billing & Account", "Invoices and Payments", "file-invoice"),
        get("/billing/invoices/details", details_pages::show),
        post("/billing/invoices/details", details_pages::save),
        get("/billing/invoices/card", invoice_pages::card).fresh_code(),
        post("/billing/invoices/card", invoice_pages::give_card).fresh_code(),
        get("/billing/invoices/card/{setup}", invoice_pages::card_given),
        get("/billing/invoices/{invoice}/pdf", invoice_pages::pdf),
        get("/billing/invoices/{invoice}/pay", invoice_pages::ask_to_pay),
        post("/billing/invoices/{invoice}/pay", invoice_pages::pay),
        get("/billing/sandbox/cards/{setup}", sandbox_pages::card),
        post("/billing/sandbox/cards/{setup}", sandbox_pages::take),
        get("/billing/sandbox/cards/{setup}/confirm", sandbox_pages::confirm_card),
        post("/billing/sandbox/cards/{setup}/confirm", sandbox_pages::card_confirmed),
        get("/billing/sandbox/payments/{payment}", sandbox_pages::confirm_payment),
        post("/billing/sandbox/payments/{payment}", sandbox_pages::payment_confirmed),
        post("/webhooks/stripe", webhook_pages::stripe)
            .signed("stripe-signature")
            .max_body(512 * 1024),
        // Product updates.
        get("/product-updates", subscribers::announcement_pages::list).menu(
            "Installation",
            "Product updates",
            "send",
        ),
        get("/product-updates/new", subscribers::announcement_pages::new).fresh_code(),
        post(
            "/product-updates/new",
            subscribers::announcement_pages::send,
        )
        .max_body(64 * 1024)
        .fresh_code(),
        get(
            "/product-updates/{announcement}",
            subscribers::announcement_pages::show,
        ),
    ]
}
