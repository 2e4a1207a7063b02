//! Tests of reading, making and rotating the key file.

use super::super::keys::Purpose;
use super::*;
use std::os::unix::fs::PermissionsExt;

/// A directory of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path =
            std::env::temp_dir().join(format!("insight-keys-{}{}", Kid::random(), Kid::random()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("keys")
    }

    fn write(&self, text: &str) -> PathBuf {
        create_private(&self.file())
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        self.file()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(kid: &str, bytes: &[u8]) -> String {
    format!("{kid}:{}\n", STANDARD.encode(bytes))
}

#[test]
fn a_new_file_is_private_and_read_again() {
    let folder = Folder::new();
    let keys = Keys::open_or_create(&folder.file()).unwrap();
    let again = Keys::open_or_create(&folder.file()).unwrap();
    assert_eq!(keys.active(), again.active());
    assert_eq!(
        keys.mac(Purpose::Csrf, b"x"),
        again.mac(Purpose::Csrf, b"x")
    );
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(&folder.0).unwrap().count(),
        1,
        "nothing left behind"
    );
}

#[test]
fn processes_that_start_at_once_use_the_same_key() {
    let folder = Folder::new();
    let path = folder.file();
    let kids: Vec<Kid> = std::thread::scope(|scope| {
        let open = || Keys::open_or_create(&path).unwrap().active().clone();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]));
}

#[test]
fn a_file_open_to_others_is_refused_by_name() {
    for mode in [0o640, 0o604, 0o620, 0o777] {
        let folder = Folder::new();
        Keys::open_or_create(&folder.file()).unwrap();
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(mode)).unwrap();
        let error = Keys::open_or_create(&folder.file()).unwrap_err();
        assert!(matches!(error, KeysError::Exposed(_)));
        assert!(error.to_string().contains(folder.file().to_str().unwrap()));
    }
}

#[test]
fn bad_files_are_refused() {
    let good: Vec<u8> = (0..32).map(|i: u8| i.wrapping_mul(37) ^ 0x5a).collect();
    let counting: Vec<u8> = (0..32).collect();
    let malformed = |e: &KeysError| matches!(e, KeysError::Malformed(_, 1));
    let sample = |e: &KeysError| matches!(e, KeysError::Sample(_, 1));
    let duplicate = |e: &KeysError| matches!(e, KeysError::Duplicate(_, 2));
    type Check<'a> = &'a dyn Fn(&KeysError) -> bool;
    let cases: [(String, Check); 12] = [
        (String::new(), &|e| matches!(e, KeysError::Empty(_))),
        ("abcd1234\n".into(), &malformed),
        ("abcd1234:no base64\n".into(), &malformed),
        (line("abcd1234", &good[..31]), &malformed),
        (line("ABCD1234", &good), &malformed),
        (line("abc", &good), &malformed),
        (line("abcd1234", &[0; 32]), &sample),
        (line("abcd1234", &[0x41; 32]), &sample),
        (line("abcd1234", &b"0123456789abcdef".repeat(2)), &sample),
        (line("abcd1234", &counting), &sample),
        (line("abcd1234", &good).repeat(2), &duplicate),
        (
            line("abcd1234", &good) + &line("abcd5678", &good),
            &duplicate,
        ),
    ];
    for (text, expected) in cases {
        let folder = Folder::new();
        let error = Keys::open_or_create(&folder.write(&text)).unwrap_err();
        assert!(expected(&error), "{text:?}: {error}");
        assert_eq!(
            fs::read_to_string(folder.file()).unwrap(),
            text,
            "left alone"
        );
    }
}

#[test]
fn rotation_keeps_what_was_made_before_readable() {
    let folder = Folder::new();
    let old = Keys::open_or_create(&folder.file()).unwrap();
    let (sealed, mac) = (
        old.seal(Purpose::Mail, b"", b"m"),
        old.mac(Purpose::Cookie, b"c"),
    );
    let pepper = old.derive(old.active(), Purpose::Pepper);

    Keys::rotate_file(&folder.file()).unwrap();
    let new = Keys::open_or_create(&folder.file()).unwrap();
    assert_ne!(new.active(), old.active());
    assert_eq!(new.kids().collect::<Vec<_>>(), [new.active(), old.active()]);
    assert_eq!(**new.open(Purpose::Mail, b"", &sealed).unwrap(), *b"m");
    assert!(new.verify_mac(Purpose::Cookie, b"c", &mac));
    assert_eq!(new.mac_with(old.active(), Purpose::Cookie, b"c"), Some(mac));
    assert_eq!(new.derive(old.active(), Purpose::Pepper), pepper);
    assert_ne!(new.mac(Purpose::Cookie, b"c"), mac);
    assert!(!old.verify_mac(Purpose::Cookie, b"c", &new.mac(Purpose::Cookie, b"c")));
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_rotation_cut_short_is_told_and_loses_nothing() {
    let folder = Folder::new();
    let old = Keys::open_or_create(&folder.file()).unwrap();
    create_private(&with_suffix(&folder.file(), ".new")).unwrap();
    let error = Keys::rotate_file(&folder.file()).unwrap_err();
    assert!(matches!(error, KeysError::Rotating(..)));
    let after = Keys::open_or_create(&folder.file()).unwrap();
    assert_eq!(after.active(), old.active());
}
