//! Permissions are types. A handler names the one it needs in its first parameter, a query in its transaction.

use super::caller::{Caller, Level};
use crate::{Error, Result};

/// What a transaction or a guard proves about who is acting.
pub trait Proof: Sized + 'static {
    /// What is known about the person.
    type Who: Clone + Send + 'static;
    /// The person, for the audit log.
    fn caller(who: &Self::Who) -> Option<&Caller>;
}

/// A proof that a request can give.
pub trait Admit: Proof {
    /// What the route table and the tests call it.
    const NEEDS: Needs;
    /// Decides; an error is the answer to the visitor.
    fn admit(caller: Option<Caller>) -> Result<Self::Who>;
}

/// A proof of being a signed-in member: there is an account, and everything stays inside it.
pub trait InAccount: Proof<Who = Caller> {}

/// A proof of being an administrator, of people or of their permissions.
pub trait Administers: InAccount {}
impl Administers for ManageMembers {}
impl Administers for ManagePermissions {}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    HalfSession,
    SignedIn,
    Operator,
    /// A member. What their profile and sharing allow is decided by the desk that every record function asks for.
    Records,
    Permission(Permission),
}

impl Needs {
    /// True when a signed-in person may open the route; drives the menu.
    pub fn held_by(self, caller: &Caller) -> bool {
        match self {
            Needs::Nothing | Needs::SignedIn | Needs::Records => true,
            Needs::HalfSession => false,
            Needs::Operator => caller.operator,
            Needs::Permission(permission) => permission.held_by(caller),
        }
    }
}

/// The system itself: the mail worker, the command line, the first start. No request can become this.
pub struct System;
impl Proof for System {
    type Who = ();
    fn caller(_: &()) -> Option<&Caller> {
        None
    }
}

/// Anybody, signed in or not.
pub struct Anyone;
impl Proof for Anyone {
    type Who = Option<Caller>;
    fn caller(who: &Option<Caller>) -> Option<&Caller> {
        who.as_ref()
    }
}
impl Admit for Anyone {
    const NEEDS: Needs = Needs::Nothing;
    fn admit(caller: Option<Caller>) -> Result<Option<Caller>> {
        Ok(caller)
    }
}

/// Somebody between password and code.
pub struct HalfSignedIn;
impl Proof for HalfSignedIn {
    type Who = Caller;
    fn caller(who: &Caller) -> Option<&Caller> {
        Some(who)
    }
}
impl Admit for HalfSignedIn {
    const NEEDS: Needs = Needs::HalfSession;
    fn admit(caller: Option<Caller>) -> Result<Caller> {
        match caller {
            Some(caller) if caller.level == Level::Half => Ok(caller),
            Some(_) => Err(Error::SignedInAlready),
            None => Err(Error::SignIn),
        }
    }
}

/// Any member, whatever their rights.
pub struct SignedIn;
impl Proof for SignedIn {
    type Who = Caller;
    fn caller(who: &Caller) -> Option<&Caller> {
        Some(who)
    }
}
impl InAccount for SignedIn {}
impl Admit for SignedIn {
    const NEEDS: Needs = Needs::SignedIn;
    fn admit(caller: Option<Caller>) -> Result<Caller> {
        match caller {
            Some(caller) if caller.level == Level::Full => Ok(caller),
            Some(_) => Err(Error::Code),
            None => Err(Error::SignIn),
        }
    }
}

/// A member who works with records. The right to an object is not in here: it depends on the object in the path, and
/// `records::Desk::open` refuses whoever cannot Read it.
pub struct UseRecords;
impl Proof for UseRecords {
    type Who = Caller;
    fn caller(who: &Caller) -> Option<&Caller> {
        Some(who)
    }
}
impl InAccount for UseRecords {}
impl Admit for UseRecords {
    const NEEDS: Needs = Needs::Records;
    fn admit(caller: Option<Caller>) -> Result<Caller> {
        SignedIn::admit(caller)
    }
}

/// A user whom `insight operator add` has marked: runs the installation, writes product updates.
pub struct Operator;
impl Proof for Operator {
    type Who = Caller;
    fn caller(who: &Caller) -> Option<&Caller> {
        Some(who)
    }
}
impl InAccount for Operator {}
impl Admit for Operator {
    const NEEDS: Needs = Needs::Operator;
    fn admit(caller: Option<Caller>) -> Result<Caller> {
        let caller = SignedIn::admit(caller)?;
        if caller.operator {
            Ok(caller)
        } else {
            Err(Error::Forbidden {
                section: "Product updates",
                who: "Operators of this installation open it.",
            })
        }
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $section:literal, $who:literal, |$caller:ident| $held:expr;)*) => {
        /// The platform permissions: which section of the product a member may open.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Permission { $($(#[$doc])* $name,)* }

        impl Permission {
            /// The rule, from the table "Who opens what" of the specification.
            pub fn held_by(self, caller: &Caller) -> bool {
                match self { $(Permission::$name => { let $caller = caller; $held })* }
            }

            /// (name of the section, who opens it), for the 403 page.
            pub fn says(self) -> (&'static str, &'static str) {
                match self { $(Permission::$name => ($section, $who),)* }
            }
        }

        $(
            $(#[$doc])*
            pub struct $name;
            impl Proof for $name {
                type Who = Caller;
                fn caller(who: &Caller) -> Option<&Caller> {
                    Some(who)
                }
            }
            impl InAccount for $name {}
            impl Admit for $name {
                const NEEDS: Needs = Needs::Permission(Permission::$name);
                fn admit(caller: Option<Caller>) -> Result<Caller> {
                    let caller = SignedIn::admit(caller)?;
                    if Permission::$name.held_by(&caller) {
                        Ok(caller)
                    } else {
                        let (section, who) = Permission::$name.says();
                        Err(Error::Forbidden { section, who })
                    }
                }
            }
        )*
    };
}

permissions! {
    /// Shared > Insight users: members, invitations, subscribers.
    ManageMembers: "Insight users", "Administrators open it.", |caller| caller.roles.admin;
    /// System Settings > Permissions and Users: roles, profiles, sharing, page layouts, fields.
    ManagePermissions: "Permissions", "Administrators open it.", |caller| caller.roles.admin;
    /// Billing & Account: owner, plan, invoices.
    ManageBilling: "Billing & Account", "Administrators and the account owner open it.", |caller| caller.roles.admin || caller.owner;
    /// System Settings > Audit log.
    ViewAuditLog: "Audit log", "Administrators open it.", |caller| caller.roles.admin;
}
