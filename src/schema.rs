//! The tables as diesel sees them: one description for both databases, printed from the Postgres migrations.
//! Those of the payment providers are in [`crate::billing::providers::schema`].

diesel::table! {
    accounts (id) {
        id -> BigInt,
        name -> Text,
        owner_member_id -> Nullable<BigInt>,
        created_at -> BigInt,
        member_count -> BigInt,
        without_two_factor_count -> BigInt,
        audit_seq -> BigInt,
        audit_head -> Binary,
        permission_version -> BigInt,
        next_slot -> Integer,
        people_version -> BigInt,
        owner_since -> Nullable<BigInt>,
        read_only_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        name -> Text,
        home_account_id -> BigInt,
        password -> Nullable<Text>,
        totp_secret -> Nullable<Binary>,
        totp_last_step -> BigInt,
        totp_failures -> Integer,
        time_zone -> Text,
        theme -> Text,
        product_updates -> Bool,
        operator -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    recovery_codes (user_id, code_hash) {
        user_id -> BigInt,
        code_hash -> Binary,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    profiles (id) {
        id -> BigInt,
        account_id -> BigInt,
        name -> Text,
        standard -> Bool,
    }
}

diesel::table! {
    roles (id) {
        id -> BigInt,
        account_id -> BigInt,
        name -> Text,
        parent_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    members (id) {
        id -> BigInt,
        account_id -> BigInt,
        user_id -> BigInt,
        viewer -> Bool,
        technician -> Bool,
        admin -> Bool,
        profile_id -> Nullable<BigInt>,
        role_id -> Nullable<BigInt>,
        name_key -> Text,
        search_text -> Text,
        two_factor -> Bool,
        joined_at -> BigInt,
        last_activity_at -> BigInt,
        removed_at -> Nullable<BigInt>,
        slot -> Integer,
        export -> Bool,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        token_hash -> Binary,
        user_id -> BigInt,
        account_id -> BigInt,
        level -> Integer,
        created_at -> BigInt,
        last_seen_at -> BigInt,
        expires_at -> BigInt,
        code_at -> BigInt,
        code_failures -> Integer,
        address -> Text,
        device -> Text,
        environment -> Text,
        revealed -> Nullable<Binary>,
    }
}

diesel::table! {
    devices (id) {
        id -> BigInt,
        user_id -> BigInt,
        token_hash -> Binary,
        last_seen_at -> BigInt,
    }
}

diesel::table! {
    throttles (bucket) {
        bucket -> Binary,
        failures -> Integer,
        last_failure_at -> BigInt,
        blocked_until -> BigInt,
    }
}

diesel::table! {
    invitations (id) {
        id -> BigInt,
        account_id -> BigInt,
        email -> Text,
        name -> Text,
        viewer -> Bool,
        technician -> Bool,
        admin -> Bool,
        profile_id -> Nullable<BigInt>,
        role_id -> Nullable<BigInt>,
        invited_by -> Nullable<BigInt>,
        invited_at -> BigInt,
        sent_at -> BigInt,
        expires_at -> BigInt,
        mail_id -> Nullable<BigInt>,
        reminders -> Integer,
        opened_at -> Nullable<BigInt>,
        password_set_at -> Nullable<BigInt>,
        joined_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    links (id) {
        id -> BigInt,
        kind -> Text,
        token_hash -> Binary,
        account_id -> Nullable<BigInt>,
        invitation_id -> Nullable<BigInt>,
        user_id -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        failures -> Integer,
        pending -> Nullable<Binary>,
    }
}

diesel::table! {
    subscribers (id) {
        id -> BigInt,
        account_id -> BigInt,
        email -> Text,
        state -> Text,
        added_by -> BigInt,
        added_at -> BigInt,
    }
}

diesel::table! {
    announcements (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        markdown -> Text,
        account_id -> Nullable<BigInt>,
        written_by -> Nullable<BigInt>,
        created_at -> BigInt,
        next_subscriber -> BigInt,
        next_user -> BigInt,
        addressed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    announcement_recipients (announcement_id, email) {
        announcement_id -> BigInt,
        email -> Text,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        account_id -> Nullable<BigInt>,
        kind -> Text,
        recipient -> Text,
        state -> Text,
        sealed -> Nullable<Binary>,
        priority -> Integer,
        created_at -> BigInt,
        available_at -> BigInt,
        attempts -> Integer,
        leased_until -> Nullable<BigInt>,
        lease_token -> Nullable<Binary>,
        finished_at -> Nullable<BigInt>,
        answer -> Nullable<Text>,
        invitation_id -> Nullable<BigInt>,
        announcement_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit_entries (account_id, seq) {
        account_id -> BigInt,
        seq -> BigInt,
        at -> BigInt,
        actor_id -> Nullable<BigInt>,
        actor_name -> Text,
        address -> Text,
        action -> Text,
        data -> Text,
        kid -> Text,
        hash -> Binary,
    }
}

diesel::table! {
    page_layouts (id) {
        id -> BigInt,
        account_id -> BigInt,
        object -> SmallInt,
        name -> Text,
        standard -> Bool,
    }
}

diesel::table! {
    layout_fields (account_id, layout_id, field) {
        account_id -> BigInt,
        layout_id -> BigInt,
        field -> Text,
        position -> Integer,
        section -> Text,
        read_only -> Bool,
        required -> Bool,
    }
}

diesel::table! {
    object_permissions (account_id, profile_id, object) {
        account_id -> BigInt,
        profile_id -> BigInt,
        object -> SmallInt,
        rights -> SmallInt,
        layout_id -> BigInt,
    }
}

diesel::table! {
    organization_wide_sharing (account_id, object) {
        account_id -> BigInt,
        object -> SmallInt,
        level -> SmallInt,
    }
}

diesel::table! {
    sharing_rules (id) {
        id -> BigInt,
        account_id -> BigInt,
        name -> Text,
        object -> Nullable<SmallInt>,
        source_role_id -> BigInt,
        source_below -> Bool,
        target_role_id -> BigInt,
        target_below -> Bool,
        level -> SmallInt,
        active -> Bool,
        ends_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    custom_fields (id) {
        id -> BigInt,
        account_id -> BigInt,
        object -> SmallInt,
        label -> Text,
        kind -> Text,
        choices -> Text,
        created_at -> BigInt,
        retired_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    records (account_id, id) {
        id -> BigInt,
        account_id -> BigInt,
        environment -> SmallInt,
        object -> SmallInt,
        name -> Text,
        sort_name -> Text,
        creator_slot -> Integer,
        assigned_slot -> Nullable<Integer>,
        owner_slot -> Integer,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        data -> Text,
    }
}

diesel::table! {
    record_changes (account_id, record_id, version) {
        account_id -> BigInt,
        record_id -> BigInt,
        version -> BigInt,
        at -> BigInt,
        member_slot -> Integer,
        changes -> Text,
    }
}

diesel::table! {
    exports (id) {
        id -> BigInt,
        account_id -> BigInt,
        environment -> SmallInt,
        object -> SmallInt,
        member_slot -> Integer,
        address -> Text,
        query -> Text,
        filter -> Text,
        direct -> Bool,
        state -> Text,
        reason -> Text,
        attempts -> Integer,
        expected -> BigInt,
        written -> BigInt,
        bytes -> BigInt,
        file -> Nullable<Text>,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        leased_until -> Nullable<BigInt>,
        lease_token -> Nullable<Binary>,
    }
}

diesel::table! {
    imports (id) {
        id -> BigInt,
        account_id -> BigInt,
        environment -> SmallInt,
        object -> SmallInt,
        member_slot -> Integer,
        address -> Text,
        source -> Text,
        name -> Text,
        external_id -> Text,
        state -> Text,
        reason -> Text,
        attempts -> Integer,
        heads -> Text,
        matched -> Text,
        total -> BigInt,
        done -> BigInt,
        created_rows -> BigInt,
        updated_rows -> BigInt,
        rejected_rows -> BigInt,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        emptied_at -> Nullable<BigInt>,
        leased_until -> Nullable<BigInt>,
        lease_token -> Nullable<Binary>,
    }
}

diesel::table! {
    import_rows (account_id, import_id, number) {
        account_id -> BigInt,
        import_id -> BigInt,
        number -> BigInt,
        cells -> Text,
        state -> SmallInt,
        reason -> Text,
        record_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    record_transfers (id) {
        id -> BigInt,
        account_id -> BigInt,
        from_slot -> Integer,
        to_slot -> Integer,
        asked_by_slot -> Integer,
        asked_at -> BigInt,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    permission_changes (id) {
        id -> BigInt,
        account_id -> BigInt,
        proposed_by -> BigInt,
        proposed_at -> BigInt,
        change -> Text,
        sentence -> Text,
        back -> Text,
        number -> Nullable<BigInt>,
        applied_by -> Nullable<BigInt>,
        applied_at -> Nullable<BigInt>,
        difference -> Nullable<Text>,
        reverts -> Nullable<BigInt>,
    }
}

diesel::table! {
    billing (account_id) {
        account_id -> BigInt,
        plan -> Text,
        plan_name -> Text,
        seats -> BigInt,
        seat_price -> BigInt,
        currency -> Text,
        every -> Text,
        anchor_day -> Nullable<Integer>,
        period -> Integer,
        period_start -> Nullable<Integer>,
        period_end -> Nullable<Integer>,
        next_plan -> Nullable<Text>,
        next_seats -> Nullable<BigInt>,
        credit -> BigInt,
        next_number -> BigInt,
        version -> BigInt,
        company -> Text,
        address -> Text,
        country -> Text,
        vat_number -> Text,
        extra_text -> Text,
        contact -> Text,
        provider -> Text,
        customer -> Text,
    }
}

diesel::table! {
    cards (account_id) {
        account_id -> BigInt,
        provider -> Text,
        token -> Text,
        brand -> Text,
        last4 -> Text,
        exp_year -> Integer,
        exp_month -> Integer,
        added_at -> BigInt,
    }
}

diesel::table! {
    invoices (id) {
        id -> BigInt,
        account_id -> BigInt,
        number -> BigInt,
        kind -> Text,
        corrects_id -> Nullable<BigInt>,
        issued_day -> Integer,
        issued_at -> BigInt,
        renews_day -> Nullable<Integer>,
        currency -> Text,
        net -> BigInt,
        tax -> BigInt,
        total -> BigInt,
        due -> BigInt,
        content -> Text,
        state -> Text,
        attempts -> Integer,
        reason -> Text,
        failed_at -> Nullable<BigInt>,
        attempt_at -> Nullable<BigInt>,
        paid_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    payments (id) {
        id -> BigInt,
        account_id -> BigInt,
        invoice_id -> BigInt,
        key -> Text,
        provider -> Text,
        customer -> Text,
        token -> Text,
        card -> Text,
        amount -> BigInt,
        currency -> Text,
        present -> Bool,
        state -> Text,
        reference -> Nullable<Text>,
        url -> Text,
        reason -> Text,
        created_at -> BigInt,
        leased_until -> BigInt,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    saved_forms (account_id, member_slot, token) {
        account_id -> BigInt,
        member_slot -> Integer,
        token -> Binary,
        content -> Binary,
        path -> Text,
        created_at -> BigInt,
    }
}

diesel::joinable!(members -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(recovery_codes -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    users,
    recovery_codes,
    profiles,
    roles,
    members,
    sessions,
    devices,
    invitations,
    links,
    subscribers,
    announcements,
    announcement_recipients,
    outbox,
    audit_entries,
    page_layouts,
    layout_fields,
    object_permissions,
    organization_wide_sharing,
    sharing_rules,
    custom_fields,
    records,
    record_changes,
    exports,
    imports,
    import_rows,
    record_transfers,
    permission_changes,
    billing,
    cards,
    invoices,
    payments,
);
