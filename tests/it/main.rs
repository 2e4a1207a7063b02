//! Everything Insight promises, told over HTTP, mail and in a browser. `bash .ci/test` runs it and installs what it needs.

mod app;

mod audit;
mod commands;
mod harness;
mod mail;
mod migrations;
mod product_mail;
mod races;
mod routes;
mod two_servers;
mod web;
