//! Floods over HTTP/2 (frames by hand over TLS) and clients that read nothing: each is cut off or held to its bounds, and meanwhile
//! others are served.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::flood_support::*;
use super::support::*;

/// Resident memory of this process, in MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

/// Whether this is a process of this one test. If it is not, one is started and has passed: what the tests beside it hold would count as
/// memory that a flood took.
fn alone(test: &str) -> bool {
    const ALONE: &str = "VESTIBULE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let test = format!("gateway::tests::floods::{test}");
    let ran = std::process::Command::new(std::env::current_exe().unwrap()).args(["--exact", &test]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    false
}

/// A body may end with a DATA frame that has nothing in it; what its upstream gets has one end, or the next request on that connection, whoever's it
/// is, is read from behind a second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_ends_with_an_empty_frame_ends_once() {
    let (tell, mut written) = tokio::sync::mpsc::unbounded_channel();
    let app = upstream(move |mut stream| {
        let tell = tell.clone();
        async move {
            let (mut all, mut answered) = (Vec::new(), 0);
            // What follows the last chunk is there within the second, and nothing else is.
            while let Ok(Ok(byte)) = tokio::time::timeout(Duration::from_secs(1), stream.read_u8()).await {
                all.push(byte);
                if answered == 0 && all.ends_with(b"0\r\n\r\n") {
                    answered += 1;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
            let _ = tell.send(String::from_utf8_lossy(&all).into_owned());
        }
    })
    .await;
    let house = Fort::new(app, Duration::from_secs(60));
    for ends in [
        [frame(DATA, 0, 1, b"body"), frame(DATA, END_STREAM, 1, b"")].concat(),
        [frame(DATA, 0, 1, b""), frame(DATA, 0, 1, b"body"), frame(DATA, 0, 1, b""), frame(DATA, END_STREAM, 1, b"")].concat(),
        frame(DATA, END_STREAM, 1, b"body"),
    ] {
        let mut client = Flood::begin(&house, &[], true).await;
        let post = [&[0x83], &block("/form")[1..]].concat();
        assert!(client.sends(&[frame(HEADERS, END_HEADERS, 1, &post), ends].concat()).await);
        let seen = soon(written.recv()).await.unwrap();
        let (_, body) = seen.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.to_ascii_lowercase(), "4\r\nbody\r\n0\r\n\r\n", "{seen}");
    }
}

/// CVE-2023-44487: streams opened and reset at once, faster than the limit of streams at a time counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_the_connection() {
    if !alone("rapid_resets_end_the_connection") {
        return;
    }
    let house = Fort::new(mirror().await, Duration::from_secs(60));
    let mut flood = Flood::begin(&house, &[], true).await;
    let (mut stream, before) = (1, resident());
    let mut rounds = 0;
    loop {
        let batch = (0..100).flat_map(|_| {
            stream += 2;
            [get_frame(stream, "/"), frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
        });
        if !flood.sends(&batch.collect::<Vec<_>>()).await {
            break;
        }
        rounds += 1;
        assert!(rounds < 1000, "100,000 resets were taken");
    }
    house.serves_others().await;
    let heard = flood.ends().await;
    assert!(heard.kinds[usize::from(GOAWAY)] > 0, "{rounds} rounds, {:?}", &heard.kinds[..10]);
    assert!(resident() < before + 128);
}

/// CVE-2024-27316: a header that never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_continuations_ends_the_connection() {
    let house = Fort::new(mirror().await, Duration::from_secs(60));
    for piece in [0, 1, 16_384] {
        let mut flood = Flood::begin(&house, &[], true).await;
        flood.sends(&frame(HEADERS, END_STREAM, 1, &block("/"))).await;
        // A literal field without indexing, cut anywhere: its name is `x`, its value as long as the piece.
        let junk = vec![b'x'; piece];
        let next = frame(CONTINUATION, 0, 1, &junk);
        let (mut sent, mut frames) = (0, 0);
        while flood.sends(&next.repeat(16)).await {
            (sent, frames) = (sent + 16 * next.len(), frames + 16);
            assert!(sent < 16 * 1024 * 1024 && frames < 100_000, "{sent} bytes of header in {frames} frames of {piece} were taken");
        }
        house.serves_others().await;
        flood.ends().await;
    }
    assert_eq!(house.house.records(3).await.len(), 3, "those of the others alone");
}

