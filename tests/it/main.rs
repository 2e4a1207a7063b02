//! Everything Insight promises, told over HTTP, mail and in a browser. `bash .ci/test` runs it and installs what it needs.

#[allow(dead_code, reason = "a box of tools, not all in use at all times")]
mod app;

mod audit;
mod commands;
mod harness;
mod http;
mod log;
mod mail;
mod migrations;
mod product_mail;
mod races;
mod routes;
mod totals;
mod two_servers;
mod web;
