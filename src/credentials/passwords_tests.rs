//! Tests of the rules for passwords and of their hashes.

use super::*;
use std::time::Instant;

const CHEAP: HashCost = HashCost {
    memory_kib: 8,
    iterations: 1,
    lanes: 1,
};

fn passwords() -> Passwords {
    Passwords::new(CHEAP, 2).unwrap()
}

fn new(typed: &str) -> Result<Password, PasswordProblem> {
    let email = Email::parse("Sam.Reyes@example.com").unwrap();
    let companies = ["Halden Logistics", "AB"];
    let context = Context {
        email: &email,
        companies: &companies,
    };
    Password::new(typed, &context)
}

fn problem(typed: &str) -> Option<PasswordProblem> {
    new(typed).err()
}

#[test]
fn length_is_counted_in_code_points_after_nfc() {
    assert_eq!(problem("elevenchars"), Some(PasswordProblem::TooShort));
    assert_eq!(problem("кошка и пёс!"), None);
    assert_eq!(
        problem("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"),
        Some(PasswordProblem::TooShort)
    );
    assert_eq!(problem(&"zq".repeat(64)), None);
    assert_eq!(problem(&"🦀".repeat(128)), None);
    assert_eq!(problem(&"🦀".repeat(129)), Some(PasswordProblem::TooLong));
}

#[test]
fn nothing_but_length_is_asked_of_the_characters() {
    for typed in [
        "plain letters only",
        "            x           ",
        "correct\thorse\u{a0}battery",
    ] {
        assert_eq!(problem(typed), None, "{typed:?}");
    }
}

#[test]
fn common_passwords_are_refused_however_they_are_capitalised() {
    for typed in [
        "password1234",
        "PassWord1234",
        "qwertyuiop[]",
        "123456789012",
        "aaaaaaaaaaaaaa",
    ] {
        assert_eq!(problem(typed), Some(PasswordProblem::Common), "{typed}");
    }
    assert_eq!(problem("password1234 and more"), None, "compared whole");
}

#[test]
fn names_around_the_person_are_refused() {
    for (typed, expected) in [
        ("my SAM.reyes secret", PasswordProblem::HoldsEmail),
        ("at halden logistics", PasswordProblem::HoldsCompany),
        ("HaldenLogistics 77", PasswordProblem::HoldsCompany),
        ("great inSIGHT here", PasswordProblem::HoldsProduct),
    ] {
        assert_eq!(problem(typed), Some(expected), "{typed}");
    }
    assert_eq!(
        problem("lab cab and abacus"),
        None,
        "AB is too short a name to look for"
    );
}

#[test]
fn the_common_list_is_in_order_and_large_enough() {
    assert!(COMMON.is_sorted_by(|a, b| a < b), "sorted, each once");
    assert!(COMMON.len() >= 3000);
    for entry in COMMON.iter() {
        let length = entry.chars().count();
        assert!((MIN_LENGTH..=MAX_LENGTH).contains(&length), "{entry:?}");
        assert_eq!(*folded(entry), **entry, "can be found");
    }
    assert!(include_str!("common_passwords.txt").len() < 1_000_000);
}

#[test]
fn the_right_password_verifies_and_others_do_not() {
    let (keys, passwords) = (Keys::ephemeral(), passwords());
    let stored = passwords
        .hash(&keys, &new("naïve blue crab").ok().unwrap())
        .unwrap();
    let prefix = format!("{}$argon2id$v=19$m=8,t=1,p=1$", keys.active());
    assert!(stored.starts_with(&prefix), "{stored}");
    let verify = |typed| passwords.verify(&keys, Some(&stored), typed).unwrap();
    let right = Verdict::Right { rehash: false };
    assert_eq!(verify("naïve blue crab"), right);
    assert_eq!(
        verify("nai\u{308}ve blue crab"),
        right,
        "the same text in another form"
    );
    for typed in ["", "naive blue crab", "naïve blue crab ", "Naïve blue crab"] {
        assert_eq!(verify(typed), Verdict::Wrong, "{typed:?}");
    }
    let again = passwords.rehash(&keys, "naïve blue crab").unwrap();
    assert_ne!(again, stored, "fresh salt");
    let verdict = passwords.verify(&keys, Some(&again), "naïve blue crab");
    assert_eq!(verdict, Ok(right));
}

