//! The files of `static/`, built into the binary under URLs that carry a hash of their content. What such a URL answers
//! never changes, so browsers may keep it for good.

/// One static file in the forms it can be sent in.
#[derive(Debug)]
pub struct Asset {
    /// Path below `static/`, as templates name it.
    pub name: &'static str,
    /// `/static/<hash>/<name>`.
    pub url: &'static str,
    pub mime: &'static str,
    /// Weak, because the compressed forms share it.
    pub etag: &'static str,
    pub raw: &'static [u8],
    pub br: Option<&'static [u8]>,
    pub gz: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Takes a path below `static/`, gives the hashed URL. An unknown name gives an empty string: a page without a picture is
/// better than no page, and a test holds every name used in a template against the table.
pub fn url(name: &str) -> &'static str {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("", |asset| asset.url)
}

/// Takes the path of a request, gives the file that has exactly this URL.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.url == path)
}

impl Asset {
    /// Takes the `Accept-Encoding` header ("" when absent), gives the bytes to send and the `Content-Encoding` to name.
    /// Brotli goes before gzip whenever both are accepted, because it is smaller.
    pub fn encoded(&self, accept_encoding: &str) -> (&'static [u8], Option<&'static str>) {
        let forms = [(self.br, "br"), (self.gz, "gzip")];
        forms
            .into_iter()
            .find_map(|(bytes, name)| {
                Some((bytes?, Some(name))).filter(|_| accepts(accept_encoding, name))
            })
            .unwrap_or((self.raw, None))
    }
}

/// Whether an `Accept-Encoding` header admits `encoding`: named with a weight above zero, or covered by `*` and not named.
pub(super) fn accepts(header: &str, encoding: &str) -> bool {
    let mut any = false;
    for item in header.split(',') {
        let mut parts = item.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|part| {
            part.trim().strip_prefix("q=").is_some_and(|weight| {
                weight
                    .trim()
                    .parse::<f32>()
                    .is_ok_and(|weight| weight <= 0.0)
            })
        });
        if name.eq_ignore_ascii_case(encoding) {
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// All templates, one after the other.
    fn templates() -> String {
        fn read(folder: &Path, text: &mut String) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    read(&path, text);
                } else {
                    text.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut text = String::new();
        read(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"),
            &mut text,
        );
        text
    }

    /// The string literals that follow `call` in `text`.
    fn arguments<'a>(text: &'a str, call: &str) -> Vec<&'a str> {
        text.split(call)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect()
    }

    #[test]
    fn templates_name_only_files_that_exist() {
        let text = templates();
        let names = arguments(&text, "assets::url(\"");
        assert!(names.contains(&"ui.css"));
        for name in names {
            assert_ne!(url(name), "", "static/{name}");
        }
        assert_eq!(url("missing.css"), "");
    }

    #[test]
    fn templates_name_only_icons_that_exist() {
        let sprite = String::from_utf8_lossy(find(url("icons.svg")).unwrap().raw);
        let text = templates();
        for call in ["icon(\"", "menu_link(\"", "menu_off(\""] {
            for name in arguments(&text, call) {
                assert!(sprite.contains(&format!("id=\"{name}\"")), "icon {name}");
            }
        }
    }

    #[test]
    fn nothing_in_a_template_needs_inline_style_or_script() {
        let text = templates();
        for refused in [
            " style=",
            "<style",
            " onclick=",
            " onchange=",
            " onsubmit=",
            "javascript:",
            "|safe",
            "| safe",
        ] {
            assert!(!text.contains(refused), "{refused}");
        }
    }

    #[test]
    fn the_style_sheet_loads_fonts_by_hashed_urls() {
        let css = String::from_utf8_lossy(find(url("ui.css")).unwrap().raw);
        let fonts = arguments(&css, "url(\"");
        assert_eq!(fonts.len(), 2);
        for font in fonts {
            assert_eq!(find(font).unwrap().mime, "font/woff2");
        }
    }

    #[test]
    fn only_the_exact_url_finds_a_file() {
        let asset = find(url("ui.js")).unwrap();
        assert_eq!(asset.name, "ui.js");
        assert!(find("/static/ui.js").is_none());
        assert!(find("/static/000000000000/ui.js").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn the_smallest_accepted_form_is_sent() {
        let asset = find(url("ui.css")).unwrap();
        let (br, gz) = (asset.br.unwrap(), asset.gz.unwrap());
        assert!(br.len() < gz.len() && gz.len() < asset.raw.len());
        assert_eq!(asset.encoded("gzip, deflate, br"), (br, Some("br")));
        assert_eq!(asset.encoded("*"), (br, Some("br")));
        assert_eq!(asset.encoded("br;q=0, *;q=0.5"), (gz, Some("gzip")));
        assert_eq!(asset.encoded("GZIP;q=1.0"), (gz, Some("gzip")));
        assert_eq!(asset.encoded("gzip; q=0, identity"), (asset.raw, None));
        assert_eq!(asset.encoded(""), (asset.raw, None));
    }
}
