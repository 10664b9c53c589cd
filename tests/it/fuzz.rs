//! Differential fuzzing: raw requests of every form through the real gateway, and what the application received is judged by a second,
//! naive reading of the same routes that shares nothing with the gateway's. `VESTIBULE_TEST_FUZZ=1000000` goes on for longer,
//! `VESTIBULE_TEST_SEED=7` elsewhere.

mod body;
mod dice;
mod h2;
mod lines;
mod model;
mod request;
mod target;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use dice::Dice;
use model::{Level, WHO};
use request::{Keys, Sent};
use tokio::task::JoinSet;
use vestibule::service::audit::Actor;
use vestibule::service::tokens::NewToken;

use crate::harness::upstream::Seen;
use crate::harness::*;

/// Panics in the gateway's own code or on its threads, in this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics from now on.
pub fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let own = info.location().is_some_and(|at| at.file().starts_with("src/"));
            if own || std::thread::current().name().is_some_and(|name| name.starts_with("gateway")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

pub fn panics() -> usize {
    PANICS.load(Ordering::SeqCst)
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A world with the model's routes in force, somebody with one factor and somebody with two.
async fn world() -> (World, Keys) {
    watch_for_panics();
    let world = World::new().await;
    let (mut alice, mut bob) = (world.person("alice", &[]).await, world.person_with_app("bob", &[]).await);
    alice.signs_in().await;
    bob.signs_in().await;
    let upstream = world.upstream.address.to_string();
    world.reload(|text| text + &model::CONFIG.replace("UPSTREAM", &upstream)).await;
    let services = &world.app().services;
    let owner = services.accounts.named("alice").await.unwrap();
    let scope = NewToken { name: "fuzz".into(), lifetime: seconds(86_400), routes: vec!["f-token".into()], ..NewToken::default() };
    let (api, _) = services.api_tokens.make(&owner, &scope, Actor::CommandLine).await.unwrap();
    let token = |person: &Person| person.jar.get("vestibule").unwrap().to_owned();
    let keys = Keys { one: token(&alice), two: token(&bob), token: api.expose().to_owned() };
    (world, keys)
}

#[tokio::test]
async fn a_malformed_chunk_for_the_portal_is_the_clients_fault() {
    let world = World::new().await;
    for chunk in ["ffffffffffffffff1\r\nx\r\n0\r\n\r\n", "zz\r\n\r\n", "1\r\nxx\r\n0\r\n\r\n"] {
        let head =
            format!("POST {PREFIX}/login HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}");
        let came = String::from_utf8(exchange(world.address(), head.as_bytes(), 1).await).unwrap();
        assert!(came.is_empty() || came.starts_with("HTTP/1.1 4"), "{chunk:?}: {came}");
    }
}

/// All the bytes that come back to these, sent in so many packets, until the gateway closes or nothing more comes.
async fn exchange(to: SocketAddr, bytes: &[u8], packets: usize) -> Vec<u8> {
    let mut wire = Wire::open(to, IpAddr::from([127, 0, 0, 1])).await;
    for packet in bytes.chunks(bytes.len().div_ceil(packets).max(1)) {
        wire.send(packet).await;
        if packets > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    match tokio::time::timeout(Duration::from_secs(1), wire.rest()).await {
        Ok(all) => all,
        Err(_) => wire.rest_within_reason().await,
    }
}

type Log = Arc<Mutex<HashMap<String, Sent>>>;

/// One of several that send requests, each over connections of its own.
async fn fuzzer(to: SocketAddr, mut dice: Dice, keys: Keys, budget: usize, log: Log) -> Vec<String> {
    let (mut faults, mut made) = (Vec::new(), 0);
    while made < budget {
        let pipeline = 1 + usize::from(dice.one_in(5)) + usize::from(dice.one_in(20));
        let batch: Vec<Sent> = (0..pipeline).map(|n| request::make(&mut dice, &keys, n + 1 == pipeline)).collect();
        made += batch.len();
        let bytes: Vec<u8> = batch.iter().flat_map(|sent| sent.bytes.clone()).collect();
        log.lock().unwrap().extend(batch.into_iter().map(|sent| (sent.mark.clone(), sent)));
        let packets = if dice.one_in(10) { 2 + dice.below(30) } else { 1 };
        let came = exchange(to, &bytes, packets).await;
        if came.windows(10).any(|w| w.starts_with(b"HTTP/1.1 5")) {
            let answer = String::from_utf8_lossy(&came);
            faults.push(format!("a 5xx\n{}\n=>\n{}", String::from_utf8_lossy(&bytes), answer.get(..400).unwrap_or(&answer)));
        }
    }
    faults
}

/// What is wrong with a request that reached the application.
fn faults_of(seen: &Seen, log: &HashMap<String, Sent>) -> Option<String> {
    let marks = seen.values("x-fuzz");
    let Some(sent) = marks.first().and_then(|mark| log.get(*mark)) else {
        return Some("a request that nobody sent".to_owned());
    };
    if marks.len() != 1 {
        return Some("two requests in one".to_owned());
    }
    let (path, method) = (seen.target().split('?').next().unwrap_or_default(), seen.line().split(' ').next().unwrap_or_default());
    let hosts = seen.values("host");
    let [host] = hosts.as_slice() else { return Some(format!("Hosts: {hosts:?}")) };
    let Some(host) = model::plain_host(host) else { return Some(format!("the Host {host}")) };
    // An application may take a POST for what such a header says.
    let others = ["x-http-method-override", "x-http-method", "x-method-override"].into_iter().flat_map(|name| under(seen, name));
    let methods: Vec<String> =
        std::iter::once(method.to_owned()).chain(others.map(|m| m.to_uppercase()).filter(|_| method == "POST")).collect();
    // Where WebDAV writes to (RFC 4918 section 10.3).
    let elsewhere = under(seen, "destination").into_iter().filter(|_| matches!(method, "MOVE" | "COPY"));
    let elsewhere = elsewhere.map(|url| url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or(url));
    let elsewhere = elsewhere.flat_map(|target| model::readings(target.split('?').next().unwrap_or_default()));
    let readings: Vec<String> = model::readings(path).into_iter().chain(elsewhere).collect();
    if sent.token && (host != "token.example" || readings.iter().any(|text| text == "/other" || text.starts_with("/other/"))) {
        return Some(format!("a token of another route, at {host}"));
    }
    if host == "front.example" && sent.level < Level::Two && model::says_admin(seen.target()) {
        return Some(format!("the query demands more than {:?}", sent.level));
    }
    let credentials = ["authorization", "proxy-authorization", "x-vestibule-token"].into_iter().flat_map(|name| under(seen, name));
    if let Some(value) = credentials.into_iter().find(|value| !["", "Bearer own"].contains(value)) {
        return Some(format!("the credential {value} arrived"));
    }
    let levels: Vec<(String, Level)> = readings
        .into_iter()
        .flat_map(|text| methods.iter().map(|method| (text.clone(), model::wanted(&host, &text, method))).collect::<Vec<_>>())
        .collect();
    if let Some((text, level)) = levels.iter().find(|(_, level)| *level > sent.level) {
        return Some(format!("read as {text:?} it needs {level:?}, the client had {:?}", sent.level));
    }
    identity(seen, sent, &levels).or_else(|| model::own_cookie(seen))
}

/// The values under a name, however an application reads names and the ends of lines, trailers included.
fn under<'s>(seen: &'s Seen, owned: &str) -> Vec<&'s str> {
    let dashed =
        |text: &str| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect() };
    let lines = seen.head.split(['\r', '\n']).skip(1).chain(seen.trailers.split(['\r', '\n']));
    let pairs = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()));
    pairs
        .filter(|(name, _)| dashed(name.trim_matches(|c: char| c.is_whitespace() || c.is_control())) == owned)
        .map(|(_, value)| value)
        .collect()
}

