//! Adding, cloning, changing and deleting a profile.

use askama::Template;

use super::super::change::Change;
use super::super::model::{ObjectFact, ProfileFact, Rights, Rules};
use super::super::objects::Object;
use super::super::profiles::Matrix;
use super::super::review_pages::propose;
use super::{
    Choice, Tab, chosen, layout_choices, members_words, profile_choices, profile_counts,
    profile_of, refused_at, rules,
};
use crate::access::{Can, ManagePermissions};
use crate::credentials::names::{MAX_LENGTH, SettingName};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/profile.html")]
struct ProfilePage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    name: String,
    /// The profile that is changed, and its members; nothing while one is added.
    profile: Option<(ProfileFact, String)>,
    keeps_name: bool,
    rows: Vec<Row>,
}

/// One object of the matrix.
struct Row {
    object: Object,
    rights: Rights,
    layouts: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "permissions/profile_delete.html")]
struct DeletePage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    profile: ProfileFact,
    members: String,
    profiles: Vec<Choice>,
}

/// What the form says.
struct Typed {
    name: String,
    matrix: Matrix,
}

/// In forms: each tick of [`Rights::EACH`].
const TICKS: [&str; 6] = ["read", "create", "edit", "delete", "read_all", "modify_all"];

impl Row {
    /// Tick, its value in the form, its label, whether it is ticked.
    fn ticks(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
        let each = TICKS.into_iter().zip(Rights::EACH);
        each.map(|(value, (right, label))| (value, label, self.rights.has(right)))
    }
}

impl Typed {
    fn of(profile: &ProfileFact, name: String) -> Typed {
        Typed {
            name,
            matrix: profile.objects,
        }
    }

    fn read(form: &Form) -> Result<Typed> {
        let mut matrix = Matrix::default();
        for object in Object::ALL {
            let sent = form.all(object.slug());
            let bits = sent.filter_map(|value| TICKS.iter().position(|tick| *tick == value));
            let sent = bits.fold(0, |bits, tick| bits | Rights::EACH[tick].0.bits());
            let shown = form.one(&format!("{}.was", object.slug()))?;
            matrix[object.index()] = ObjectFact {
                rights: meant(shown.parse().unwrap_or(0), sent),
                layout: chosen(form.one(&format!("layout_{}", object.slug()))?)?,
            };
        }
        Ok(Typed {
            name: form.one("name")?.to_owned(),
            matrix,
        })
    }
}

/// What ticks mean that were sent over ticks that were shown: taking Read away clears the row, taking another away
/// clears Modify All; what is left implies what it implies. A browser with script shows it at once.
fn meant(shown: i16, sent: i16) -> Rights {
    let (read, modify_all) = (Rights::READ.bits(), Rights::MODIFY_ALL.bits());
    let taken = shown & !sent;
    if taken & read != 0 {
        Rights::of_bits(sent & !shown)
    } else if taken != 0 && shown & sent & modify_all != 0 {
        Rights::of_bits(sent & !modify_all)
    } else {
        Rights::of_bits(sent)
    }
}

/// `GET /settings/permissions/profiles/new`
pub fn new(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let typed = Typed {
        name: String::new(),
        matrix: Matrix::default(),
    };
    added(&can, request, None, &typed, Errors::new())
}

/// `POST /settings/permissions/profiles/new`
pub fn add(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save_new(&can, request, None)
}

/// `GET /settings/permissions/profiles/{profile}/clone`
pub fn ask_clone(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let like = profile_of(&*rules(&can)?, request)?;
    let name: String = format!("Copy of {}", like.name)
        .chars()
        .take(MAX_LENGTH)
        .collect();
    let typed = Typed::of(&like, name);
    added(&can, request, Some(&like), &typed, Errors::new())
}

/// `POST /settings/permissions/profiles/{profile}/clone`
pub fn add_clone(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let like = profile_of(&*rules(&can)?, request)?;
    save_new(&can, request, Some(&like))
}

fn save_new(
    can: &Can<ManagePermissions>,
    request: &Request,
    like: Option<&ProfileFact>,
) -> Result<Answer> {
    let typed = Typed::read(request.form())?;
    let errors = match SettingName::parse(&typed.name) {
        Err(problem) => of_name(problem.to_string()),
        Ok(name) => {
            let change = Change::AddProfile {
                name,
                matrix: typed.matrix,
                clone_of: like.map(|profile| profile.id),
            };
            match propose(can, request, change, Tab::Profiles.path()) {
                Ok(answer) => return Ok(answer),
                Err(error) => refused_at("name", error)?,
            }
        }
    };
    added(can, request, like, &typed, errors)
}

fn of_name(why: String) -> Errors {
    let mut errors = Errors::new();
    errors.add("name", why);
    errors
}

fn added(
    can: &Can<ManagePermissions>,
    request: &Request,
    like: Option<&ProfileFact>,
    typed: &Typed,
    errors: Errors,
) -> Result<Answer> {
    let shell = match like {
        None => Tab::Profiles.page(can, request, &[("Add Profile", "")])?,
        Some(profile) => {
            let href = path_of(profile);
            let steps = [(profile.name.as_str(), href.as_str()), ("Clone", "")];
            Tab::Profiles.page(can, request, &steps)?
        }
    };
    let back = like.map_or_else(|| Tab::Profiles.path().to_owned(), path_of);
    page(can, request, shell, back, None, typed, errors)
}

/// `GET /settings/permissions/profiles/{profile}`
pub fn edit(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let profile = profile_of(&*rules(&can)?, request)?;
    let typed = Typed::of(&profile, profile.name.clone());
    changed(&can, request, &profile, &typed, Errors::new())
}

