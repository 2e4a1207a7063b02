//! The frame and the components, rendered.

use askama::Template;

use super::*;
use crate::web::form::Errors;

/// A page of a list with a form, with every component once.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"{% extends "base.html" %}
{% import "macros.html" as m %}
{% block refresh %}{{ m::refresh(5) }}{% endblock %}
{% block actions %}<div class="push"><a class="btn" href="/x.csv">{{ m::icon("download") }}Export CSV</a></div>{% endblock %}
{% block lede %}<p class="lede">Who can sign in.</p>{% endblock %}
{% block content %}
{{ m::error_summary(errors) }}
{% call m::notice("is-warn", "alert-triangle") %}Copy the key <b>now</b>.{% endcall %}
<form class="form body" method="post" action="/things">{{ m::csrf(shell) }}
{{ m::field_email("email", "E-mail", email, errors, hint="Where the invitation goes.") }}
{{ m::field_text("name", "Name", member.name, errors, autocomplete="name", required=false, optional=true) }}
{{ m::field_password("password", "Password", errors, hint="At least 12 characters.", autocomplete="new-password") }}
{{ m::field_code("code", "Six-digit code", errors) }}
{{ m::field_textarea("emails", "E-mail addresses", email, errors, rows=6) }}
{% call m::field_select("profile", "Profile", errors, hint="What they may do.") %}
{%- for profile in profiles %}{{ m::option(profile, profile, selected=*profile == chosen) }}{% endfor -%}
{% endcall %}
{% call m::choices("platform_role", "Platform roles", errors) %}
{{- m::choice("platform_role", "viewer", "Viewer", true, sub="Opens Import data.") }}
{{- m::choice("platform_role", "admin", "Admin", false) -}}
{% endcall %}
{{ m::tick("saved", "I have saved these codes", false, errors, required=true) }}
</form>
<form class="filters" data-auto method="get" role="search" aria-label="Filter members">
{{- m::search_filter("f-q", "Name or e-mail", email) }}
{%- call m::select_filter("role", "Platform role") %}{{ m::option("", "Any platform role") }}{% endcall %}
{{- m::date_filter("from", "From", "") }}{{ m::filter_buttons("/shared/insight-users") -}}
</form>
<table class="table" aria-label="Members"><thead><tr><th scope="col">Name</th>{{ m::sort_head("Last activity", "?sort=name", "descending", class="not-sm") }}{{ m::actions_head() }}</tr></thead><tbody>
<tr><th scope="row">{% call m::person_cell(member.name) %}<a class="name" href="/m/1">{{ member.name }}</a> {{ m::badge("You") }}{% endcall %}</th>
<td>{% if let Some(seen) = member.seen %}{{ shell.time(seen) }}{% else %}Never{% endif %}</td><td>{{ shell.date(member.joined) }}, {{ shell.expires(member.joined) }}</td>
<td>{{ m::state("is-ok", "circle-check", "On") }}</td>
<td class="act"><div>{{ m::post_button(shell, "/resend", "Resend", more=email) }}{{ m::row_link("/remove", "Remove", email) }}
{%- call m::row_menu("m1", "Actions for Jonas Weber") -%}
{{ m::menu_link("user-cog", "Manage roles", "/roles") }}{{ m::menu_post(shell, "copy", "Copy link", "/copy") }}<hr>{{ m::menu_off("circle-minus", "Remove", "The account owner cannot be removed.") }}
{%- endcall -%}
</div></td></tr></tbody></table>
{{ m::person(member.name, email) }}
{{ m::pager("1–50 of 1,284", "Members", previous, next) }}
{% call m::empty("No members match these filters.") %}<a class="btn" href="?">Clear filters</a>{% endcall %}
{{ m::copyline("secret", "KZXW 6YTB", "secret code") }}
{% endblock %}
"##
)]
struct Everything {
    shell: Shell,
    errors: Errors,
    email: String,
    member: Member,
    profiles: Vec<&'static str>,
    chosen: &'static str,
    previous: Option<String>,
    next: Option<String>,
}