/// A few bytes that unfold to megabytes: one large field, indexed, then named a thousand times (RFC 7541 section 7.3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_bomb_is_not_unfolded() {
    if !alone("a_header_bomb_is_not_unfolded") {
        return;
    }
    let house = Fort::new(mirror().await, Duration::from_secs(60));
    let (mut flood, before) = (Flood::begin(&house, &[], true).await, resident());
    let value = vec![b'y'; 4000];
    // Literal with incremental indexing: name `x`, a value of 4000 bytes (an integer with a prefix of 7 bits).
    let field = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &value].concat();
    let bomb = [block("/"), field, vec![0xbe; 12_000]].concat();
    for n in 0..20 {
        if !flood.sends(&frame(HEADERS, END_STREAM | END_HEADERS, 1 + 2 * n, &bomb)).await {
            break;
        }
    }
    house.serves_others().await;
    assert!(resident() < before + 64, "{} MiB", resident() - before);
    let records = house.house.records(1).await;
    assert!(!records.iter().any(|record| record.starts_with("GET / 200")), "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_pings_without_end_fill_no_memory() {
    if !alone("settings_and_pings_without_end_fill_no_memory") {
        return;
    }
    let house = Fort::new(mirror().await, Duration::from_secs(60));
    let before = resident();
    for junk in [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, b"12345678")] {
        // It never reads an acknowledgement.
        let mut flood = Flood::begin(&house, &[], false).await;
        let mut sent = 0;
        while sent < 64 * 1024 * 1024 && flood.sends(&junk.repeat(4000)).await {
            sent += junk.len() * 4000;
        }
        house.serves_others().await;
        assert!(resident() < before + 96, "{} MiB after {sent} bytes", resident() - before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_the_limit_are_refused() {
    let app = upstream(|mut stream| async move {
        let head = read_head(&mut stream).await.unwrap_or_default();
        if head.contains("/other") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        let _ = stream.read_u8().await;
    })
    .await;
    let house = Fort::new(app, Duration::from_secs(60));
    let mut flood = Flood::begin(&house, &[], true).await;
    for n in 0..150 {
        flood.sends(&get_frame(1 + 2 * n, "/hangs")).await;
    }
    house.serves_others().await;
    // REFUSED_STREAM for those beyond the limit; then the client goes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard = flood.heard.take().unwrap();
    flood.write.shutdown().await.unwrap();
    drop(flood);
    let heard = soon(heard).await.unwrap();
    assert!(heard.kinds[usize::from(RST_STREAM)] >= 50, "{:?}", &heard.kinds[..10]);
    assert_eq!(heard.kinds[usize::from(DATA)], 0);
}

/// Windows of zero: answers are asked for and never taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_never_taken_are_given_up() {
    if !alone("answers_that_are_never_taken_are_given_up") {
        return;
    }
    let app = upstream(|mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let body = if head.contains("/other") { 10 } else { 1 << 20 };
            let answer = [format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").into_bytes(), vec![b'z'; body]].concat();
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let house = Fort::new(app, Duration::from_millis(500));
    // SETTINGS_INITIAL_WINDOW_SIZE (4): 0.
    let mut flood = Flood::begin(&house, &[0, 4, 0, 0, 0, 0], true).await;
    let before = resident();
    for n in 0..90 {
        flood.sends(&get_frame(1 + 2 * n, "/large")).await;
    }
    house.serves_others().await;
    let records = house.house.records(91).await;
    assert!(resident() < before + 128, "{} MiB", resident() - before);
    assert_eq!(records.iter().filter(|record| record.contains("/large")).count(), 90, "each was given up");
}

/// The same over HTTP/1.1: the connection itself is given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_gone_after_the_write_timeout() {
    let app = upstream(|mut stream| async move {
        let head = read_head(&mut stream).await.unwrap_or_default();
        let size: usize = if head.contains("/other") { 0 } else { 1 << 32 };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await;
        while size > 0 && stream.write_all(&[b'z'; 65_536]).await.is_ok() {}
    })
    .await;
    let house = Fort::new(app, Duration::from_millis(500));
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = TcpStream::connect(house.running.addresses[1]).await.unwrap();
        reader.write_all(b"GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        readers.push(reader);
    }
    house.serves_others().await;
    house.is_left().await;
    drop(readers);
}
