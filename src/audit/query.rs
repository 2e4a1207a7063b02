//! Reading the audit log, newest first.
