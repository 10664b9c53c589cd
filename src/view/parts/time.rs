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

/// An hour of a chart: "14:00".
pub(in crate::view) fn hour(time: Time) -> Markup {
    let stamp = time.rfc3339();
    let (_, clock) = split(&stamp);
    html! { time datetime=(stamp) data-hour { (clock) } }
}

/// A day of a chart that began at this moment, in a zone so many minutes ahead of UTC: "11-24". `is_utc`: the script must not take it for the reader's.
pub(in crate::view) fn day_of(began: Time, ahead: i64, is_utc: bool) -> Markup {
    let stamp = began.rfc3339();
    let there = Time::from_millis(began.millis().saturating_add(ahead.saturating_mul(60_000))).rfc3339();
    html! { time datetime=(stamp) data-date=(if is_utc { "utc" } else { "own" }) { (there.get(5..10).unwrap_or_default()) } }
}

/// A zone so many minutes ahead of UTC: "UTC", "UTC+05:30".
pub(in crate::view) fn zone(ahead: i64) -> String {
    match ahead {
        0 => "UTC".to_owned(),
        _ => format!("UTC{}{:02}:{:02}", if ahead < 0 { '-' } else { '+' }, ahead.abs() / 60, ahead.abs() % 60),
    }
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
    fn a_day_is_called_by_its_own_zones_date() {
        // 2023-11-14T18:30Z is midnight in India.
        let text = day_of(Time::from_secs(1_699_986_600), 330, false).into_string();
        assert_eq!(text, r#"<time datetime="2023-11-14T18:30:00Z" data-date="own">11-15</time>"#);
        assert_eq!((zone(0), zone(330), zone(-210)), ("UTC".into(), "UTC+05:30".into(), "UTC-03:30".into()));
    }

    #[test]
    fn countdowns_round_up() {
        assert_eq!(countdown(Duration::from_millis(271_200)), "4:32");
        assert_eq!(countdown(Duration::ZERO), "0:00");
    }
}
