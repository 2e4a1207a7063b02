//! Prepares the files under `static/` for the binary: each gets a URL with a hash of its content, brotli and gzip copies
//! where they are smaller, and a row in the table that `web::assets` includes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script where things are this way"
)]
fn main() -> Outcome<()> {
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-changed=migrations");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("static");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut names = Vec::new();
    collect(&root, &root, &mut names)?;
    // Style sheets name other files by their hashed URLs, so they come last.
    names.sort_by_key(|name| (name.ends_with(".css"), name.clone()));

    let mut urls = BTreeMap::new();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (number, name) in names.iter().enumerate() {
        let mut content = fs::read(root.join(name))?;
        if name.ends_with(".css") {
            content = rewrite_urls(&String::from_utf8(content)?, name, &urls)?.into_bytes();
        }
        let hash = short_hash(&content);
        let url = format!("/static/{hash}/{name}");
        let raw = store(&out, number, "raw", &content)?;
        let (mut br, mut gz) = (None, None);
        if !name.ends_with(".woff2") {
            br = store_smaller(&out, number, "br", &brotli_copy(&content)?, &content)?;
            gz = store_smaller(&out, number, "gz", &gzip_copy(&content)?, &content)?;
        }
        writeln!(
            table,
            "    Asset {{ name: {name:?}, url: {url:?}, mime: {:?}, etag: {:?}, raw: include_bytes!({raw:?}), br: {}, gz: {} }},",
            mime(name)?,
            format!("W/\"{hash}\""),
            optional(br),
            optional(gz),
        )?;
        urls.insert(name.clone(), url);
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Adds the names of all files below `folder`, relative to `root` and with forward slashes.
fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, names)?;
        } else {
            let parts: Vec<_> = path
                .strip_prefix(root)?
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            names.push(parts.join("/"));
        }
    }
    Ok(())
}

/// Replaces every `url("name")` in a style sheet by the hashed URL of that file; a name that does not exist ends the build.
fn rewrite_urls(css: &str, sheet: &str, urls: &BTreeMap<String, String>) -> Outcome<String> {
    let mut rewritten = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("url(\"") {
        let (name, after) = after
            .split_once('"')
            .ok_or_else(|| format!("{sheet}: a url(\" without its end"))?;
        let url = urls
            .get(name)
            .ok_or_else(|| format!("{sheet}: no file static/{name}"))?;
        write!(rewritten, "{before}url(\"{url}\"")?;
        rest = after;
    }
    rewritten.push_str(rest);
    Ok(rewritten)
}

/// The first 12 hexadecimal digits of the SHA-256 of `content`.
fn short_hash(content: &[u8]) -> String {
    Sha256::digest(content)[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn brotli_copy(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 11, 22);
    writer.write_all(content)?;
    Ok(writer.into_inner())
}

fn gzip_copy(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content)?;
    writer.finish()
}

/// Writes one form of one file to the output folder and gives its name there, which is how the table beside it refers to it.
fn store(out: &Path, number: usize, form: &str, content: &[u8]) -> Outcome<String> {
    let name = format!("asset-{number}.{form}");
    fs::write(out.join(&name), content)?;
    Ok(name)
}

fn store_smaller(
    out: &Path,
    number: usize,
    form: &str,
    packed: &[u8],
    content: &[u8],
) -> Outcome<Option<String>> {
    if packed.len() < content.len() {
        store(out, number, form, packed).map(Some)
    } else {
        Ok(None)
    }
}

fn optional(name: Option<String>) -> String {
    match name {
        Some(name) => format!("Some(include_bytes!({name:?}))"),
        None => "None".to_owned(),
    }
}

fn mime(name: &str) -> Outcome<&'static str> {
    match name.rsplit('.').next() {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("txt") => Ok("text/plain; charset=utf-8"),
        Some("woff2") => Ok("font/woff2"),
        _ => Err(format!("static/{name}: no media type is known for this kind of file").into()),
    }
}
