//! No text and no environment panics; what is refused names at least one problem, each with a remedy; and what is accepted can be taken into use: as a policy
//! that decides, as limits that count, as senders of mail and SMS. Of an input, the lines after one that is `---` are the environment.
#![no_main]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vestibule::account::Failures;
use vestibule::base::{Clock, Host, Time};
use vestibule::config::{Config, Loaded, Rate};
use vestibule::factor::password;
use vestibule::gateway::Snapshot;
use vestibule::limit::{Bucket, is_locked, record_failure};
use vestibule::notify::{Notifier, Texts};
use vestibule::policy::{Ask, Decision, HostPattern, Level, Policy, decide, run_expectations};
use vestibule::session::{CookieKind, Cookies, over};

fuzz_target!(|text: &str| {
    let (file, environment) = text.split_once("\n---\n").unwrap_or((text, ""));
    let variables = environment.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    match vestibule::config::parse(file, Path::new("fuzz.toml"), variables) {
        Err(problems) => {
            assert!(!problems.0.is_empty());
            assert!(problems.0.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
            let _ = problems.to_string();
        }
        Ok(loaded) => use_it(loaded),
    }
});

fn use_it(loaded: Loaded) {
    let config = Arc::new(loaded.config);
    assert!(config.fixed_until_restart(&config).is_empty());
    assert!(config.portal.prefix.starts_with('/') && config.portal.prefix.len() > 1);
    let policy = Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix));
    Snapshot::new(config.clone(), policy.clone()).expect("its upstreams can be used");
    run_expectations(&policy, &config.expect, |_| None);
    ask(&config, &policy);
    limits(&config);
    senders(&config);
    if config.password.memory_kib <= 256 && config.password.iterations <= 4 {
        password::dummy_phc(&config.password).expect("its passwords can be hashed");
    }
    for kind in [CookieKind::Session, CookieKind::Flow, CookieKind::Csrf, CookieKind::Device] {
        for secure in [false, true] {
            let line = Cookies::new(&config.session, secure).set(kind, "x", Some(config.session.lifetime));
            http::HeaderValue::try_from(line).expect("its cookies can be set");
        }
    }
}

/// Nobody gets to where more than nothing is wanted, wherever a route is.
fn ask(config: &Config, policy: &Policy) {
    let home = config.home();
    assert!(Host::parse(home.as_bytes()).is_ok(), "{home}");
    let _ = config.may_link_to(&format!("https://{home}"));
    for route in policy.routes() {
        let name = match route.hosts.first() {
            Some(HostPattern::Exact(name)) => name.clone(),
            Some(HostPattern::Below(name)) => format!("a.{name}"),
            None => "a.example".to_owned(),
        };
        let host = Host::parse(name.as_bytes()).expect("a route's host is one");
        for target in [format!("{}/", route.path), format!("{}/x?y", route.path), "/".to_owned()] {
            let Ok(path) = vestibule::path::Path::parse(target.as_bytes()) else { continue };
            let client = vestibule::base::ClientAddr::new([192, 0, 2, 1].into());
            let ask = Ask { host: &host, method: &http::Method::GET, client, path: &path, form: false, certificate: vestibule::policy::Certificate::Absent };
            let Decision::Allow(admission) = decide(policy, &ask, None, Time::from_secs(0)) else { continue };
            let (_, by) = policy.admitted(&admission).expect("a route");
            let open = |level: Level, enforce: bool| level == Level::Bypass || !enforce;
            let wants = &by.requirement;
            let any = open(wants.level, wants.enforce) || by.rules.iter().any(|rule| open(rule.requirement.level, rule.requirement.enforce));
            assert!(any, "{name}{target} is open by {by:?}");
        }
    }
}

fn limits(config: &Config) {
    let (start, ever) = (Time::from_secs(1_800_000_000), Time::from_millis(i64::MAX));
    for (created, now) in [(start, start), (start, ever), (ever, start)] {
        let _ = over(created, created, &config.session, now);
    }
    assert!(over(start, start, &config.session, start).is_none(), "a session that is over before it begins");
    let mut failures = Failures::default();
    for _ in 0..120 {
        record_failure(&mut failures, &config.limits, start);
        let _ = is_locked(&failures, start);
    }
    assert!(is_locked(&failures, start) || config.limits.lockout.is_zero(), "120 failures and no lock");
    let rates: [Rate; 2] = [config.limits.login_per_ip, config.limits.login_per_account];
    for rate in rates {
        let mut bucket = Bucket::default();
        assert!(bucket.check(rate, start).is_ok(), "nobody gets in");
        for _ in 0..rate.count.min(5000) {
            bucket.failed(rate, start);
        }
        let later = start.plus(rate.per.saturating_mul(16) + Duration::from_secs(60));
        assert!(bucket.check(rate, later).is_ok(), "a wait that does not end");
    }
}

fn senders(config: &Config) {
    if config.mail.is_none() && config.sms.is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let texts = Arc::new(Texts::load(None).expect("the built-in texts"));
    // What the reader of the file leaves to this, `vestibule check` and a reload ask before they call it good.
    let good = Notifier::check(config.mail.as_ref(), config.sms.as_ref());
    let started = Notifier::start(config.mail.as_ref(), config.sms.as_ref(), texts, Clock::system(), runtime.handle());
    assert_eq!(started.err(), good.err());
}
