//! System Settings > Audit log.
