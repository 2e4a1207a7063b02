//! What the audit log can say. An entry keeps the event as JSON; its sentence is made when it is read.

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
    SubscriberBounced { email: String, answer: String } = "subscriber.bouncing", "Subscriber bounced";
    ProductUpdatesChosen { on: bool } = "product-updates.chosen", "Product updates chosen";
    OperatorMarked { name: String, email: String } = "operator.marked", "Operator marked";
    AuditLogExported { filter: String } = "audit-log.exported", "Audit log exported";
}

impl Event {
    /// What happened, as a sentence that follows the actor's name in the list.
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
                format!("A sign-in as {email} was refused: wrong password")
            }
            SignInRefused { email, code: true } => {
                format!("A sign-in as {email} was refused: right password, wrong code")
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
                format!("{name} ({email}) joined with {roles}")
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
            MembersExported { filter, rows } => {
                format!("Exported {rows} members as CSV ({filter})")
            }
            SubscriberAdded { email } => format!("Added the subscriber {email}"),
            SubscriberRemoved { email } => format!("Removed the subscriber {email}"),
            SubscriberLeft { email } => format!("{email} unsubscribed from product updates"),
            SubscriberBounced { email, .. } => {
                format!("Mail to the subscriber {email} bounced")
            }
            ProductUpdatesChosen { on: true } => "Turned product updates on".into(),
            ProductUpdatesChosen { on: false } => "Turned product updates off".into(),
            OperatorMarked { name, email } => {
                format!("{name} ({email}) was marked as an operator of this installation")
            }
            AuditLogExported { filter } => format!("Exported the audit log as CSV ({filter})"),
        }
    }

    /// Before and after, for events that change one value into another.
    pub fn before_after(&self) -> Option<(String, String)> {
        match self {
            Event::RolesChanged { before, after, .. } => Some((before.clone(), after.clone())),
            Event::MemberRemoved {
                invitations_revoked,
                ..
            } if *invitations_revoked > 0 => Some((
                format!("Member, {invitations_revoked} open invitations"),
                "Not a member, invitations revoked".into(),
            )),
            Event::MemberRemoved { .. } => Some(("Member".into(), "Not a member".into())),
            Event::TwoFactorReset { .. } => Some(("2FA on".into(), "Needs set-up".into())),
            Event::SubscriberBounced { answer, .. } => {
                Some(("Active".into(), format!("Bouncing: {answer}")))
            }
            _ => None,
        }
    }
}
