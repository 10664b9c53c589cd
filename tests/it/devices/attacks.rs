//! What a thief or a bystander may try with the protocol itself: each is refused, and none disturbs the owner.

use proptest::prelude::*;
use serde_json::json;

use super::browser::{challenged, refresh};
use super::*;

const REGISTER: &str = "/.vestibule/device/register";

async fn registers(person: &mut Person, proof: &str, more: &str) -> Answer {
    asks(person, REGISTER, &format!("Secure-Session-Response: {proof}\r\n{more}")).await
}

#[tokio::test]
async fn a_session_is_bound_once_by_the_first_key_that_answers_its_offer() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    let (_, challenge) = offered(&offer).unwrap();
    let (owner, thief) = (Device::new(), Device::new());
    // Before: without the challenge nothing is bound, and asking changes nothing.
    for guess in ["", "AAAA", &"A".repeat(43)] {
        assert_eq!(registers(&mut alice, &thief.registration(guess), "").await.status, 404);
    }
    // On another host the challenge is for nobody.
    let mut elsewhere = alice.clone();
    elsewhere.host = "sub.app.example".to_owned();
    registers(&mut elsewhere, &owner.registration(&challenge), "").await.is(404);
    // A page's script cannot do it, nor can two proofs at once, a proof without a key or one of another key.
    let mut script = alice.clone();
    let lines =
        format!("Origin: https://app.example\r\nSec-Fetch-Mode: cors\r\nSecure-Session-Response: {}\r\n", owner.registration(&challenge));
    script.asks("POST", REGISTER, &lines, b"").await.is(403);
    let doubled = format!("Secure-Session-Response: {}\r\n", owner.registration(&challenge));
    registers(&mut alice, &owner.registration(&challenge), &doubled).await.is(403);
    registers(&mut alice, &owner.proof(&challenge), "").await.is(403);
    let header = json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": owner.jwk() });
    registers(&mut alice, &thief.signs(&header, &json!({ "jti": challenge })), "").await.is(403);
    for header in [
        json!({ "alg": "none", "typ": "dbsc+jwt", "jwk": owner.jwk() }),
        json!({ "alg": "HS256", "typ": "dbsc+jwt", "jwk": owner.jwk() }),
        json!({ "alg": "RS256", "typ": "dbsc+jwt", "jwk": owner.jwk() }),
        json!({ "alg": "ES256", "typ": "JWT", "jwk": owner.jwk() }),
        json!({ "alg": "ES256", "typ": "dbsc+jwt", "jwk": owner.jwk(), "crit": ["x"] }),
    ] {
        registers(&mut alice, &owner.signs(&header, &json!({ "jti": challenge })), "").await.is(403);
    }
    // Side by side: one.
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut browser, proof) = (alice.clone(), Device::new().registration(&challenge));
        tries.spawn(async move { registers(&mut browser, &proof, "").await.status });
    }
    let mut bound = tries.join_all().await;
    bound.sort_unstable();
    assert_eq!(bound, [200, 404, 404, 404, 404, 404, 404, 404]);
    // After: never again.
    registers(&mut alice, &thief.registration(&challenge), "").await.is(404);
}

#[tokio::test]
async fn an_offer_is_over_after_two_minutes_and_with_its_session() {
    let world = world().await;
    let (mut alice, offer) = signed_in(&world, "alice").await;
    world.advance(seconds(120));
    Device::new().registers(&mut alice, &offer).await.is(404);
    let (mut bob, offer) = signed_in(&world, "bob").await;
    bob.visits("/.vestibule/logout").await;
    bob.sends("logout", &[]).await;
    Device::new().registers(&mut bob, &offer).await.is(404);
}

