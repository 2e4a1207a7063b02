//! Rules and records for stories: roles, profiles, layouts and sharing through the product's own functions, records
//! through its pages.

use std::collections::BTreeMap;

use insight::access::System;
use insight::credentials::names::SettingName;
use insight::db::types::{LayoutId, ProfileId, RecordId, RoleId};
use insight::permissions::model::LayoutField;
use insight::permissions::setup::Setup;
use insight::permissions::sharing_rules::{self, Wanted};
use insight::permissions::{
    Level, Object, Rights, layouts, members, organization_wide, profiles, roles,
};

use super::TestApp;
use super::page::Page;
use super::people::Person;

/// A name of a role, profile, layout or rule.
pub fn called(name: &str) -> SettingName {
    SettingName::parse(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A field of a layout.
pub fn on_layout(key: &str, read_only: bool, required: bool) -> LayoutField {
    LayoutField {
        key: key.to_owned(),
        section: String::new(),
        read_only,
        required,
    }
}

/// The path of a list, as in "test/leads".
pub fn list_of(place: &str) -> String {
    let (environment, object) = place.split_once('/').expect("environment/object");
    format!("/{environment}/records/{object}")
}

impl TestApp {
    /// Changes the rules of somebody's company.
    pub fn set_up<T>(
        &self,
        of: &Person,
        change: impl FnOnce(&mut Setup<System>) -> insight::Result<T>,
    ) -> T {
        self.system_write(|tx| change(&mut Setup::of_account(tx, of.account())?))
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// A profile with these rights, the default layouts, and these people in it.
    pub fn profile(
        &self,
        name: &str,
        rights: &[(Object, Rights)],
        people: &[&Person],
    ) -> ProfileId {
        let ids: Vec<_> = people.iter().map(|person| person.member()).collect();
        self.set_up(people[0], |setup| {
            let mut matrix = insight::permissions::profiles::Matrix::default();
            for (object, rights) in rights {
                matrix[object.index()].rights = *rights;
            }
            let profile = profiles::add(setup, &called(name), &matrix)?;
            profiles::assign(setup, &ids, profile)?;
            Ok(profile)
        })
    }

    /// The same with the four ticks of a standard user for every object.
    pub fn standard(&self, name: &str, people: &[&Person]) -> ProfileId {
        let all = Object::ALL.map(|object| (object, Rights::STANDARD));
        self.profile(name, &all, people)
    }

    /// A role below another, held by these people.
    pub fn role(&self, name: &str, above: Option<RoleId>, people: &[&Person]) -> RoleId {
        let ids: Vec<_> = people.iter().map(|person| person.member()).collect();
        self.set_up(people[0], |setup| {
            let role = roles::add(setup, &called(name), above)?;
            roles::assign(setup, &ids, Some(role))?;
            Ok(role)
        })
    }

    /// Gives a profile a layout of its own with these fields.
    pub fn layout(
        &self,
        of: &Person,
        profile: ProfileId,
        object: Object,
        fields: &[LayoutField],
    ) -> LayoutId {
        self.set_up(of, |setup| {
            let name = called(&format!("Of profile {profile}"));
            let layout = layouts::add(setup, object, &name)?;
            layouts::set_fields(setup, layout, fields)?;
            profiles::set_layout(setup, profile, layout)?;
            Ok(layout)
        })
    }

    /// Opens the records of one role to another.
    pub fn share(&self, of: &Person, object: Object, source: RoleId, target: RoleId, level: Level) {
        self.set_up(of, |setup| {
            let wanted = Wanted {
                name: called(&format!("{} shared", object.plural())),
                object: Some(object),
                source,
                source_below: false,
                target,
                target_below: false,
                level,
                active: true,
                ends_at: None,
            };
            sharing_rules::add(setup, &wanted).map(|_| ())
        });
    }

    /// Organization-wide sharing of an object.
    pub fn open_to_all(&self, of: &Person, object: Object, level: Level) {
        self.set_up(of, |setup| {
            organization_wide::set(setup, object, level).map(|_| ())
        });
    }

    /// Lets somebody export.
    pub fn let_export(&self, person: &Person) {
        let member = person.member();
        self.set_up(person, |setup| {
            members::set_export(setup, member, true).map(|_| ())
        });
    }
}

impl Person {
    /// Makes a record past the form, as a script of our own site could; gives its number. `place` is "test/leads".
    pub async fn make(&self, place: &str, fields: &[(&str, &str)]) -> RecordId {
        let list = list_of(place);
        let page = self.post(&format!("{list}/new"), fields).await;
        page.expect_status(303);
        let to = page.header("location").to_owned();
        let number = to.strip_prefix(&format!("{list}/"));
        let number = number.unwrap_or_else(|| panic!("made and led to {to}"));
        number.parse().expect("the number of a record")
    }

    /// Posts changes to a record on top of a version.
    pub async fn change(
        &self,
        place: &str,
        id: RecordId,
        version: i64,
        fields: &[(&str, &str)],
    ) -> Page {
        let version = version.to_string();
        let mut fields = fields.to_vec();
        fields.push(("version", &version));
        self.post(&format!("{}/{id}/edit", list_of(place)), &fields)
            .await
    }
}

/// What the facts of a record's page say, by label.
pub fn facts(page: &Page) -> BTreeMap<String, String> {
    let labels = page.texts(".facts dt");
    let values = page.texts(".facts dd");
    labels.into_iter().zip(values).collect()
}

/// The names in a list, in its order.
pub fn names(page: &Page) -> Vec<String> {
    page.texts(".table tbody th .name")
}
