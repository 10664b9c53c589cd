//! Values that several sample pages share.

use std::time::Duration;

use crate::base::Time;
use crate::view::pages::mfa::Sent;

/// A name that must never reach the markup as it is.
pub(super) const HOSTILE: &str = "Alice <script>alert(1)</script> \"&'";
pub(super) const MASKED: &str = "a•••@internal.example";

pub(super) fn ago(minutes: i64) -> Time {
    Time::from_secs(1_795_000_000 - minutes * 60)
}

pub(super) fn sent(expires: u64, resend: u64) -> Option<Sent> {
    Some(Sent { expires_in: Duration::from_secs(expires), resend_in: Some(Duration::from_secs(resend)) })
}
