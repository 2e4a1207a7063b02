//! Column types of both databases: ids and instants are 64-bit integers with a type of their own.

use std::fmt;
use std::str::FromStr;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Integer};

macro_rules! whole_number {
    ($inner:ty, $sql:ty: $($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow,
                 serde::Serialize, serde::Deserialize)]
        #[diesel(sql_type = $sql)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl<DB: Backend> FromSql<$sql, DB> for $name
        where
            $inner: FromSql<$sql, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                <$inner>::from_sql(bytes).map($name)
            }
        }

        impl<DB: Backend> ToSql<$sql, DB> for $name
        where
            $inner: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }
    )*};
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        whole_number! { i64, BigInt: $($(#[$doc])* $name;)* }
        $(
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }

            /// As it stands in a URL: plain digits, no sign, no leading zero, so that each row has one address.
            impl FromStr for $name {
                type Err = ();
                fn from_str(text: &str) -> Result<Self, ()> {
                    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
                    text.parse().ok().filter(|_| plain).map($name).ok_or(())
                }
            }
        )*
    };
}

ids! {
    /// A company.
    AccountId;
    /// A person who can sign in.
    UserId;
    /// A user's membership of an account.
    MemberId;
    /// A profile of an account.
    ProfileId;
    /// A node of an account's role hierarchy.
    RoleId;
    /// A session on the server.
    SessionId;
    /// An invitation into an account.
    InvitationId;
    /// A mailed or printed link.
    LinkId;
    /// A subscriber to product updates.
    SubscriberId;
    /// A message in the outbox.
    MailId;
    /// A product update.
    AnnouncementId;
    /// A record of any object: its number.
    RecordId;
    /// A page layout of an object.
    LayoutId;
    /// A sharing rule.
    SharingRuleId;
    /// A field that an administrator added to an object.
    CustomFieldId;
    /// A change of permissions, proposed or applied.
    PermissionChangeId;
    /// An export of records.
    ExportId;
    /// An import of records: its number.
    ImportId;
    /// An invoice or credit note.
    InvoiceId;
    /// An attempt to be paid.
    PaymentId;
    /// A visit to the payment provider's page for cards.
    CardSetupId;
}

whole_number! { i32, Integer:
    /// A member's place in the sets of the permission rules: dense, per account, never reused.
    Slot;
}

whole_number! { i32, Integer:
    /// A calendar day in UTC: days since 1970-01-01.
    Day;
}

impl Slot {
    /// Place in a list by slot.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

whole_number! { i64, BigInt:
    /// An instant: microseconds since 1970-01-01 UTC. Both databases keep exactly this.
    Timestamp;
}

impl Timestamp {
    /// Whole seconds since 1970-01-01 UTC.
    pub fn unix(self) -> u64 {
        u64::try_from(self.0.div_euclid(1_000_000)).unwrap_or(0)
    }
}

impl std::ops::Add<time::Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, d: time::Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_add(i64::try_from(d.whole_microseconds()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Sub<time::Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, d: time::Duration) -> Timestamp {
        self + -d
    }
}

impl std::ops::Sub for Timestamp {
    type Output = time::Duration;
    fn sub(self, other: Timestamp) -> time::Duration {
        time::Duration::microseconds(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!("17".parse(), Ok(MemberId(17)));
        for wrong in [
            "",
            "017",
            "+17",
            "-1",
            "0",
            "1e3",
            "99999999999999999999",
            "１",
        ] {
            assert!(wrong.parse::<MemberId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn instants_add_and_subtract() {
        let t = Timestamp(1_000_000);
        assert_eq!(t + time::Duration::hours(1) - t, time::Duration::hours(1));
    }
}
