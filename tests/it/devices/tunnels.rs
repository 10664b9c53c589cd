//! What is open, WebSockets, event streams and downloads, goes on for as long as the key is used, and not much longer.

use super::*;

const ORIGIN: &str = "https://app.example";

/// What somebody has open on a route.
struct Open {
    socket: Wire,
    events: Wire,
    download: Wire,
}

async fn begins(person: &Person, target: &str, accepts: &str) -> Wire {
    let mut wire = person.wire().await;
    wire.send(format!("GET {target} HTTP/1.1\r\n{}Accept: {accepts}\r\n\r\n", person.lines(target)).as_bytes()).await;
    assert_eq!(wire.head().await.expect("a head").status, 200, "{target}");
    wire
}

impl Open {
    async fn begin(person: &Person, route: &str) -> Self {
        let (socket, answer) = person.opens_socket(&format!("{route}/ws"), ORIGIN).await;
        answer.is(101);
        let mut events = begins(person, &format!("{route}/sse"), "text/event-stream").await;
        assert_eq!(events.chunk().await.unwrap(), b"data: one\n\n");
        let mut download = begins(person, &format!("{route}/download"), "*/*").await;
        assert_eq!(download.exactly(5).await.unwrap(), b"first");
        let mut open = Self { socket, events, download };
        open.goes_on().await;
        open
    }

    /// Twice: what is cut while the first echo passes has no second.
    async fn goes_on(&mut self) {
        for text in ["still", "there"] {
            self.socket.say(text).await;
            assert_eq!(self.socket.hear().await.as_deref(), Some(text));
        }
    }

    async fn breaks_off(mut self) {
        assert_eq!(self.socket.hear().await, None, "the WebSocket is cut");
        assert_eq!(self.events.chunk().await, None, "the stream of events is cut");
        assert_eq!(self.download.until(b"after").await, None, "the download is cut");
    }

    async fn ends_well(mut self) {
        self.goes_on().await;
        assert_eq!(self.events.chunk().await.unwrap(), b"data: two\n\n");
        assert!(self.download.until(b"after").await.is_some(), "the download comes to its end");
    }
}

/// Sweeps, and waits until all that is open has been looked at: a tunnel whose owner is disabled afterwards is cut.
async fn sweeps(world: &World, canary: &str) {
    let (carl, _) = signed_in(world, canary).await;
    let (mut socket, answer) = carl.opens_socket("/ws", ORIGIN).await;
    answer.is(101);
    world.sweeps();
    world.disable(canary).await;
    assert_eq!(socket.hear().await, None);
}

#[tokio::test]
async fn what_is_open_closes_once_the_key_was_not_used_for_too_long_and_a_refresh_keeps_it() {
    let world = world().await;
    let (idle, _) = bound(&world, "idle").await;
    let (mut busy, mut device) = bound(&world, "busy").await;
    let (unbound, _) = signed_in(&world, "unbound").await;
    let idle = [Open::begin(&idle, "/vault").await, Open::begin(&idle, "").await, Open::begin(&idle, "/watched").await];
    let mut busys = [Open::begin(&busy, "/vault").await, Open::begin(&busy, "").await, Open::begin(&busy, "/bank").await];
    let unbound = [Open::begin(&unbound, "").await, Open::begin(&unbound, "/watched").await];
    let [mut required, mut preferred, mut observed] = idle;
    // The bound cookie's time is over, and two minutes more are given.
    world.advance(minutes(11) + seconds(59));
    sweeps(&world, "canary-1").await;
    for open in [&mut required, &mut preferred, &mut observed].into_iter().chain(&mut busys) {
        open.goes_on().await;
    }
    device.refreshes(&mut busy).await.is(200);
    world.advance(seconds(1));
    world.sweeps();
    required.breaks_off().await;
    preferred.breaks_off().await;
    sweeps(&world, "canary-2").await;
    observed.goes_on().await;
    for open in &mut busys {
        open.goes_on().await;
    }
    // So it goes each time.
    world.advance(minutes(11) + seconds(58));
    sweeps(&world, "canary-3").await;
    for open in &mut busys {
        open.goes_on().await;
    }
    world.advance(seconds(1));
    world.sweeps();
    for open in busys {
        open.breaks_off().await;
    }
    world.upstream.all_go_on();
    observed.ends_well().await;
    for open in unbound {
        open.ends_well().await;
    }
    // Nothing was wrong: the browser shows the device, and opens it again.
    device.refreshes(&mut busy).await.is(200);
    Open::begin(&busy, "/vault").await;
}

