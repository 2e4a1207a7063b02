//! A file that comes with a form: it goes to a folder on the disk while it arrives, in constant memory, and is read on
//! the way, so that a wrong one is refused before its end. It is deleted with its value.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use super::csrf;
use super::csv::{Check, Checked};
use super::request::{Form, Request};
use crate::access::{Level, Visit};
use crate::credentials::tokens::Token;
use crate::{App, Error, Result};

/// Largest file in bytes.
pub const MAX_FILE: usize = 50 * 1024 * 1024;

/// Most rows of a file, without the heads.
pub const MAX_ROWS: usize = 100_000;

/// Uploads of one process at the same time.
pub const AT_ONCE: usize = 4;

/// A file must have arrived by then; between two pieces of it no more than the deadline of other bodies may pass.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Bytes besides the file: borders and short fields.
const REST: usize = 64 * 1024;

/// Bytes that are collected before they are written.
const PIECE: usize = 256 * 1024;

/// A CSV file that arrived.
pub struct Upload {
    path: PathBuf,
    /// As the sender's machine calls it: for people to read, never a path.
    pub name: String,
    /// What it is, or why it cannot be read.
    pub checked: Result<Checked, String>,
}

impl Upload {
    /// Opens it for reading.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::internal)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "a file that was sent could not be deleted");
        }
    }
}

/// Folder of files that are arriving.
pub fn folder(app: &App) -> PathBuf {
    app.config.data_dir.join("imports")
}

/// True for a body that may hold a file.
pub(super) fn is_multipart(kind: &str) -> bool {
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// Reads a form with a file into the request. Nothing is kept of what somebody sends who is not signed in, or whose form
/// is not one of ours: the token has to come before the file.
pub(super) async fn read(
    app: &Arc<App>,
    req: &HttpRequest,
    payload: web::Payload,
    length: Option<usize>,
    request: &mut Request,
) -> Result<()> {
    if length.is_some_and(|n| n > MAX_FILE + REST) {
        return Err(Error::TooLarge);
    }
    let asked = {
        let (app, token) = (app.clone(), request.session.as_ref().map(Token::hash));
        let address = request.address.to_string();
        web::block(move || {
            let visit = Visit::open(&app, token, address, None)?;
            Ok::<bool, Error>(visit.caller().is_some_and(|c| c.level == Level::Full))
        })
        .await
    };
    if !asked.map_err(Error::internal)?? {
        // The guard sends them to sign in.
        return Ok(());
    }
    let _turn = app
        .uploads
        .try_acquire()
        .map_err(|_| Error::busy("other files are arriving"))?;
    let arrived = tokio::time::timeout(DEADLINE, fields(app, req, payload, request)).await;
    arrived.map_err(|_| Error::TooSlow)?
}

async fn fields(
    app: &Arc<App>,
    req: &HttpRequest,
    payload: web::Payload,
    request: &mut Request,
) -> Result<()> {
    const UNREADABLE: Error = Error::BadRequest("The form could not be read.");
    let mut parts = Multipart::new(req.headers(), payload);
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = REST;
    while let Some(part) = soon(app, parts.next()).await? {
        let mut part = part.map_err(|_| UNREADABLE)?;
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part
            .content_disposition()
            .and_then(|d| d.get_filename())
            .map(file_name);
        rest = rest.checked_sub(name.len() + 100).ok_or(Error::TooLarge)?;
        let Some(file_name) = file_name else {
            let mut value = Vec::new();
            while let Some(piece) = soon(app, part.next()).await? {
                let piece = piece.map_err(|_| UNREADABLE)?;
                rest = rest.checked_sub(piece.len()).ok_or(Error::TooLarge)?;
                value.extend_from_slice(&piece);
            }
            let value = String::from_utf8(value).map_err(|_| UNREADABLE)?;
            pairs.push((name, value));
            continue;
        };
        if request.upload.is_some() {
            return Err(Error::BadRequest("One file at a time."));
        }
        request.form = form(&pairs)?;
        if !csrf::token_fits(&app.keys, request) {
            return Err(Error::CrossSite);
        }
        let mut incoming = Incoming::begin(app, file_name).await?;
        while let Some(piece) = soon(app, part.next()).await? {
            let piece = piece.map_err(|_| Error::BadRequest("The file ended before its end."))?;
            incoming.take(&piece).await?;
        }
        request.upload = Some(incoming.end().await?);
    }
    request.form = form(&pairs)?;
    Ok(())
}

/// The short fields, as strictly read as those of any other form.
fn form(pairs: &[(String, String)]) -> Result<Form> {
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    Form::parse(text.as_bytes())
}

/// The next piece, unless the sender has gone to sleep.
async fn soon<T>(app: &App, next: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(app.config.body_deadline, next)
        .await
        .map_err(|_| Error::TooSlow)
}

/// The last part of a path, without what nobody can read.
fn file_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// A file on its way.
struct Incoming {
    upload: Upload,
    file: Option<File>,
    check: Option<Check>,
    waiting: Vec<u8>,
    size: usize,
}

impl Incoming {
    async fn begin(app: &App, name: String) -> Result<Incoming> {
        let folder = folder(app);
        let random: String = super::random::<16>().map(|b| format!("{b:02x}")).concat();
        let path = folder.join(format!("upload-{random}.part"));
        let made = {
            let path = path.clone();
            web::block(move || create(&folder, &path)).await
        };
        let file = made
            .map_err(Error::internal)?
            .map_err(|error| Error::internal(format!("{}: {error}", path.display())))?;
        Ok(Incoming {
            upload: Upload {
                path,
                name,
                checked: Err(String::new()),
            },
            file: Some(file),
            check: Some(Check::new(MAX_ROWS)),
            waiting: Vec::with_capacity(PIECE),
            size: 0,
        })
    }

    async fn take(&mut self, piece: &[u8]) -> Result<()> {
        self.size += piece.len();
        if self.size > MAX_FILE {
            return Err(Error::TooLarge);
        }
        // After the first mistake nothing is kept: what still comes is only waited for, so that a browser, which reads
        // the answer when it has sent everything, can show it.
        let Some(check) = &mut self.check else {
            return Ok(());
        };
        if let Err(problem) = check.feed(piece) {
            self.check = None;
            self.file = None;
            self.waiting = Vec::new();
            self.upload.checked = Err(problem);
            return Ok(());
        }
        self.waiting.extend_from_slice(piece);
        if self.waiting.len() >= PIECE {
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        let bytes = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
        let written = web::block(move || file.write_all(&bytes).map(|()| file)).await;
        let file = written.map_err(Error::internal)?;
        self.file = Some(file.map_err(Error::internal)?);
        Ok(())
    }

    async fn end(mut self) -> Result<Upload> {
        if let Some(check) = self.check.take() {
            self.write().await?;
            self.upload.checked = check.end();
        }
        Ok(self.upload)
    }
}

fn create(folder: &Path, path: &Path) -> std::io::Result<File> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Deletes files that a server left when it died while they arrived.
pub fn sweep(app: &App) -> usize {
    let Ok(entries) = std::fs::read_dir(folder(app)) else {
        return 0;
    };
    let old = |entry: &std::fs::DirEntry| {
        let age = entry.metadata().ok()?.modified().ok()?.elapsed().ok()?;
        (age > 2 * DEADLINE).then_some(())
    };
    let part = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.ends_with(".part"))
    };
    entries
        .flatten()
        .filter(|entry| part(entry) && old(entry).is_some())
        .filter(|entry| std::fs::remove_file(entry.path()).is_ok())
        .count()
}
