//! Everything Insight promises, told over HTTP, mail and in a browser. `bash .ci/test` runs it and installs what it needs.

#[allow(dead_code, reason = "a box of tools, not all in use at all times")]
mod app;

mod accounts;
mod audit;
mod audit_log;
mod browser_keys;
mod browser_pages;
mod browser_walk;
mod commands;
mod decisions;
mod export;
mod first_start;
mod harness;
mod http;
mod import;
mod invitations;
mod inviting;
mod joining;
mod kept_pages;
mod log;
mod loopholes;
mod lost_access;
mod mail;
mod member_actions;
mod members;
mod menu;
mod migrations;
mod plans;
mod product_mail;
mod product_updates;
mod races;
mod registration;
mod registration_rules;
mod routes;
mod security;
mod sessions;
mod sign_in;
mod sign_in_forms;
mod sign_in_mails;
mod subscribers;
mod throttling;
mod totals;
mod transfer;
mod two_servers;
mod web;