#[tokio::test]
async fn no_proof_counts_but_the_keys_own_for_the_last_challenge_and_none_twice() {
    let world = world().await;
    let (mut alice, mut device) = bound(&world, "alice").await;
    let (mut bob, other) = bound(&world, "bob").await;
    let given = device.challenge.clone();
    let is_refused = async |person: &mut Person, name: &str, proof: &str, why: &str| {
        let answer = refresh(person, name, Some(proof)).await;
        assert_eq!((answer.status, challenged(&answer).is_some()), (403, true), "{why}");
        assert_eq!(answer.header("set-cookie"), None, "{why}");
    };
    let jti = |challenge: &str| json!({ "jti": challenge });
    let plain = json!({ "alg": "ES256", "typ": "dbsc+jwt" });
    is_refused(&mut alice, &device.name, &other.proof(&given), "another key").await;
    is_refused(&mut alice, &device.name, &device.proof(&other.challenge), "another session's challenge").await;
    is_refused(&mut bob, &other.name, &other.proof(&given), "for another session").await;
    is_refused(&mut alice, &device.name, &device.registration(&given), "a key in a refresh").await;
    is_refused(&mut alice, &device.name, &device.proof("nothing"), "no challenge").await;
    is_refused(&mut alice, &device.name, "x.y.z", "no proof").await;
    is_refused(&mut alice, &device.name, "\"\"", "nothing").await;
    for alg in ["none", "HS256", "RS256"] {
        is_refused(&mut alice, &device.name, &device.signs(&json!({ "alg": alg, "typ": "dbsc+jwt" }), &jti(&given)), alg).await;
    }
    is_refused(&mut alice, &device.name, &device.signs(&json!({ "alg": "ES256", "typ": "JWT" }), &jti(&given)), "typ").await;
    is_refused(
        &mut alice,
        &device.name,
        &device.signs(&json!({ "alg": "ES256", "typ": "dbsc+jwt", "crit": ["b64"] }), &jti(&given)),
        "crit",
    )
    .await;
    let right = device.proof(&given);
    let (signed, signature) = right.rsplit_once('.').unwrap();
    is_refused(&mut alice, &device.name, &format!("{signed}.{}", &signature[..84]), "63 bytes").await;
    is_refused(&mut alice, &device.name, &format!("{signed}.{signature}AA"), "more bytes").await;
    is_refused(&mut alice, &device.name, &"x".repeat(5000), "too long").await;
    // Both headers twice, a script's request, a name that is none.
    let line = format!("Sec-Secure-Session-Id: {}\r\nSecure-Session-Response: {right}\r\n", device.name);
    asks(&mut alice, "/.vestibule/device/refresh", &format!("{line}Secure-Session-Response: {right}\r\n")).await.is(403);
    asks(&mut alice, "/.vestibule/device/refresh", &format!("{line}Sec-Secure-Session-Id: {}\r\n", device.name)).await.is(404);
    alice.clone().asks("POST", "/.vestibule/device/refresh", &format!("Sec-Fetch-Mode: cors\r\n{line}"), b"").await.is(403);
    refresh(&mut alice, "vestibule-aaaaaaaaaaaaaaaaaaaaaaaaaa", None).await.is(404);
    // Any number of challenges spoils none: the first one still counts, quoted or bare, and then no more.
    for _ in 0..20 {
        refresh(&mut alice, &format!("\"{}\"", device.name), None).await.is(403);
    }
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut browser, name, proof) = (alice.clone(), device.name.clone(), device.signs(&plain, &jti(&given)));
        tries.spawn(async move { refresh(&mut browser, &name, Some(&proof)).await.status });
    }
    let mut shown = tries.join_all().await;
    shown.sort_unstable();
    assert_eq!(shown, [200, 403, 403, 403, 403, 403, 403, 403]);
    is_refused(&mut alice, &device.name, &right, "used").await;
    device.refreshes(&mut alice).await.is(200);
    // Too old.
    let last = device.challenge.clone();
    world.advance(minutes(15));
    is_refused(&mut alice, &device.name, &device.proof(&last), "too old").await;
    device.refreshes(&mut alice).await.is(200);
    // A registration's challenge is for no refresh, and the other way round.
    let (mut carol, offer) = signed_in(&world, "carol").await;
    let (_, registration) = offered(&offer).unwrap();
    is_refused(&mut alice, &device.name, &device.proof(&registration), "of a registration").await;
    registers(&mut carol, &Device::new().registration(&device.challenge), "").await.is(404);
}

