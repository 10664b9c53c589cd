//! Moments and spans as pages write them: UTC for everybody, and the reader's own time zone and habits where the script runs.

use std::time::Duration;

use maud::{Markup, html};

use crate::base::Time;

/// A moment to the minute: "2026-03-01 14:05 UTC".
pub(in crate::view) fn moment(time: Time) -> Markup {
    let stamp = time.rfc3339();
    let (date, clock) = split(&stamp);
    html! { time datetime=(stamp) { (date) " " (clock) " UTC" } }
}

/// A moment to the second, for logs: never "5 minutes ago".
pub(in crate::view) fn exact(time: Time) -> Markup {
    let stamp = time.rfc3339();
    let (date, _) = split(&stamp);
    let clock = stamp.split_once('T').and_then(|(_, clock)| clock.get(..8)).unwrap_or_default();
    html! { time datetime=(stamp) data-exact { (date) " " (clock) " UTC" } }
}

/// A day: "2026-03-01".
pub(in crate::view) fn day(time: Time) -> Markup {
    let stamp = time.rfc3339();
    let (date, _) = split(&stamp);
    html! { time datetime=(stamp) data-day { (date) } }
}

/// The date and the time of day, to the minute, of an RFC 3339 stamp; the stamp itself if it is none.
fn split(stamp: &str) -> (&str, &str) {
    match stamp.split_once('T') {
        Some((date, clock)) => (date, clock.get(..5).unwrap_or(clock)),
        None => (stamp, ""),
    }
}

/// What is left, rounded up: "4:32".
pub(in crate::view) fn countdown(left: Duration) -> String {
    let seconds = seconds(left);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Whole seconds, rounded up, so that a page never says "now" too early.
pub(in crate::view) fn seconds(left: Duration) -> u64 {
    left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc_to_the_minute() {
        let text = moment(Time::from_secs(1_700_000_000)).into_string();
        assert_eq!(text, r#"<time datetime="2023-11-14T22:13:20Z">2023-11-14 22:13 UTC</time>"#);
    }

    #[test]
    fn countdowns_round_up() {
        assert_eq!(countdown(Duration::from_millis(271_200)), "4:32");
        assert_eq!(countdown(Duration::ZERO), "0:00");
    }
}
