//! The key file: one `kid:base64(32 random bytes)` per line, the active key first, for the owner's eyes only.
//!
//! It is the one thing that must be backed up apart from the database.

use super::keys::{KEY_LENGTH, Key, Keys, Kid};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// More than a thousand keys: a larger file is not a key file.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why there are no keys. Each is one sentence naming the file.
#[derive(Debug)]
pub enum KeysError {
    /// The file could not be read or written.
    Io(PathBuf, io::Error),
    /// Others than the owner may read or change the file.
    Exposed(PathBuf),
    /// The file is not a regular file of a sensible size.
    NotAKeyFile(PathBuf),
    /// No key in the file.
    Empty(PathBuf),
    /// This line is not `kid:base64(32 bytes)`.
    Malformed(PathBuf, usize),
    /// The key in this line was not drawn at random.
    Sample(PathBuf, usize),
    /// The kid or the key in this line occurs before.
    Duplicate(PathBuf, usize),
    /// Another rotation is under way or was cut short; the second path is its unfinished file.
    Rotating(PathBuf, PathBuf),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => {
                write!(
                    f,
                    "The key file {} cannot be used: {error}.",
                    path.display()
                )
            }
            Self::Exposed(path) => write!(
                f,
                "The key file {0} is open to other users of this machine; run \"chmod 600 {0}\".",
                path.display()
            ),
            Self::NotAKeyFile(path) => {
                write!(f, "{} is not a key file.", path.display())
            }
            Self::Empty(path) => write!(
                f,
                "The key file {} holds no key; restore it from its backup.",
                path.display()
            ),
            Self::Malformed(path, line) => write!(
                f,
                "Line {line} of the key file {} is not an 8-character name, a colon and 32 bytes in base64.",
                path.display()
            ),
            Self::Sample(path, line) => write!(
                f,
                "The key in line {line} of the key file {} is a sample key; replace it by 32 random bytes.",
                path.display()
            ),
            Self::Duplicate(path, line) => write!(
                f,
                "Line {line} of the key file {} repeats the name or the key of an earlier line.",
                path.display()
            ),
            Self::Rotating(path, other) => write!(
                f,
                "The key file {} is being changed by somebody else; if nobody is, remove {} and try again.",
                path.display(),
                other.display()
            ),
        }
    }
}

impl std::error::Error for KeysError {}

impl Key {
    fn line(&self) -> Zeroizing<String> {
        let base64 = Zeroizing::new(STANDARD.encode(self.bytes.as_slice()));
        Zeroizing::new(format!("{}:{}\n", self.kid, *base64))
    }

    fn parse(line: &str) -> Option<Self> {
        let (kid, base64) = line.split_once(':')?;
        let decoded = Zeroizing::new(STANDARD.decode(base64).ok()?);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        if decoded.len() != KEY_LENGTH {
            return None;
        }
        bytes.copy_from_slice(&decoded);
        Some(Self {
            kid: Kid::parse(kid)?,
            bytes,
        })
    }

    /// Whether this is one of the keys that stand in documentation: a short pattern repeated, or a count.
    fn is_sample(&self) -> bool {
        let repeats = |period: usize| {
            self.bytes
                .iter()
                .zip(&self.bytes[period..])
                .all(|(a, b)| a == b)
        };
        let counts = |step: u8| {
            self.bytes
                .windows(2)
                .all(|pair| pair[0].wrapping_add(step) == pair[1])
        };
        [1, 2, 4, 8, 16].into_iter().any(repeats) || counts(1) || counts(u8::MAX)
    }
}

impl Keys {
    /// Reads the key file at `path`, or makes one with a new random key when there is none.
    pub fn open_or_create(path: &Path) -> Result<Self, KeysError> {
        match Self::read(path) {
            Err(KeysError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(|error| KeysError::Io(path.to_owned(), error))?;
                // Read back: when two processes start at once, both must go on with the file that stayed.
                Self::read(path)
            }
            other => other,
        }
    }

    /// Puts a new key in front of those in the file at `path` and gives all of them. The process that has the
    /// old ones open must be restarted to use it.
    pub fn rotate_file(path: &Path) -> Result<Self, KeysError> {
        let fail = |error| KeysError::Io(path.to_owned(), error);
        // A link to the file stays a link.
        let path = &fs::canonicalize(path).map_err(fail)?;
        let unfinished = with_suffix(path, ".new");
        // The unfinished file is the lock as well: two rotations at once would lose one of the new keys.
        let file = create_private(&unfinished).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                KeysError::Rotating(path.to_owned(), unfinished.clone())
            }
            _ => fail(error),
        })?;
        let rotated = (|| {
            let mut keys = Self::read(path)?;
            let mut key = Key::random();
            while keys.find(&key.kid).is_some() {
                key.kid = Kid::random();
            }
            keys.keys.insert(0, key);
            replace(path, &unfinished, file, &keys).map_err(fail)?;
            Ok(keys)
        })();
        if rotated.is_err() {
            // Best effort: the message about a file left behind tells what to do.
            let _ = fs::remove_file(&unfinished);
        }
        rotated
    }

    fn read(path: &Path) -> Result<Self, KeysError> {
        let fail = |error| KeysError::Io(path.to_owned(), error);
        let file = File::open(path).map_err(fail)?;
        let about = file.metadata().map_err(fail)?;
        if !about.is_file() || about.len() > MAX_FILE_BYTES {
            return Err(KeysError::NotAKeyFile(path.to_owned()));
        }
        if about.mode() & 0o077 != 0 {
            return Err(KeysError::Exposed(path.to_owned()));
        }
        // Sized beforehand: a growing buffer would leave copies of the keys behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize + 1));
        file.take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(fail)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.lines().map(str::trim).zip(1..);
        for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
            let key = Key::parse(line).ok_or(KeysError::Malformed(path.to_owned(), number))?;
            if key.is_sample() {
                return Err(KeysError::Sample(path.to_owned(), number));
            }
            if keys
                .iter()
                .any(|other| other.kid == key.kid || other.bytes == key.bytes)
            {
                return Err(KeysError::Duplicate(path.to_owned(), number));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeysError::Empty(path.to_owned()));
        }
        Ok(Self { keys })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes a key file with one key, whole or not at all, and leaves alone one that appeared meanwhile.
fn create(path: &Path) -> io::Result<()> {
    let unfinished = with_suffix(path, &format!(".{}", Kid::random()));
    let mut file = create_private(&unfinished)?;
    let made = (|| {
        file.write_all(Key::random().line().as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&unfinished, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Some file systems have no hard links.
            Err(_) => fs::rename(&unfinished, path),
        }
    })();
    // Gone already after a rename.
    let _ = fs::remove_file(&unfinished);
    made?;
    sync_directory(path)
}

/// Writes the keys to the unfinished file and puts it in the place of the one at `path`, with the same owner.
fn replace(path: &Path, unfinished: &Path, mut file: File, keys: &Keys) -> io::Result<()> {
    let (old, new) = (fs::metadata(path)?, file.metadata()?);
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    for key in &keys.keys {
        file.write_all(key.line().as_bytes())?;
    }
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    sync_directory(path)
}

/// Makes a new name in the directory of `path` survive a power cut.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
#[path = "key_file_tests.rs"]
mod tests;