/// `POST /settings/permissions/profiles/{profile}`
pub fn change(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let profile = profile_of(&*rules(&can)?, request)?;
    let mut typed = Typed::read(request.form())?;
    if profile.standard && typed.name.is_empty() {
        // The form does not offer to change it.
        typed.name.clone_from(&profile.name);
    }
    let errors = match SettingName::parse(&typed.name) {
        Err(problem) => of_name(problem.to_string()),
        Ok(name) => {
            let change = Change::ChangeProfile {
                profile: profile.id,
                name,
                matrix: typed.matrix,
            };
            match propose(&can, request, change, &path_of(&profile)) {
                Ok(answer) => return Ok(answer),
                Err(error) => refused_at("name", error)?,
            }
        }
    };
    changed(&can, request, &profile, &typed, errors)
}

fn changed(
    can: &Can<ManagePermissions>,
    request: &Request,
    profile: &ProfileFact,
    typed: &Typed,
    errors: Errors,
) -> Result<Answer> {
    let shell = Tab::Profiles.page(can, request, &[(profile.name.as_str(), "")])?;
    let back = Tab::Profiles.path().to_owned();
    page(can, request, shell, back, Some(profile), typed, errors)
}

fn path_of(profile: &ProfileFact) -> String {
    format!("{}/{}", Tab::Profiles.path(), profile.id)
}

fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    mut shell: Shell,
    back: String,
    profile: Option<&ProfileFact>,
    typed: &Typed,
    errors: Errors,
) -> Result<Answer> {
    let rules = rules(can)?;
    shell.refused = !errors.is_empty();
    let page = ProfilePage {
        shell,
        action: request.path().to_owned(),
        back,
        name: typed.name.clone(),
        profile: profile.map(|profile| (profile.clone(), members_of(&rules, profile))),
        keeps_name: profile.is_some_and(|profile| profile.standard),
        rows: rows(&rules, &typed.matrix),
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

fn members_of(rules: &Rules, profile: &ProfileFact) -> String {
    let counts = profile_counts(rules);
    members_words(counts.get(&profile.id).copied().unwrap_or(0))
}

fn rows(rules: &Rules, matrix: &Matrix) -> Vec<Row> {
    let row = |object: Object| {
        let ObjectFact { rights, layout } = matrix[object.index()];
        Row {
            object,
            rights,
            layouts: layout_choices(rules, object, layout),
        }
    };
    Object::ALL.into_iter().map(row).collect()
}

/// `GET /settings/permissions/profiles/{profile}/delete`
pub fn ask(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    delete_page(&can, request, None, Errors::new())
}

/// `POST /settings/permissions/profiles/{profile}/delete`
pub fn delete(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let profile = profile_of(&*rules(&can)?, request)?;
    let replacement = request.form().one("replacement")?;
    let change = Change::DeleteProfile {
        profile: profile.id,
        replacement: chosen(replacement)?,
    };
    // The profile has no page any more once it is gone.
    match propose(&can, request, change, Tab::Profiles.path()) {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let errors = refused_at("replacement", error)?;
            delete_page(&can, request, Some(replacement), errors)
        }
    }
}

fn delete_page(
    can: &Can<ManagePermissions>,
    request: &Request,
    replacement: Option<&str>,
    errors: Errors,
) -> Result<Answer> {
    let rules = rules(can)?;
    let profile = profile_of(&rules, request)?;
    if profile.standard {
        return Err(Error::Refused(format!(
            "{} cannot be deleted.",
            profile.name
        )));
    }
    let back = path_of(&profile);
    let steps = [(profile.name.as_str(), back.as_str()), ("Delete", "")];
    let mut shell = Tab::Profiles.page(can, request, &steps)?;
    shell.refused = !errors.is_empty();
    // The standard profile stands first.
    let mut profiles = profile_choices(&rules, replacement.unwrap_or(""));
    profiles.retain(|choice| choice.value != profile.id.to_string());
    let page = DeletePage {
        shell,
        action: request.path().to_owned(),
        members: members_of(&rules, &profile),
        back,
        profile,
        profiles,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_mean_the_same_with_and_without_script() {
        let bits = |rights: &[Rights]| rights.iter().fold(0, |bits, right| bits | right.bits());
        let (read, create, edit) = (Rights::READ, Rights::CREATE, Rights::EDIT);
        let all = Rights::ALL.bits();
        // Ticked: what it implies comes with it.
        assert_eq!(meant(0, create.bits()), read.and(create));
        assert_eq!(
            meant(0, Rights::READ_ALL.bits()),
            read.and(Rights::READ_ALL)
        );
        assert_eq!(
            meant(bits(&[read]), bits(&[read, Rights::MODIFY_ALL])),
            Rights::ALL
        );
        // Read taken away: the row is empty, whatever else was ticked before.
        assert_eq!(
            meant(bits(&[read, create, edit]), bits(&[create, edit])),
            Rights::NONE
        );
        assert_eq!(meant(all, all & !read.bits()), Rights::NONE);
        // Another taken away: Modify All goes, the rest stays.
        let rest = all & !edit.bits() & !Rights::MODIFY_ALL.bits();
        assert_eq!(meant(all, all & !edit.bits()), Rights::of_bits(rest));
        // Modify All alone taken away.
        assert_eq!(
            meant(all, all & !Rights::MODIFY_ALL.bits()).bits(),
            all & !32
        );
        assert_eq!(meant(all, all), Rights::ALL);
        assert_eq!(meant(all, 0), Rights::NONE);
    }
}
