//! What must be true of every answer. Every page that any test opens is held against this.

use std::collections::HashSet;

use super::page::Page;

/// Panics with the first rule that is broken.
pub fn check(page: &Page) {
    let problems = problems(page);
    assert!(
        problems.is_empty(),
        "{} {} breaks rules:\n{}",
        page.status,
        page.path,
        problems.join("\n")
    );
}

/// The rules that an answer breaks.
pub fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut rule = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        rule(page.header(name) == value, &format!("header {name}"));
    }
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'"] {
        rule(policy.contains(part), &format!("the policy lacks {part}"));
    }
    // One page has a form that leads to another server: where the card is given.
    let elsewhere = "form-action 'self' http";
    let policy = match policy.split_once(elsewhere) {
        Some((before, after)) if page.path == "/billing/invoices/card" => {
            format!(
                "{before}{}",
                after.split_once(';').map_or("", |(_, rest)| rest)
            )
        }
        _ => policy.to_owned(),
    };
    for part in ["unsafe", "*", "data:", "http:", "https:"] {
        rule(!policy.contains(part), &format!("the policy has {part}"));
    }
    for name in ["access-control-allow-origin", "server", "x-powered-by"] {
        rule(page.header(name).is_empty(), &format!("has header {name}"));
    }
    let typed = page.header("content-type");
    let text = typed.starts_with("text/");
    rule(
        !text || typed.contains("charset=utf-8"),
        "text without charset",
    );
    let empty = page.body.is_empty();
    rule(empty || !typed.is_empty(), "a body without a type");
    let fixed = page.path.starts_with("/static/") && page.status == 200;
    let caching = page.header("cache-control");
    rule(fixed || caching.contains("no-store"), "may be stored");
    if matches!(page.status, 429 | 503) {
        let wait = page.header("retry-after").parse::<u64>();
        rule(wait.is_ok_and(|s| s > 0), "no Retry-After");
    }
    if page.status == 303 {
        let to = page.header("location");
        let local = to.starts_with('/') && !to.starts_with("//");
        // The way to the payment provider's page for cards.
        let provider = page.path == "/billing/invoices/card";
        rule(local || provider, &format!("leads elsewhere: {to}"));
    }
    for cookie in page.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap_or("");
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            rule(
                cookie.contains(part),
                &format!("cookie without {part}: {cookie}"),
            );
        }
        rule(
            !cookie.contains("Domain="),
            &format!("cookie for a domain: {cookie}"),
        );
    }
    if page.is_html() && !empty {
        problems.extend(document_problems(page));
    }
    problems
}

fn document_problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut rule = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    let html = page.html();
    let source = page.source();
    rule(source.starts_with("<!doctype html>"), "no doctype");
    rule(source.trim_end().ends_with("</html>"), "not whole");
    let problem = html
        .errors
        .first()
        .map(|e| e.to_string())
        .unwrap_or_default();
    rule(problem.is_empty(), &format!("not well-formed: {problem}"));

    let policy = page.header("content-security-policy");
    let nonces: HashSet<&str> = policy
        .split("'nonce-")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .collect();
    rule(nonces.len() == 1, "not one nonce in the policy");
    for part in ["object-src 'none'", "base-uri 'none'", "form-action 'self'"] {
        rule(policy.contains(part), &format!("the policy lacks {part}"));
    }

    let mut ids = HashSet::new();
    for element in html.root_element().descendent_elements() {
        let value = element.value();
        let name = value.name();
        for (attribute, content) in value.attrs() {
            let here = format!("<{name} {attribute}=\"{content}\">");
            rule(attribute != "style", &format!("inline style: {here}"));
            rule(
                !attribute.starts_with("on"),
                &format!("inline handler: {here}"),
            );
            let address = matches!(
                attribute,
                "href" | "src" | "action" | "formaction" | "poster"
            );
            if address {
                let own = (content.starts_with('/') && !content.starts_with("//"))
                    || content.starts_with('#')
                    || content.starts_with('?')
                    || content.starts_with("mailto:")
                    || content.is_empty() && attribute == "action"
                    // A web address that somebody typed: it learns nothing about where it was followed from.
                    || content.starts_with("http") && element.attr("rel") == Some("noopener noreferrer");
                rule(own, &format!("leads elsewhere: {here}"));
            }
            if attribute == "id" {
                rule(ids.insert(content), &format!("twice on the page: {here}"));
            }
        }
        match name {
            "style" => rule(false, "a style element"),
            "script" => {
                rule(value.attr("src").is_some(), "an inline script");
                let nonce = value.attr("nonce").unwrap_or("");
                rule(nonces.contains(nonce), "a script without the nonce");
            }
            "link" if value.attr("rel") == Some("stylesheet") => {
                let nonce = value.attr("nonce").unwrap_or("");
                rule(nonces.contains(nonce), "a style sheet without the nonce");
            }
            "form" if value.attr("method") == Some("post") => {
                let token = element
                    .select(&super::page::css("input[name=csrf]"))
                    .count();
                let action = value.attr("action").unwrap_or("");
                rule(
                    token == 1,
                    &format!("the form to {action} has {token} tokens"),
                );
            }
            "form" => {
                let token = element
                    .select(&super::page::css("input[name=csrf]"))
                    .count();
                rule(token == 0, "a token would go into an address");
            }
            "input" | "select" | "textarea" => {
                // Password managers want the name beside a new password; nobody else meets it.
                let hidden = value.attr("type") == Some("hidden")
                    || value.attr("hidden").is_some()
                    || value.attr("aria-hidden") == Some("true");
                let id = value.attr("id").unwrap_or("");
                let labelled = value.attr("aria-label").is_some()
                    || value.attr("aria-labelledby").is_some()
                    || element
                        .ancestors()
                        .filter_map(scraper::ElementRef::wrap)
                        .any(|a| a.value().name() == "label")
                    || html
                        .select(&super::page::css("label[for]"))
                        .any(|l| l.attr("for") == Some(id));
                let control = value.attr("name").unwrap_or(id);
                rule(hidden || labelled, &format!("{control} has no label"));
            }
            _ => {}
        }
    }
    let lang = html.root_element().attr("lang");
    rule(lang == Some("en"), "no language");
    rule(page.all("h1").len() == 1, "not one h1");
    rule(page.all("main").len() == 1, "not one main");
    rule(
        page.title().ends_with("– Insight"),
        "the title does not name the product",
    );
    rule(!page.h1().is_empty(), "an empty h1");
    let refused = page.title().starts_with("Error: ");
    let summary = !page.all(".error-summary").is_empty();
    rule(
        !summary || refused,
        "the title of a refused form does not begin with Error",
    );
    problems
}
