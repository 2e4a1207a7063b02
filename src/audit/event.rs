//! What the audit log can say. An entry keeps the event as JSON; its sentence is made when it is read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* } = $action:literal, $label:literal;)*) => {
        /// One kind of change, with what it needs to be told: names as they were at that time.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        pub enum Event { $($(#[$doc])* $name { $($field: $ty),* },)* }

        impl Event {
            /// Stable name in the database and in filters.
            pub fn action(&self) -> &'static str {
                match self { $(Event::$name { .. } => $action,)* }
            }

            /// (name, label) of every kind, for the filter.
            pub const ACTIONS: &'static [(&'static str, &'static str)] = &[$(($action, $label),)*];
        }
    };
}

events! {
    AccountCreated { account: String } = "account.created", "Account created";
    SignedIn { device: String, new_device: bool, recovery_code: bool } = "sign-in", "Signed in";
    SignInRefused { email: String, code: bool } = "sign-in.refused", "Sign-in refused";
    SessionsEnded { name: String, count: i64 } = "sessions.ended", "Sessions ended";
    AccountEntered { account: String } = "account.entered", "Switched to the account";
    NewPasswordAsked { email: String } = "password.asked", "New password asked for";
    PasswordChanged { by_link: bool } = "password.changed", "Password changed";
    TwoFactorSet { after_reset: bool } = "two-factor.set", "Two-factor set up";
    RecoveryCodesMade { } = "recovery-codes.made", "Recovery codes regenerated";
    MemberInvited { email: String, roles: String } = "invitation.sent", "Member invited";
    InvitationResent { email: String } = "invitation.resent", "Invitation resent";
    InvitationLinkCopied { email: String } = "invitation.link", "Invitation link copied";
    InvitationRevoked { email: String } = "invitation.revoked", "Invitation revoked";
    MemberJoined { name: String, email: String, roles: String } = "member.joined", "Member joined";
    RolesChanged { name: String, email: String, before: String, after: String } = "member.roles", "Platform roles changed";
    TwoFactorReset { name: String, email: String, password_too: bool } = "member.2fa-reset", "2FA reset";
    TwoFactorLinkResent { name: String, email: String } = "member.2fa-link", "2FA link sent again";
    MemberRemoved { name: String, email: String, transferred_to: Option<String>, invitations_revoked: i64 } = "member.removed", "Member removed";
    MembersExported { filter: String, rows: i64 } = "members.exported", "Members exported";
    SubscriberAdded { email: String } = "subscriber.added", "Subscriber added";
    SubscriberRemoved { email: String } = "subscriber.removed", "Subscriber removed";
    SubscriberLeft { email: String } = "subscriber.unsubscribed", "Subscriber unsubscribed";
    SubscriberActivated { email: String, before: String } = "subscriber.activated", "Subscriber activated again";
    SubscriberBounced { email: String, answer: String } = "subscriber.bouncing", "Subscriber bounced";
    ProductUpdatesChosen { on: bool } = "product-updates.chosen", "Product updates chosen";
    ProductUpdateSent { subject: String, kind: String, to_all: bool } = "product-update.sent", "Product update sent";
    OperatorMarked { name: String, email: String } = "operator.marked", "Operator marked";
    RecordDeleted { environment: String, object: String, number: i64, name: String } = "record.deleted", "Record deleted";
    RecordsExported { environment: String, object: String, filter: String, rows: i64, whole: bool } = "records.exported", "Records exported";
    RecordsDownloaded { environment: String, object: String, number: i64, rows: i64 } = "records.downloaded", "Exported file downloaded";
    RecordsImported { environment: String, object: String, number: i64, file: String, created: i64, updated: i64, rejected: i64, whole: bool } = "records.imported", "Records imported";
    AuditLogExported { filter: String } = "audit-log.exported", "Audit log exported";
    RoleAdded { role: String, changes: Vec<Change> } = "role.added", "Role added";
    RoleChanged { role: String, changes: Vec<Change> } = "role.changed", "Role changed";
    RoleDeleted { role: String, replacement: Option<String>, changes: Vec<Change> } = "role.deleted", "Role deleted";
    RoleAssigned { role: Option<String>, changes: Vec<Change> } = "role.assigned", "Role assigned";
    ProfileAdded { profile: String, copy_of: Option<String>, changes: Vec<Change> } = "profile.added", "Profile added";
    ProfileChanged { profile: String, changes: Vec<Change> } = "profile.changed", "Profile changed";
    ProfileDeleted { profile: String, replacement: String, changes: Vec<Change> } = "profile.deleted", "Profile deleted";
    ProfileAssigned { profile: String, changes: Vec<Change> } = "profile.assigned", "Profile assigned";
    SharingRuleAdded { rule: String, changes: Vec<Change> } = "sharing-rule.added", "Sharing rule added";
    SharingRuleChanged { rule: String, changes: Vec<Change> } = "sharing-rule.changed", "Sharing rule changed";
    SharingRuleDeleted { rule: String, changes: Vec<Change> } = "sharing-rule.deleted", "Sharing rule deleted";
    OrganizationWideSharingChanged { changes: Vec<Change> } = "organization-wide-sharing.changed", "Organization-wide sharing changed";
    LayoutAdded { layout: String, object: String, copy_of: String } = "page-layout.added", "Page layout added";
    LayoutChanged { layout: String, object: String, changes: Vec<Change> } = "page-layout.changed", "Page layout changed";
    LayoutDeleted { layout: String, object: String, replacement: Option<String>, changes: Vec<Change> } = "page-layout.deleted", "Page layout deleted";
    ChangeReverted { number: i64, sentence: String, changes: Vec<Change> } = "permissions.reverted", "Change of permissions reverted";
    FieldAdded { field: String, object: String, changes: Vec<Change> } = "field.added", "Field added";
    FieldChanged { field: String, object: String, changes: Vec<Change> } = "field.changed", "Field changed";
    FieldRetired { field: String, object: String } = "field.retired", "Field retired";
    FieldRestored { field: String, object: String } = "field.restored", "Field restored";
    AccountOwnerChanged { before: String, after: String } = "billing.owner", "Account owner changed";
    PlanChanged { plan: String, from: Option<String>, changes: Vec<Change> } = "billing.plan", "Plan changed";
    BillingDetailsChanged { changes: Vec<Change> } = "billing.details", "Billing details changed";
    CardUpdated { before: String, after: String, asked_by: String } = "billing.card", "Card updated";
    InvoiceIssued { kind: String, number: String, total: String } = "billing.invoice", "Invoice issued";
    InvoicePaid { number: String, amount: String, card: String } = "billing.paid", "Invoice paid";
    PaymentFailed { number: String, amount: String, reason: String } = "billing.payment-failed", "Payment failed";
    AccountReadOnly { number: String } = "billing.read-only", "Account made read-only";
    AccountReadOnlyEnded { } = "billing.read-only-ended", "Account no longer read-only";
    ExportChanged { name: String, email: String, on: bool } = "member.export", "Export permission changed";
}

