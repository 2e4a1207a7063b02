//! The tables of what payment providers said and the sandbox keeps, as diesel sees them; printed like [`crate::schema`].

diesel::table! {
    card_setups (id) {
        id -> BigInt,
        account_id -> BigInt,
        provider -> Text,
        asked_by -> Text,
        session -> Nullable<Text>,
        state -> Text,
        created_at -> BigInt,
        look_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    provider_events (provider, id) {
        provider -> Text,
        id -> Text,
        kind -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    sandbox_cards (session) {
        session -> Text,
        token -> Text,
        brand -> Text,
        last4 -> Text,
        exp_year -> Integer,
        exp_month -> Integer,
    }
}

diesel::table! {
    sandbox_charges (key) {
        key -> Text,
        token -> Text,
        amount -> BigInt,
        currency -> Text,
        state -> Text,
        reason -> Text,
    }
}