/// Invariant 2: once, with our value, or not at all.
fn identity(seen: &Seen, sent: &Sent, levels: &[(String, Level)]) -> Option<String> {
    let had = sent.level;
    let under = |owned: &str| under(seen, owned);
    for (name, by_level) in WHO {
        let expected = by_level[had as usize];
        let found = under(name);
        // Of anything but the plainest path the gateway may have found a stricter reading than the model does.
        let path = seen.target().split('?').next().unwrap_or_default();
        let plain = path.bytes().all(|b| b.is_ascii_lowercase() || b == b'/') && !path.contains("//");
        let open = plain && levels.iter().all(|(_, level)| *level == Level::Open);
        let shut = levels.iter().all(|(_, level)| *level > Level::Open);
        let good = match expected {
            Some(value) if shut => found == [value],
            Some(_) if open => found.is_empty(),
            Some(value) => found.is_empty() || found == [value],
            None => found.is_empty(),
        };
        if !good {
            return Some(format!("{name}: {found:?} for somebody with {had:?}"));
        }
    }
    let forwarded = [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", if sent.secure { "https" } else { "http" }),
        ("x-forwarded-host", seen.values("host")[0]),
    ];
    for (name, expected) in forwarded {
        if under(name) != [expected] {
            return Some(format!("{name}: {:?}", under(name)));
        }
    }
    let evil = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url", "x-forwarded-user", "proxy"];
    if let Some(name) = evil.iter().find(|name| !under(name).is_empty()) {
        return Some(format!("{name}: {:?}", under(name)));
    }
    let preset = lines::PRESETS.iter().find(|name| under(&name.to_lowercase().replace('_', "-")).contains(&"evil"));
    preset.map(|name| format!("{name} from the client"))
}

