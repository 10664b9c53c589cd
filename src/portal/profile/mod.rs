//! My account: second factors, contact, password, sessions, and the set-up of a first method.

pub(super) mod account;
pub(super) mod applications;
pub(super) mod contact;
pub(super) mod enrol;
pub(super) mod external;
pub(super) mod tokens;
