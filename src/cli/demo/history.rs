//! The month that the demo's people had before it began, so that the overview and the audit log show what they are for. Made up, and the same every time.

use crate::app::App;
use crate::base::Time;
use crate::service::audit::Event;
use crate::store::{AuditRecord, StoreError};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const DAYS: i64 = 30;

/// Who signs in, and what they show.
const PEOPLE: [(&str, &str); 5] =
    [("alice", "password, totp"), ("bob", "password"), ("dave", "password, email"), ("root", "password, totp"), ("dave", "password, sms")];
/// The night on which somebody guessed passwords: so many days ago.
const GUESSED: i64 = 3;

/// Writes it, if the log is empty.
///
/// # Errors
/// The store's.
pub async fn write(app: &App) -> Result<(), StoreError> {
    let store = &app.services.store;
    if store.audit_head().await?.is_some() {
        return Ok(());
    }
    let records = records(app.services.now());
    store.append_audits(records).await.map(drop)
}

fn records(now: Time) -> Vec<AuditRecord> {
    let today = now.millis().div_euclid(DAY);
    let mut all = Vec::new();
    for day in today - DAYS + 1..=today {
        // 1970 began on a Thursday.
        let weekend = matches!((day + 4) % 7, 0 | 6);
        for n in 0..if weekend { 3 } else { 9 + day % 5 } {
            let at = day * DAY + (7 * 60 + (n * 97 + day * 31) % 600) * MINUTE;
            let (name, shown) = PEOPLE.get(usize::try_from((day + n) % 5).unwrap_or(0)).copied().unwrap_or(("alice", "password"));
            if (day + n) % 6 == 0 {
                all.push(record(at, Event::PasswordWrong, name, ""));
            }
            all.push(record(at + 9_000, Event::PasswordRight, name, ""));
            all.push(record(at + 21_000, Event::SignedIn, name, shown));
        }
        if day == today - GUESSED {
            let night = day * DAY + 130 * MINUTE;
            all.extend((0..10).map(|n| record(night + n * 4_000, Event::PasswordWrong, "bob", "")));
            all.push(record(night + 40_000, Event::Locked, "bob", ""));
        }
    }
    all.retain(|record| record.at < now);
    all.sort_by_key(|record| record.at);
    all
}

fn record(at: i64, event: Event, user: &str, detail: &str) -> AuditRecord {
    AuditRecord {
        seq: 0,
        at: Time::from_millis(at),
        event: event.name().to_owned(),
        user: Some(user.to_owned()),
        by: None,
        address: Some(if event == Event::Locked || event == Event::PasswordWrong { "203.0.113.66" } else { "192.0.2.17" }.to_owned()),
        request: None,
        detail: detail.to_owned(),
        previous: String::new(),
        hash: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_lies_in_the_past_and_in_order() {
        let now = Time::from_secs(1_795_000_000);
        let all = records(now);
        assert!(all.is_sorted_by_key(|record| record.at) && all.iter().all(|record| record.at < now));
        assert!((500..1200).contains(&all.len()), "{}", all.len());
        let month = now.minus(std::time::Duration::from_secs(30 * 86_400));
        assert!(all.iter().all(|record| record.at > month) && all.iter().any(|record| record.event == "account.locked"));
    }
}
