//! What comes from providers: the browser's way back, logouts from server to server, and the linking of accounts.

pub(super) mod callback;
pub(super) mod link;
