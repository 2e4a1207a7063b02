//! Billing & Account: who owns the account, what it has bought, how it pays.
//!
//! * [`plans`]: the file of plans. [`money`], [`days`]: minor units and whole days, no fractions anywhere else.
//! * [`subscription`], [`order`]: the running period; what a change costs, shown first and then placed.
//! * [`renewal`]: the job that invoices each period once, however late it comes.
//! * [`invoices`], [`pdf`]: numbered without gaps, never changed, made into the same PDF every time.
//! * [`payments`], [`dunning`]: attempts to be paid, written down before and after each call to the provider.
//! * [`cards`], [`providers`]: the card on file, and whoever really has it.
//! * [`owner`], [`details`], [`seats`], [`read_only`].
//!
//! # The rule of proration
//!
//! Periods are whole days in UTC. A change in the middle of a period is charged for the days that are left of it, the
//! day of the change included: `seats × price × days left ÷ days of the period`, rounded half up to the minor unit,
//! once for each line of the invoice. A move to another plan has two such lines: the new plan, and what was paid for
//! the old one, taken off. A change from months to years begins a new period on that day. What would give money back
//! is done at the renewal instead: what is paid for is used up first.

pub mod cards;
pub mod days;
pub mod details;
pub mod details_pages;
pub mod dunning;
pub mod invoice_pages;
pub mod invoices;
pub mod jobs;
mod mails;
pub mod money;
pub mod order;
pub mod owner;
pub mod owner_pages;
pub mod payments;
pub mod pdf;
pub mod plan_pages;
pub mod plans;
pub mod providers;
pub mod read_only;
pub mod renewal;
pub mod sandbox_pages;
pub mod seats;
pub mod subscription;
pub mod webhook_pages;

/// Where the plan is.
pub const PLAN: &str = "/billing/plan";

/// Where the invoices are.
pub const INVOICES: &str = "/billing/invoices";

/// Where the account owner is.
pub const OWNER: &str = "/billing/account-owner";