impl Event {
    /// What happened, as a sentence that stands after the actor's name: it begins with what they did.
    pub fn sentence(&self) -> String {
        use Event::*;
        match self {
            AccountCreated { account } => format!("Created the account {account}"),
            SignedIn {
                device,
                new_device,
                recovery_code,
            } => format!(
                "Signed in on {device}{}{}",
                if *recovery_code {
                    " with a recovery code"
                } else {
                    ""
                },
                if *new_device { ", a new device" } else { "" },
            ),
            SignInRefused { email, code: false } => {
                format!("Refused a sign-in as {email}: wrong password")
            }
            SignInRefused { email, code: true } => {
                format!("Refused a sign-in as {email}: right password, wrong code")
            }
            SessionsEnded { name, count: 1 } => format!("Ended a session of {name}"),
            SessionsEnded { name, count } => format!("Ended {count} sessions of {name}"),
            AccountEntered { account } => format!("Switched to {account}"),
            NewPasswordAsked { email } => format!("Asked for a new password for {email}"),
            PasswordChanged { by_link: true } => "Set a new password with a mailed link".into(),
            PasswordChanged { by_link: false } => "Changed the password".into(),
            TwoFactorSet { after_reset: true } => "Set up two-factor again after a reset".into(),
            TwoFactorSet { after_reset: false } => "Set up a new secret code".into(),
            RecoveryCodesMade {} => "Regenerated the recovery codes".into(),
            MemberInvited { email, roles } => format!("Invited {email} with {roles}"),
            InvitationResent { email } => format!("Sent the invitation to {email} again"),
            InvitationLinkCopied { email } => {
                format!("Made a fresh invitation link for {email} to pass on")
            }
            InvitationRevoked { email } => format!("Revoked the invitation to {email}"),
            MemberJoined { name, email, roles } => {
                format!("Joined as {name} ({email}) with {roles}")
            }
            RolesChanged { name, email, .. } => {
                format!("Changed the platform roles of {name} ({email})")
            }
            TwoFactorReset {
                name,
                email,
                password_too,
            } => format!(
                "Reset 2FA{} of {name} ({email})",
                if *password_too {
                    " and the password"
                } else {
                    ""
                }
            ),
            TwoFactorLinkResent { name, email } => {
                format!("Sent the 2FA set-up link to {name} ({email}) again")
            }
            MemberRemoved {
                name,
                email,
                transferred_to,
                ..
            } => match transferred_to {
                Some(to) => format!("Removed {name} ({email}); records go to {to}"),
                None => format!("Removed {name} ({email})"),
            },
            MembersExported { filter, rows: 1 } => format!("Exported 1 member as CSV ({filter})"),
            MembersExported { filter, rows } => {
                format!("Exported {rows} members as CSV ({filter})")
            }
            SubscriberAdded { email } => format!("Added the subscriber {email}"),
            SubscriberRemoved { email } => format!("Removed the subscriber {email}"),
            SubscriberLeft { email } => format!("Unsubscribed {email} from product updates"),
            SubscriberActivated { email, .. } => {
                format!("Activated the subscriber {email} again")
            }
            SubscriberBounced { email, .. } => {
                format!("Stopped mail to the subscriber {email}: it bounced")
            }
            ProductUpdatesChosen { on: true } => "Turned product updates on".into(),
            ProductUpdatesChosen { on: false } => "Turned product updates off".into(),
            ProductUpdateSent {
                subject, to_all, ..
            } => format!(
                "Sent the product update “{subject}” to {}",
                if *to_all {
                    "all accounts"
                } else {
                    "one account"
                }
            ),
            OperatorMarked { name, email } => {
                format!("Marked {name} ({email}) as an operator of this installation")
            }
            RecordDeleted {
                environment,
                object,
                number,
                name,
            } => format!("Deleted {object} {number}, {name}, in {environment}"),
            RecordsExported {
                environment,
                object,
                filter,
                rows,
                whole,
            } => format!(
                "Exported {}{} as CSV from {environment} ({filter}){}",
                // Not all of them may have reached the reader.
                if *whole { "" } else { "at most " },
                counted(*rows, object),
                if *whole { "" } else { ", broken off" },
            ),
            RecordsDownloaded {
                environment,
                object,
                number,
                rows,
            } => format!(
                "Downloaded export {number} with {} from {environment}",
                counted(*rows, object)
            ),
            RecordsImported {
                environment,
                object,
                number,
                file,
                created,
                updated,
                rejected,
                whole,
            } => format!(
                "Imported {object} into {environment} from {file} (import {number}): {created} new, {updated} updated, \
                 {rejected} rejected{}",
                if *whole { "" } else { ", broken off" },
            ),
            AuditLogExported { filter } => format!("Exported the audit log as CSV ({filter})"),
            RoleAdded { role, .. } => format!("Added the role {role}"),
            RoleChanged { role, .. } => format!("Changed the role {role}"),
            RoleDeleted {
                role, replacement, ..
            } => match replacement {
                Some(other) => format!("Deleted the role {role}; {other} replaces it"),
                None => format!("Deleted the role {role}"),
            },
            RoleAssigned { role, changes } => match role {
                Some(role) => format!("Assigned {} to the role {role}", members(changes)),
                None => format!("Took {} out of their roles", members(changes)),
            },
            ProfileAdded {
                profile, copy_of, ..
            } => match copy_of {
                Some(other) => format!("Added the profile {profile}, a copy of {other}"),
                None => format!("Added the profile {profile}"),
            },
            ProfileChanged { profile, .. } => format!("Changed the profile {profile}"),
            ProfileDeleted {
                profile,
                replacement,
                ..
            } => format!("Deleted the profile {profile}; {replacement} replaces it"),
            ProfileAssigned { profile, changes } => {
                format!("Assigned {} to the profile {profile}", members(changes))
            }
            SharingRuleAdded { rule, .. } => format!("Added the sharing rule {rule}"),
            SharingRuleChanged { rule, .. } => format!("Changed the sharing rule {rule}"),
            SharingRuleDeleted { rule, .. } => format!("Deleted the sharing rule {rule}"),
            OrganizationWideSharingChanged { changes } => match changes.as_slice() {
                [one] => format!("Changed organization-wide sharing of {}", one.what),
                some => format!(
                    "Changed organization-wide sharing of {} objects",
                    some.len()
                ),
            },
            LayoutAdded {
                layout,
                object,
                copy_of,
            } => {
                let copy = match copy_of.as_str() {
                    "" => String::new(),
                    other => format!(", a copy of {other}"),
                };
                format!("Added the page layout {layout} of {object}{copy}")
            }
            LayoutChanged { layout, object, .. } => {
                format!("Changed the page layout {layout} of {object}")
            }
            LayoutDeleted {
                layout,
                object,
                replacement,
                ..
            } => match replacement {
                Some(other) => {
                    format!("Deleted the page layout {layout} of {object}; {other} replaces it")
                }
                None => format!("Deleted the page layout {layout} of {object}"),
            },
            ChangeReverted {
                number, sentence, ..
            } => format!("Reverted change {number} of permissions: {sentence}"),
            FieldAdded { field, object, .. } => format!("Added the field {field} to {object}"),
            FieldChanged { field, object, .. } => format!("Changed the field {field} of {object}"),
            FieldRetired { field, object } => format!("Retired the field {field} of {object}"),
            FieldRestored { field, object } => format!("Restored the field {field} of {object}"),
            AccountOwnerChanged { after, .. } => format!("Made {after} the account owner"),
            PlanChanged { plan, from, .. } => match from {
                Some(day) => format!("Changed the plan to {plan} from {day} on"),
                None => format!("Changed the plan to {plan}"),
            },
            BillingDetailsChanged { .. } => "Changed the billing details".into(),
            CardUpdated {
                after, asked_by, ..
            } => format!("Put the card {after} on file, given by {asked_by}"),
            InvoiceIssued {
                kind,
                number,
                total,
            } => format!("Issued {kind} {number} over {total}"),
            InvoicePaid {
                number,
                amount,
                card,
            } => format!("Was paid {amount} for invoice {number} with {card}"),
            PaymentFailed {
                number,
                amount,
                reason,
            } => format!("Was not paid {amount} for invoice {number}: {reason}"),
            AccountReadOnly { number } => {
                format!("Made the account read-only until invoice {number} is paid")
            }
            AccountReadOnlyEnded {} => "Ended the read-only state of the account".into(),
            ExportChanged {
                name,
                email,
                on: true,
            } => format!("Gave {name} ({email}) the Export permission"),
            ExportChanged {
                name,
                email,
                on: false,
            } => format!("Took the Export permission of {name} ({email}) away"),
        }
    }