#[tokio::test]
async fn a_websocket_that_was_opened_before_the_device_had_to_be_shown_ends_when_it_has_to_be() {
    let world = world().await;
    let (alice, offer) = signed_in(&world, "alice").await;
    let early = Open::begin(&alice, "").await;
    let (mut alice, mut device) = (alice, Device::new());
    device.registers(&mut alice, &offer).await.is(200);
    let mut copied = alice.clone();
    copied.jar.drop(BOUND);
    let Open { socket: mut thiefs, .. } = Open::begin(&copied, "").await;
    let mut own = Open::begin(&alice, "").await;
    let watched = Open::begin(&copied, "/watched").await;
    world.advance(seconds(60));
    world.sweeps();
    let Open { socket: mut early, events, mut download } = early;
    assert_eq!(early.hear().await, None, "nobody knows whose it is");
    assert_eq!(thiefs.hear().await, None, "the copied cookie's is cut");
    copied.opens_socket("/ws", ORIGIN).await.1.is(401);
    sweeps(&world, "canary").await;
    own.goes_on().await;
    // What only the application sends goes on to its end: it may be the first thing that somebody asked for.
    world.upstream.all_go_on();
    assert!(download.until(b"after").await.is_some());
    drop(events);
    watched.ends_well().await;
    own.ends_well().await;
}

#[tokio::test]
async fn what_another_binding_opened_ends_with_it_and_a_step_up_keeps_both() {
    let world = world().await;
    let mut bob = world.person_with_app("bob", &[]).await;
    bob.https = true;
    bob.opens("/fresh").await;
    bob.follows().await;
    bob.types_password().await;
    bob.follows().await;
    let offer = bob.types_the_code().await;
    let mut device = Device::new();
    device.registers(&mut bob, &offer).await.is(200);
    let mut open = Open::begin(&bob, "/vault").await;
    world.advance(minutes(9));
    device.refreshes(&mut bob).await.is(200);
    world.advance(minutes(7));
    bob.visits("/fresh").await;
    let answer = bob.types_the_next_code().await;
    assert!(offered(&answer).is_none(), "the key stays");
    sweeps(&world, "canary-1").await;
    open.goes_on().await;
    // The step up is no use of the key.
    world.advance(minutes(5));
    world.sweeps();
    open.breaks_off().await;
    device.refreshes(&mut bob).await.is(200);
    let open = Open::begin(&bob, "/vault").await;
    // Whoever has lost the key authenticates, and binds the session to another: what the first one opened is not theirs by that.
    let mut lost = bob.clone();
    lost.jar.drop(BOUND);
    lost.visits("/page").await;
    lost.is_at("mfa/totp");
    world.advance(seconds(30));
    let offer = lost.types_the_next_code().await;
    open.breaks_off().await;
    Device::new().registers(&mut lost, &offer).await.is(200);
}

#[tokio::test]
async fn turning_it_on_or_making_it_shorter_counts_for_what_is_open() {
    let world = World::builder()
        .mfa("first_enrolment = \"password\"")
        .with(&format!("{SERVER}[session.device_bound]\nlifetime = \"30m\"\n{ROUTES}"))
        .build()
        .await;
    let (alice, _) = bound(&world, "alice").await;
    let (bob, _) = signed_in(&world, "bob").await;
    let (mut required, preferred, mut unbound) =
        (Open::begin(&alice, "/vault").await, Open::begin(&alice, "").await, Open::begin(&bob, "/watched").await);
    world.advance(minutes(20));
    sweeps(&world, "canary-1").await;
    required.goes_on().await;
    world.reload(|text| text.replace("lifetime = \"30m\"", "lifetime = \"5m\"")).await;
    required.breaks_off().await;
    preferred.breaks_off().await;
    unbound.goes_on().await;
    world.reload(|text| text.replace("device_bound = \"observe\"", "device_bound = \"require\"")).await;
    unbound.breaks_off().await;
}
