//! Clients that ask at a steady rate, each over a connection of its own that stays open, on threads that nothing else runs on: what
//! they wait for is the gateway, as far as one machine allows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long after the answer before each client asks again, at the earliest.
const EVERY: Duration = Duration::from_millis(10);

pub struct Steady {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Duration>>>,
}

impl Steady {
    /// So many clients, each asking a hundred times a second with this head.
    pub fn start(clients: u32, to: SocketAddr, head: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |number: u32| {
            let (over, head) = (over.clone(), head.to_owned());
            std::thread::spawn(move || asks(to, &head, EVERY / clients * number, &over))
        };
        Self { clients: (0..clients).map(client).collect(), over }
    }

    /// How long each answer took, the slowest last.
    pub fn stop(self) -> Vec<Duration> {
        self.over.store(true, Ordering::SeqCst);
        let mut times: Vec<Duration> = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        times.sort_unstable();
        times
    }
}

fn asks(to: SocketAddr, head: &str, offset: Duration, over: &AtomicBool) -> Vec<Duration> {
    let mut stream = BufReader::new(TcpStream::connect(to).unwrap());
    stream.get_ref().set_nodelay(true).unwrap();
    let (mut due, mut times) = (Instant::now() + offset, Vec::new());
    while !over.load(Ordering::SeqCst) {
        // One that is late because the answer before it was counts its waiting too.
        let now = Instant::now();
        let from = if now < due {
            std::thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        stream.get_mut().write_all(head.as_bytes()).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
        times.push(from.elapsed());
        due += EVERY;
    }
    times
}

/// The status line, once all of the answer is there.
fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    status
}