struct Member {
    name: String,
    seen: Option<Timestamp>,
    joined: Timestamp,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "bare.html" %}
{% block wide %} is-wide{% endblock %}
{% block intro %}<p>Step 1 of 3</p>{% endblock %}
{% block content %}<form class="body form" method="post">{{ m::csrf(shell) }}</form>{% endblock %}
{% block foot %}<p class="foot">Ask an administrator.</p>{% endblock %}
{% import "macros.html" as m %}"#
)]
struct Bare {
    shell: Shell,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorInFrame {
    shell: Shell,
    heading: &'static str,
    text: &'static str,
    request_id: &'static str,
}

#[derive(Template)]
#[template(path = "error_bare.html")]
struct ErrorBare {
    shell: Shell,
    heading: &'static str,
    text: &'static str,
    request_id: &'static str,
}

fn bare_shell() -> Shell {
    Shell {
        title: "Sign in".to_owned(),
        refused: false,
        in_environment: false,
        nonce: "n0nce".to_owned(),
        csrf: "t0ken".to_owned(),
        theme: "",
        flash: None,
        frame: None,
        zone: Zone::named("Europe/Oslo"),
        now: Timestamp(1_795_336_860_000_000),
    }
}

fn framed_shell() -> Shell {
    Shell {
        title: "Shared > Insight users".to_owned(),
        refused: true,
        theme: "dark",
        flash: Some(Flash {
            kind: "is-warn",
            text: "Sent to <all>.".to_owned(),
        }),
        frame: Some(Frame {
            account: "Halden & Co".to_owned(),
            other_accounts: vec![(AccountId(2), "Fjord Terminals".to_owned())],
            environment: Environment::Test,
            switch: [
                (Environment::Test, "/test/records".to_owned()),
                (Environment::Commercial, "/commercial/records".to_owned()),
            ],
            search: Some("/test/records".to_owned()),
            name: "erika van der Moss".to_owned(),
            menu: vec![
                MenuGroup {
                    label: "TEST".to_owned(),
                    is_environment: true,
                    entries: vec![],
                },
                MenuGroup {
                    label: "Shared".to_owned(),
                    is_environment: false,
                    entries: vec![MenuEntry {
                        label: "Insight users".to_owned(),
                        href: "/shared/insight-users".to_owned(),
                        icon: "users",
                        current: true,
                    }],
                },
            ],
            read_only: None,
            crumbs: vec![
                Crumb {
                    label: "Shared".to_owned(),
                    href: None,
                },
                Crumb {
                    label: "Insight users".to_owned(),
                    href: Some("/shared/insight-users".to_owned()),
                },
            ],
        }),
        ..bare_shell()
    }
}

fn everything() -> Everything {
    let mut errors = Errors::new();
    errors.add("email", "Type an e-mail address like name@example.com");
    errors.add("platform_role", "Choose a role");
    Everything {
        shell: framed_shell(),
        errors,
        email: "\"><script>alert(1)</script>".to_owned(),
        member: Member {
            name: "Jonas <Weber>".to_owned(),
            seen: Some(Timestamp(1_795_336_860_000_000 - 3_600_000_000)),
            joined: Timestamp(1_772_520_000_000_000),
        },
        profiles: vec!["Standard User", "Sales User"],
        chosen: "Sales User",
        previous: None,
        next: Some("?page=2".to_owned()),
    }
}

/// The page as text with every run of white space as one space.
fn rendered(page: &impl Template) -> String {
    let text = page.render().unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_people_typed_is_escaped_everywhere() {
    let html = rendered(&everything());
    assert!(!html.contains("<script>alert"));
    assert!(!html.contains("<Weber>") && !html.contains("<all>"));
    assert!(html.contains("Halden &#38; Co"));
    assert_eq!(html.matches("<script ").count(), 1);
}

#[test]
fn a_refused_field_is_wired_to_its_hint_and_its_message() {
    let html = rendered(&everything());
    assert!(html.contains(r##"<li><a href="#email">Type an e-mail"##));
    let field = html
        .split(r#"<div class="field is-invalid">"#)
        .nth(1)
        .unwrap();
    let order = [
        r#"<label for="email">E-mail</label>"#,
        r#"<span class="hint" id="email-h">"#,
        r#"<span class="error" id="email-e">"#,
        r#"<span class="visually-hidden">Error: </span>Type an"#,
        r#"<input class="input" id="email" name="email" type="email""#,
        r#" required aria-describedby="email-h email-e" aria-invalid="true"></div>"#,
    ];
    let places: Vec<_> = order
        .iter()
        .map(|part| field.find(part).expect(part))
        .collect();
    assert!(places.is_sorted());
    assert!(html.contains(r#"id="platform_role" tabindex="-1" aria-describedby="platform_role-e"><legend>Platform roles</legend>"#));
}

#[test]
fn a_field_without_a_message_has_only_its_hint() {
    let html = rendered(&everything());
    assert!(html.contains(r#"spellcheck="false" autocapitalize="off" required aria-describedby="password-h"><button class="btn btn-sm js-only" type="button" data-reveal="password"><span>Show</span>"#));
    assert!(html.contains(
        r#"inputmode="numeric" autocomplete="one-time-code" maxlength="7" required></div>"#
    ));
    assert!(html.contains(r#"<select class="select" id="profile" name="profile" aria-describedby="profile-h"><option value="Standard User">Standard User</option><option value="Sales User" selected>Sales User</option></select>"#));
    assert!(html.contains(r#"Name <span class="optional">(optional)</span></label><input class="input" id="name" name="name" type="text" value="Jonas &#60;Weber&#62;" autocomplete="name"></div>"#));
    assert!(html.contains(
        r#"<input class="check" type="checkbox" id="saved" name="saved" value="1" required>"#
    ));
}

#[test]
fn a_text_area_keeps_a_first_line_break() {
    let mut page = everything();
    page.email = "\nlast@example.com".to_owned();
    assert!(
        page.render()
            .unwrap()
            .contains("name=\"emails\">\n\nlast@example.com</textarea>")
    );
}

#[test]
fn pieces_of_a_list() {
    let html = rendered(&everything());
    assert!(
        html.contains(
            r#"<span class="avatar" aria-hidden="true">J&#60;</span><div><a class="name""#
        )
    );
    assert!(html.contains(r#"<time datetime="2026-11-22T07:41:00Z">Today, 08:41</time>"#));
    assert!(html.contains("3 Mar 2026, Expired 264 days ago"));
    assert!(html.contains(r#"aria-sort="descending"><a href="?sort=name">Last activity <svg"#));
    assert!(html.contains(r#"aria-label="Members pages"><a class="btn btn-sm" aria-disabled="true">Previous</a><a class="btn btn-sm" href="?page=2">Next</a></nav>"#));
    assert!(html.contains(r#"popovertarget="m1" aria-label="Actions for Jonas Weber">"#));
    assert!(html.contains(r#"<span class="is-off">"#));
    let mut page = everything();
    page.next = None;
    assert!(!rendered(&page).contains("pager"));
}

#[test]
fn every_post_form_carries_the_token() {
    let html = rendered(&everything());
    let forms: Vec<_> = html
        .split("<form ")
        .skip(1)
        .filter(|form| form.split('>').next().unwrap().contains("method=\"post\""))
        .collect();
    // Account switcher in the bar and in the drawer, sign out, the page's form, a row's button and a menu's.
    assert_eq!(forms.len(), 6);
    for form in forms {
        assert!(
            form.contains(r#"<input type="hidden" name="csrf" value="t0ken">"#),
            "{form}"
        );
    }
}

#[test]
fn the_frame_shows_where_one_is() {
    let html = rendered(&everything());
    assert!(html.starts_with(r#"<!doctype html> <html lang="en" data-theme="dark">"#));
    assert!(html.contains("<title>Error: Shared &#62; Insight users – Insight</title>"));
    assert!(html.contains(r#"<noscript><meta http-equiv="refresh" content="5"></noscript>"#));
    assert!(html.contains(r#"<body class="is-test">"#));
    assert_eq!(html.matches(r#" nonce="n0nce""#).count(), 2);
    assert!(html.contains(r#"<a class="is-test" href="/test/records" aria-current="true">"#));
    assert!(html.contains(r#"<a class="is-live" href="/commercial/records"><svg"#));
    assert!(html.contains(r#"<h2 id="nav-1" class="env">"#));
    assert!(html.contains(r#"<a href="/shared/insight-users" aria-current="page">"#));
    assert!(html.contains(r#"<ol class="trail"><li><span>Shared</span></li><li><span aria-current="page">Insight users</span></li></ol>"#));
    assert!(html.contains(r#"<h1 id="h1">Insight users</h1><div class="push">"#));
    assert!(html.contains(r#"<div class="flash is-warn" role="status">"#));
    assert!(html.contains(r#"<span class="avatar" aria-hidden="true">EV</span>"#));
    assert!(html.contains("Times are shown in Europe/Oslo."));
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(html.ends_with("</body></html>"));
}

#[test]
fn the_account_is_a_menu_only_for_people_in_several() {
    let mut page = everything();
    page.shell.frame.as_mut().unwrap().other_accounts.clear();
    let html = rendered(&page);
    assert!(!html.contains("/accounts/switch"));
    assert!(
        html.contains(r#"<div class="account"><span class="cut">Halden &#38; Co</span></div>"#)
    );
}

#[test]
fn a_title_names_the_environment_of_a_page_under_one() {
    let mut shell = framed_shell();
    shell.refused = false;
    shell.in_environment = true;
    assert_eq!(
        shell.document_title(),
        "Shared > Insight users – TEST – Insight"
    );
}

#[test]
fn a_bare_page_has_no_frame() {
    let html = rendered(&Bare {
        shell: bare_shell(),
    });
    assert!(html.contains(r#"<html lang="en"> <head>"#));
    assert!(html.contains("<title>Sign in – Insight</title>"));
    assert!(html.contains(r#"<body> <main class="signin is-wide">"#));
    assert!(html.contains(r#"<h1 id="h1">Sign in</h1><p>Step 1 of 3</p></header>"#));
    assert!(!html.contains("topbar") && !html.contains("flash"));
}

#[test]
fn an_error_page_says_the_same_with_and_without_frame() {
    let (heading, text) = (
        "There is nothing here",
        "Nothing has this address, or it is not open to you.",
    );
    let framed = rendered(&ErrorInFrame {
        shell: framed_shell(),
        heading,
        text,
        request_id: "01JD9Q7M2K",
    });
    let bare = rendered(&ErrorBare {
        shell: bare_shell(),
        heading,
        text,
        request_id: "01JD9Q7M2K",
    });
    for html in [framed, bare] {
        assert!(html.contains(r#"<h1 id="h1">There is nothing here</h1>"#));
        assert!(html.contains(&format!("<p>{text}</p>")));
        assert!(html.contains(r#"Request <span class="mono">01JD9Q7M2K</span>"#));
    }
}