/// The same over HTTP/2.
async fn fuzzer_of_streams(
    entrance: (SocketAddr, tokio_rustls::TlsConnector),
    mut dice: Dice,
    keys: Keys,
    budget: usize,
    log: Log,
) -> Vec<String> {
    let (mut faults, mut made) = (Vec::new(), 0);
    while made < budget {
        let batch = h2::batch(&mut dice, &keys);
        made += batch.len();
        let bytes: Vec<u8> = batch.iter().flat_map(|sent| sent.bytes.clone()).collect();
        let failed = h2::exchange(&entrance, &batch).await;
        log.lock().unwrap().extend(batch.into_iter().map(|sent| (sent.mark.clone(), sent)));
        if failed {
            faults.push(format!("a 5xx over HTTP/2\n{}", String::from_utf8_lossy(&bytes)));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_sent_gets_more_than_its_sender_may() {
    const AT_ONCE: usize = 4;
    let (world, keys) = world().await;
    let (budget, seed) = (number("VESTIBULE_TEST_FUZZ", 3000), number("VESTIBULE_TEST_SEED", 1));
    let (log, before) = (Log::default(), world.upstream.count());
    let door = crate::harness::door::Door::before(&world, h2::NAME);
    let mut all = JoinSet::new();
    // One in five is sent over HTTP/2.
    all.spawn(fuzzer_of_streams(door.entrance(), Dice::new((seed * 1000 + AT_ONCE) as u64), keys.clone(), budget / 5, log.clone()));
    for n in 0..AT_ONCE {
        let dice = Dice::new((seed * 1000 + n) as u64);
        all.spawn(fuzzer(world.address(), dice, keys.clone(), (budget - budget / 5).div_ceil(AT_ONCE), log.clone()));
    }
    let mut faults: Vec<String> = all.join_all().await.into_iter().flatten().collect();
    let (log, seen) = (log.lock().unwrap(), world.upstream.seen().split_off(before));
    let mut reached: HashMap<(bool, Level), usize> = HashMap::new();
    let mut count = HashMap::new();
    for seen in &seen {
        let mark = seen.values("x-fuzz").concat();
        if let Some(fault) = faults_of(seen, &log) {
            let sent = log.get(&mark).map(|sent| String::from_utf8_lossy(&sent.bytes).into_owned());
            faults.push(format!("{fault}\nsent: {}\narrived: {}{}", sent.unwrap_or_default(), seen.head, seen.trailers));
        }
        *count.entry(mark.clone()).or_insert(0) += 1;
        if let Some(sent) = log.get(&mark) {
            *reached.entry((sent.secure, sent.level)).or_insert(0) += 1;
        }
    }
    faults.extend(count.iter().filter(|(_, times)| **times > 1).map(|(mark, times)| format!("request {mark} arrived {times} times")));
    println!("{} requests sent, {} arrived (over HTTP/2, level: {reached:?}), {} faults", log.len(), seen.len(), faults.len());
    if let Some(file) = std::env::var_os("VESTIBULE_TEST_FAULTS") {
        std::fs::write(file, faults.join("\n----\n")).unwrap();
    }
    assert!(faults.is_empty(), "{} faults\n\n{}", faults.len(), faults.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n"));
    assert_eq!(panics(), 0, "a panic in the gateway");
    // The generator does not only make what is refused at the door.
    assert!(seen.len() * 12 > log.len(), "{} of {} arrived", seen.len(), log.len());
    assert_eq!(reached.len(), 6, "people with nothing, one factor and two, over both: {reached:?}");
}

/// The judge of the test above sees what it is there to see.
#[test]
fn the_model_reads_queries_as_applications_do() {
    for query in [
        "do=admin",
        "a=b&do=admin",
        "a;do=admin",
        "DO=Admin",
        "%64o=adm%69n",
        "d%256f=admin",
        "do%3dadmin",
        "do[]=admin",
        "do=admin%00x",
        "+do=+admin",
    ] {
        assert!(model::says_admin(&format!("/x?{query}")), "{query}");
    }
    for query in ["", "do=show", "id=admin", "do=administrator", "redo=admin", "do"] {
        assert!(!model::says_admin(&format!("/x?{query}")), "{query}");
    }
}

#[test]
fn the_model_sees_through_disguises() {
    let disguises = [
        "/admin/users",
        "/%61dmin",
        "/%2561dmin",
        "//admin",
        "/x/../admin",
        "/x/..;/admin",
        "/;a=b/admin",
        "/ADMIN",
        "/admin;x/y",
        "/x%5c..%5cadmin",
        "/%ef%bd%81dmin",
        "/%2fadmin",
        "/%252fadmin",
        "/./admin",
        "/%2e/admin",
    ];
    for path in disguises {
        let strictest = model::readings(path).iter().map(|text| model::wanted("open.example", text, "GET")).max();
        assert_eq!(strictest, Some(Level::Two), "{path}");
    }
    for (path, level) in [("//host/admin", Level::Two), ("/x/..;/staff", Level::One), ("/a", Level::Open)] {
        assert_eq!(model::readings(path).iter().map(|text| model::wanted("cut.example", text, "GET")).max(), Some(level), "{path}");
    }
    for path in ["/", "/administrator", "/x/admin", "/public"] {
        assert!(model::readings(path).iter().all(|text| model::wanted("open.example", text, "GET") == Level::Open), "{path}");
    }
}
