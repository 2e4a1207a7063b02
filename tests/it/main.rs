//! Everything Insight promises, told over HTTP, mail and in a browser. `bash .ci/test` runs it and installs what it needs.

#[allow(dead_code, reason = "a box of tools, not all in use at all times")]
mod app;

mod accounts;
mod audit;
mod audit_log;
mod first_start;
mod harness;
mod http;
mod invitations;
mod inviting;
mod joining;
mod log;
mod member_actions;
mod members;
mod menu;
mod migrations;
mod product_updates;
mod registration;
mod registration_rules;
mod routes;
mod subscribers;
mod totals;
mod web;
