//! What the lists of the administration share: the state of an account, and the number of a page.

use crate::base::Time;
use crate::service::admin::directory::Locked;
use crate::view::admin::State;

/// Whether an account can be used.
pub(super) fn state(disabled: bool, locked: Option<Locked>, now: Time) -> State {
    match locked.filter(|locked| locked.holds(now)) {
        _ if disabled => State::Disabled,
        Some(Locked::Until(until)) => State::Locked(until),
        Some(Locked::ForGood) => State::Locked(now),
        None => State::Active,
    }
}

/// A page's number in a query; the first if it is none.
pub(super) fn page_number(text: &str) -> usize {
    text.parse().unwrap_or(1)
}