#[tokio::test]
async fn a_bound_cookie_of_another_session_or_made_by_hand_shows_nothing() {
    let world = world().await;
    let (alice, _) = bound(&world, "alice").await;
    let (bob, _) = bound(&world, "bob").await;
    world.advance(seconds(61));
    let value = alice.jar.get(BOUND).unwrap().to_owned();
    let session = alice.jar.get("__Host-vestibule").unwrap().to_owned();
    let mut thief = alice.clone();
    for wrong in [bob.jar.get(BOUND).unwrap(), "", "x", &session, &format!("{value}A"), &value[1..]] {
        thief.jar.set(&format!("{BOUND}={wrong}; Path=/; Secure"), HOST, true);
        assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "{wrong}");
    }
    // Two of the name are none, whichever comes first; and over plain HTTP the names are others.
    for cookies in [format!("{BOUND}={value}; {BOUND}=x"), format!("{BOUND}=x; {BOUND}={value}"), format!("vestibule-bound={value}")] {
        let mut raw = alice.clone();
        raw.jar.clear();
        let lines = format!("Accept: */*\r\nCookie: __Host-vestibule={session}; {cookies}\r\n");
        raw.asks("GET", "/page", &lines, b"").await.is(401);
    }
    let mut plain = alice.clone();
    (plain.https, plain.jar) = (false, Default::default());
    plain.asks("GET", "/page", &format!("Accept: */*\r\nCookie: vestibule={session}\r\n"), b"").await.is(401);
    // Words of a browser admit nobody.
    let mut words = alice.clone();
    words.jar.drop(BOUND);
    for line in ["Secure-Session-Skipped: unreachable;session_identifier=\"vestibule-x\"\r\n", "Sec-Secure-Session-Id: x\r\n"] {
        words.asks("GET", "/page", &format!("Accept: */*\r\n{line}"), b"").await.is(401);
    }
}

/// What somebody without the key may do next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Wait(u64),
    Fetch,
    Navigate,
    Account,
    AskForChallenge,
    ReplayProof,
    ReplayRegistration,
    LeaveCookieOut,
    PutCookieBack,
    Confirm,
    Login,
    Socket,
    Question,
    Prove,
    Elsewhere,
    SayUnreachable,
    DoubleCookie,
    Write,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (1u64..240).prop_map(Move::Wait),
        Just(Move::Fetch),
        Just(Move::Navigate),
        Just(Move::Account),
        Just(Move::AskForChallenge),
        Just(Move::ReplayProof),
        Just(Move::ReplayRegistration),
        Just(Move::LeaveCookieOut),
        Just(Move::PutCookieBack),
        Just(Move::Confirm),
        Just(Move::Login),
        Just(Move::Socket),
        Just(Move::Question),
        Just(Move::Prove),
        Just(Move::Elsewhere),
        Just(Move::SayUnreachable),
        Just(Move::DoubleCookie),
        Just(Move::Write),
    ];
    prop::collection::vec(one, 1..18)
}

/// What a thief has.
struct Stolen<'a> {
    device: &'a Device,
    offer: &'a Answer,
    /// A proof that was sent, and the cookie that it brought.
    proof: &'a str,
    cookie: &'a str,
    /// WebSockets that are open.
    open: Vec<Wire>,
}

