//! How many messages leave: per user, per address and overall (OWASP ASVS 6.6.3), whoever asks and in however many sign-ins. Each bound owns its
//! figure here; the store counts, so that they hold for all gateways together and over a restart.
//!
//! Codes and links have bounds of their own, and so has each browser that a user signed in with before: a stranger who asks for
//! links, or who knows the password, cannot use up what the owner needs to get in.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::base::UserId;
use crate::config::Rate;

const HOUR: Duration = Duration::from_secs(3600);

/// Codes to one user, asked for from one known browser, or from all others together.
pub const CODES: Rate = Rate { count: 20, per: HOUR };
/// Links to one user.
pub const LINKS: Rate = Rate { count: 3, per: HOUR };
/// Notices to one user of sign-ins from new browsers: who signs in again and again with a password that they have fills neither the owner's
/// mailbox nor the queue that codes wait in.
pub const NEW_BROWSERS: Rate = Rate { count: 10, per: HOUR };
/// Messages asked for from one address (IPv6: one /64).
pub const PER_ADDRESS: Rate = Rate { count: 300, per: HOUR };
/// Messages of the whole gateway.
pub const OVERALL: Rate = Rate { count: 1000, per: Duration::from_secs(60) };

/// What is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// A code, asked for from this known browser of the user's, if it is one.
    Code {
        browser: Option<[u8; 16]>,
    },
    Link,
    /// A notice of a sign-in from a new browser; what is asked for is not held up by these.
    NewBrowser,
}

/// What is counted in the store, and its rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// Each is a table of 65,536 cells.
    pub table: &'static str,
    pub name: String,
    pub rate: Rate,
}

impl Sending {
    /// Every bound that a message must be within.
    pub fn counted(self, user: UserId, address: IpAddr) -> Vec<Counted> {
        let own = match self {
            Self::Code { browser: None } => Counted { table: "sent-codes", name: user.to_string(), rate: CODES },
            Self::Code { browser: Some(browser) } => {
                Counted { table: "sent-codes", name: format!("{user} {}", HEXLOWER.encode(&browser)), rate: CODES }
            }
            Self::Link => Counted { table: "sent-links", name: user.to_string(), rate: LINKS },
            Self::NewBrowser => return vec![Counted { table: "sent-new-browsers", name: user.to_string(), rate: NEW_BROWSERS }],
        };
        let overall = Counted { table: "sent", name: "overall".to_owned(), rate: OVERALL };
        vec![overall, own, Counted { table: "sent-address", name: address.to_string(), rate: PER_ADDRESS }]
    }
}
