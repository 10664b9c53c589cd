//! The cookie check: finding the one session cookie, its signature, the session in memory among 100,000, its limits
//! (`vestibule::gateway::OwnCookies`, `vestibule::service::LiveSessions`).
//!
//! Budget: finding it 120 ns; all of the rest 600 ns, a forged one no more than that.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use http::HeaderValue;
use vestibule::account::Account;
use vestibule::base::{SessionId, Time, UserId};
use vestibule::config::Config;
use vestibule::gateway::OwnCookies;
use vestibule::service::LiveSessions;
use vestibule::service::sessions::Found;
use vestibule::session::keys::MasterKey;
use vestibule::session::{KeyRing, SessionRecord};

const NOW: Time = Time::from_secs(1_800_000_000);
const SESSIONS: u32 = 100_000;

pub fn benches(criterion: &mut Criterion) {
    let live = live();
    let tokens: Vec<String> = (0..1000).map(|n| live.token(session_id(n * 97))).collect();
    let mut group = criterion.benchmark_group("cookie check");
    group.bench_function("find it", |b| {
        let own = OwnCookies::new("vestibule", None);
        let line = HeaderValue::try_from(format!("theme=dark; lang=de; vestibule={}; _ga=GA1.2.1234567890.1700000000", tokens[0])).unwrap();
        b.iter(|| {
            let _ = black_box(own.presented(std::iter::once(&line), false));
        });
    });
    group.bench_function("signature, session, limits", |b| {
        let mut turn = 0;
        b.iter(|| {
            turn = (turn + 1) % tokens.len();
            assert!(matches!(live.lookup(black_box(&tokens[turn]), NOW), Found::Live(_)));
        });
    });
    group.bench_function("forged", |b| {
        let mut forged = tokens[0].clone();
        forged.replace_range(20..21, if &forged[20..21] == "A" { "B" } else { "A" });
        b.iter(|| assert!(matches!(live.lookup(black_box(&forged), NOW), Found::Forged)));
    });
}

fn session_id(n: u32) -> SessionId {
    // As spread as random ones.
    SessionId::from_bytes(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn live() -> LiveSessions {
    let keys = Arc::new(KeyRing::new(&[MasterKey::random(1, NOW).unwrap()]).unwrap());
    let config = Config::default();
    let (live, _) = LiveSessions::new(keys, config.session, config.mfa);
    for n in 0..SESSIONS {
        let account = account(n / 4);
        live.insert(record(session_id(n), account.id), &account);
    }
    live
}

fn account(n: u32) -> Account {
    let id = UserId::from_bytes(u128::from(n).to_be_bytes());
    let name = format!("user{n}");
    serde_json::from_value(serde_json::json!({ "id": id, "name": name, "email": "", "display_name": name, "created": 0 })).unwrap()
}

fn record(id: SessionId, user: UserId) -> SessionRecord {
    SessionRecord {
        id,
        user,
        epoch: 0,
        created: NOW,
        last_seen: NOW,
        second: Some((vestibule::factor::Method::Totp, NOW)),
        trusted_browser: false,
        full_auth: NOW,
        address: [192, 0, 2, 7].into(),
        browser: "Firefox on Linux".into(),
        family: vestibule::session::Family::First,
        device: None,
    }
}