#[test]
fn a_hash_of_another_cost_is_to_be_made_again() {
    let (keys, cheap) = (Keys::ephemeral(), passwords());
    let stored = cheap.rehash(&keys, "three blue crabs").unwrap();
    let dearer = HashCost {
        iterations: 2,
        ..CHEAP
    };
    let dearer = Passwords::new(dearer, 1).unwrap();
    let verdict = dearer.verify(&keys, Some(&stored), "three blue crabs");
    assert_eq!(verdict, Ok(Verdict::Right { rehash: true }));
}

#[test]
fn a_hash_under_an_older_key_is_right_and_to_be_made_again() {
    let file = std::env::temp_dir().join(format!("insight-pepper-{}", Keys::ephemeral().active()));
    let old = Keys::open_or_create(&file).unwrap();
    let stored = passwords().rehash(&old, "three blue crabs").unwrap();
    let new = Keys::rotate_file(&file).unwrap();
    let verdict = passwords().verify(&new, Some(&stored), "three blue crabs");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(verdict, Ok(Verdict::Right { rehash: true }));
}

#[test]
fn without_a_usable_hash_everything_is_wrong() {
    let (keys, passwords) = (Keys::ephemeral(), passwords());
    let other = passwords
        .rehash(&Keys::ephemeral(), "three blue crabs")
        .unwrap();
    let good = passwords.rehash(&keys, "three blue crabs").unwrap();
    let moved = good.replacen(keys.active().as_str(), "00000000", 1);
    let weaker = good.replacen("argon2id", "argon2i", 1);
    for stored in [
        None,
        Some(""),
        Some("$"),
        Some("é$x"),
        Some(&other),
        Some(&moved),
        Some(&weaker),
    ] {
        let verdict = passwords.verify(&keys, stored, "three blue crabs");
        assert_eq!(verdict, Ok(Verdict::Wrong), "{stored:?}");
    }
}

#[test]
fn an_unknown_person_costs_as_much_as_a_known_one() {
    let cost = HashCost {
        memory_kib: 4096,
        iterations: 2,
        lanes: 1,
    };
    let (keys, passwords) = (Keys::ephemeral(), Passwords::new(cost, 1).unwrap());
    let stored = passwords.rehash(&keys, "three blue crabs").unwrap();
    // The least of several is what the work takes when nothing else disturbs it.
    let least = |stored: Option<&str>| {
        let time = || {
            let start = Instant::now();
            passwords.verify(&keys, stored, "not the password").unwrap();
            start.elapsed()
        };
        (0..8).map(|_| time()).min().unwrap_or_default()
    };
    let (known, unknown) = (least(Some(&stored)), least(None));
    assert!(
        known < unknown * 3 && unknown < known * 3,
        "{known:?} {unknown:?}"
    );
}

#[test]
fn more_hashes_than_permits_wait_and_then_give_up() {
    let (keys, passwords) = (
        Keys::ephemeral(),
        Passwords::with_wait(CHEAP, 1, Duration::from_millis(20)).unwrap(),
    );
    let held = passwords.permits.take().unwrap();
    assert_eq!(passwords.verify(&keys, None, "x"), Err(Busy));
    assert_eq!(passwords.rehash(&keys, "x"), Err(Busy));
    drop(held);
    assert_eq!(passwords.verify(&keys, None, "x"), Ok(Verdict::Wrong));
}

#[test]
fn a_permit_that_is_given_back_wakes_who_waits() {
    let (keys, passwords) = (Keys::ephemeral(), passwords());
    let held = (
        passwords.permits.take().unwrap(),
        passwords.permits.take().unwrap(),
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| passwords.verify(&keys, None, "x"));
        drop(held);
        assert_eq!(waiting.join().unwrap(), Ok(Verdict::Wrong));
    });
}

#[test]
fn an_impossible_cost_is_refused() {
    let cost = HashCost {
        memory_kib: 1,
        ..CHEAP
    };
    assert!(Passwords::new(cost, 1).is_err());
}