    /// What the event changed from one value into another.
    pub fn changes(&self) -> Vec<Change> {
        use Event::*;
        match self {
            MemberInvited { roles, .. } | MemberJoined { roles, .. } => {
                vec![Change::new("Platform roles", "", roles)]
            }
            RolesChanged { before, after, .. } => {
                vec![Change::new("Platform roles", before, after)]
            }
            TwoFactorReset { password_too, .. } => {
                let password = password_too.then(|| Change::new("Password", "Set", "None"));
                [Change::new("2FA", "On", "Needs set-up")]
                    .into_iter()
                    .chain(password)
                    .collect()
            }
            MemberRemoved {
                transferred_to,
                invitations_revoked,
                ..
            } => {
                let records = transferred_to
                    .as_ref()
                    .map(|to| Change::new("Records assigned to", "This member", to));
                let invitations = (*invitations_revoked > 0).then(|| {
                    Change::new("Invitations", &invitations_revoked.to_string(), "Revoked")
                });
                [Change::new("Membership", "Member", "Removed")]
                    .into_iter()
                    .chain(records)
                    .chain(invitations)
                    .collect()
            }
            SubscriberAdded { .. } => vec![Change::new("State", "", "Active")],
            SubscriberLeft { .. } => vec![Change::new("State", "Subscribed", "Unsubscribed")],
            SubscriberActivated { before, .. } => vec![Change::new("State", before, "Active")],
            SubscriberBounced { answer, .. } => vec![
                Change::new("State", "Active", "Bouncing"),
                Change::new("Mail server's answer", "", answer),
            ],
            ProductUpdatesChosen { on: true } => {
                vec![Change::new("Product updates", "Off", "On")]
            }
            ProductUpdatesChosen { on: false } => {
                vec![Change::new("Product updates", "On", "Off")]
            }
            OperatorMarked { .. } => vec![Change::new("Operator", "No", "Yes")],
            RoleAdded { changes, .. }
            | RoleChanged { changes, .. }
            | RoleDeleted { changes, .. }
            | RoleAssigned { changes, .. }
            | ProfileAdded { changes, .. }
            | ProfileChanged { changes, .. }
            | ProfileDeleted { changes, .. }
            | ProfileAssigned { changes, .. }
            | SharingRuleAdded { changes, .. }
            | SharingRuleChanged { changes, .. }
            | SharingRuleDeleted { changes, .. }
            | OrganizationWideSharingChanged { changes }
            | LayoutChanged { changes, .. }
            | LayoutDeleted { changes, .. }
            | ChangeReverted { changes, .. }
            | FieldAdded { changes, .. }
            | FieldChanged { changes, .. }
            | PlanChanged { changes, .. }
            | BillingDetailsChanged { changes } => changes.clone(),
            AccountOwnerChanged { before, after } => {
                vec![Change::new("Account owner", before, after)]
            }
            CardUpdated { before, after, .. } => vec![Change::new("Card", before, after)],
            AccountReadOnly { .. } => vec![Change::new("Read-only", "No", "Yes")],
            AccountReadOnlyEnded {} => vec![Change::new("Read-only", "Yes", "No")],
            ExportChanged { on: true, .. } => vec![Change::new("Export", "No", "Yes")],
            ExportChanged { on: false, .. } => vec![Change::new("Export", "Yes", "No")],
            _ => Vec::new(),
        }
    }
}

/// "1 row of Leads".
fn counted(rows: i64, object: &str) -> String {
    format!(
        "{rows} {} of {object}",
        if rows == 1 { "row" } else { "rows" }
    )
}

/// "1 member", "7 members".
fn members(changes: &[Change]) -> String {
    match changes.len() {
        1 => "1 member".to_owned(),
        n => format!("{n} members"),
    }
}

/// One value before and after; an empty one was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub what: Cow<'static, str>,
    pub before: String,
    pub after: String,
}

impl Change {
    /// `what` went from `before` to `after`.
    pub fn new(what: impl Into<Cow<'static, str>>, before: &str, after: &str) -> Change {
        Change {
            what: what.into(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}