async fn tries(thief: &mut Person, world: &World, what: Move, stolen: &mut Stolen<'_>) {
    let Stolen { device, offer, proof, cookie, .. } = *stolen;
    let put_back = format!("{BOUND}={cookie}; Path=/; Secure");
    match what {
        Move::Wait(time) => world.advance(seconds(time)),
        Move::Fetch => drop(thief.calls("GET", "/page").await),
        Move::Navigate => drop(thief.opens("/page").await),
        Move::Account => drop(thief.opens("/.vestibule/account").await),
        Move::AskForChallenge => drop(refresh(thief, &device.name, None).await),
        Move::ReplayProof => drop(refresh(thief, &device.name, Some(proof)).await),
        Move::ReplayRegistration => drop(Device::new().registers(thief, offer).await),
        Move::LeaveCookieOut => thief.jar.drop(BOUND),
        Move::PutCookieBack => thief.jar.set(&put_back, HOST, true),
        Move::Socket => {
            let (wire, answer) = thief.opens_socket("/ws", "https://app.example").await;
            stolen.open.extend((answer.status == 101).then_some(wire));
        }
        Move::Question => {
            let question = "X-Forwarded-Method: GET\r\nX-Forwarded-Host: app.example\r\nX-Forwarded-Uri: /page\r\nX-Forwarded-For: 127.0.0.1\r\nAccept: */*\r\n";
            drop(thief.asks("GET", "/.vestibule/auth/forward", question, b"").await);
        }
        Move::Prove => drop(comes_from(thief, "cross-site", "/.vestibule/prove?rd=/page", "").await),
        Move::Elsewhere => {
            let mut other = thief.clone();
            other.host = "sub.app.example".to_owned();
            let (session, bound) = (thief.jar.get("__Host-vestibule").map(str::to_owned), thief.jar.get(BOUND).map(str::to_owned));
            for (name, value) in [("__Host-vestibule", session), (BOUND, bound)] {
                other.jar.set(&format!("{name}={}; Path=/; Secure", value.unwrap_or_default()), "sub.app.example", true);
            }
            drop(other.calls("GET", "/page").await);
        }
        Move::SayUnreachable => {
            let skipped = format!("Secure-Session-Skipped: unreachable;session_identifier=\"{}\"\r\n", device.name);
            drop(comes_from(thief, "none", "/page", &skipped).await);
        }
        Move::DoubleCookie => {
            let session = thief.jar.get("__Host-vestibule").unwrap_or_default().to_owned();
            let mut bare = thief.clone();
            bare.jar.clear();
            let lines = format!("Accept: */*\r\nCookie: __Host-vestibule={session}; {BOUND}={cookie}; {BOUND}=x\r\n");
            drop(bare.asks("GET", "/page", &lines, b"").await);
        }
        Move::Write => {
            drop(thief.asks("POST", "/page", "Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n", b"a=1").await)
        }
        Move::Confirm => drop(thief.opens("/.vestibule/mfa?rd=/page").await),
        Move::Login => drop(thief.opens("/.vestibule/login?fresh=1").await),
    }
}

#[test]
fn no_sequence_of_requests_without_the_key_keeps_a_bound_session_open() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(world());
    let count = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&moves(), |moves| {
            count.set(count.get() + 1);
            let name = format!("victim{}", count.get());
            runtime.block_on(async {
                let (alice, offer) = signed_in(&world, &name).await;
                let (mut alice, mut device) = (alice, Device::new());
                device.registers(&mut alice, &offer).await.is(200);
                let used = device.proof(&device.challenge.clone());
                device.refreshes(&mut alice).await.is(200);
                let cookie = alice.jar.get(BOUND).unwrap().to_owned();
                let (mut thief, stolen_at) = (alice.clone(), world.now());
                let mut stolen = Stolen { device: &device, offer: &offer, proof: &used, cookie: &cookie, open: Vec::new() };
                for step in &moves {
                    tries(&mut thief, &world, *step, &mut stolen).await;
                }
                let open = stolen.open;
                let over = stolen_at + 661;
                world.advance(seconds(over.saturating_sub(world.now())));
                for jar in [thief.jar.clone(), alice.jar.clone()] {
                    thief.jar = jar;
                    assert_eq!(gets_in(&mut thief, &world).await, [""; 0], "{moves:?}");
                }
                // What was opened with both cookies is closed two minutes after the lifetime at the latest.
                world.advance(seconds((stolen_at + 720).saturating_sub(world.now())));
                world.sweeps();
                for mut socket in open {
                    assert_eq!(socket.hear().await, None, "{moves:?}");
                }
                device.refreshes(&mut alice).await.is(200);
                assert_eq!(alice.calls("GET", "/page").await.status, 200, "{moves:?}: the owner goes on");
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world.closes().await) });
}
