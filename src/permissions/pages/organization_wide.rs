//! The tab Organization-Wide Sharing: one choice per object.

use askama::Template;

use super::super::change::Change;
use super::super::model::Level;
use super::super::objects::{OBJECTS, Object};
use super::super::review_pages::propose;
use super::{Tab, rules};
use crate::access::{Can, ManagePermissions};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/organization_wide.html")]
struct SharingPage {
    shell: Shell,
    errors: Errors,
    levels: [Level; OBJECTS],
}

/// In the order of the columns.
const LEVELS: [Level; 3] = [Level::None, Level::Read, Level::Write];

impl SharingPage {
    fn is(&self, object: &Object, level: &Level) -> bool {
        self.levels[object.index()] == *level
    }
}

/// `GET /settings/permissions/organization-wide-sharing`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let levels = rules(&can)?.facts().sharing;
    Answer::page(&SharingPage {
        shell: Tab::OrganizationWide.page(&can, request, &[])?,
        errors: Errors::new(),
        levels,
    })
}

/// `POST /settings/permissions/organization-wide-sharing`
pub fn save(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let mut levels = rules(&can)?.facts().sharing;
    for object in Object::ALL {
        // An object that was not sent stays as it is.
        levels[object.index()] = match request.form().one(object.slug())? {
            "" => levels[object.index()],
            "0" => Level::None,
            "1" => Level::Read,
            "2" => Level::Write,
            _ => return Err(Error::BadRequest("There is no such level of sharing.")),
        };
    }
    let change = Change::SetSharing { levels };
    match propose(&can, request, change, Tab::OrganizationWide.path()) {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let errors = super::refused_at("sharing", error)?;
            let mut shell = Tab::OrganizationWide.page(&can, request, &[])?;
            shell.refused = true;
            Answer::refused(&SharingPage {
                shell,
                errors,
                levels,
            })
        }
    }
}
