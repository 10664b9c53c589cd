//! Starting and stopping the gateway: a thread for each shard, one state shared by all. Several gateways run in one process;
//! none of them touches signals or ends the process.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::sync::watch;

use super::crowd::Crowd;
use super::edge::Edge;
use super::front::Front;
use super::hooks::Gate;
use super::line::{Newcomers, Patrol};
use super::listen::{self, Bound, CannotListen};
use super::memory::Shared;
use super::shard::Shard;
use super::tls::Certificates;
use crate::base::random;

/// How many idle connections to upstreams a shard keeps.
const POOL: usize = 256;

/// Where to listen, and how.
#[derive(Clone)]
pub struct Listener {
    pub address: SocketAddr,
    /// `None`: plain HTTP/1.1.
    pub certificates: Option<Arc<Certificates>>,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads; at least one.
    pub shards: usize,
    /// How long requests under way may go on after a stop.
    pub drain: Duration,
}

impl Default for Settings {
    /// One shard for each core, ten seconds.
    fn default() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { shards, drain: Duration::from_secs(10) }
    }
}

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    #[error(transparent)]
    Listen(#[from] CannotListen),
    #[error("a socket on {0} was handed over, and the configuration has no listener there: let server.listen and the socket unit agree")]
    Stranger(SocketAddr),
    #[error("a thread of the gateway could not start: {0}")]
    Thread(String),
    #[error(transparent)]
    Entropy(#[from] random::NoEntropy),
}

/// A gateway that accepts connections.
pub struct Running {
    /// In the order of the listeners, ports resolved.
    pub addresses: Vec<SocketAddr>,
    crowd: Arc<Crowd>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

type Sockets = Vec<(Bound, Option<Arc<Certificates>>)>;

/// Starts a gateway. When this returns, every address accepts connections on every shard. It blocks shortly.
///
/// # Errors
/// Where an address cannot be had or a thread cannot start; then nothing is left running.
pub fn start(front: &Arc<dyn Front>, listeners: &[Listener], settings: &Settings) -> Result<Running, CannotStart> {
    start_with(front, listeners, settings, &[])
}

/// As [`start`], taking the sockets that were handed over for the listeners whose addresses they have.
///
/// # Errors
/// As [`start`], and where a socket was handed over that no listener is for.
pub fn start_with(
    front: &Arc<dyn Front>,
    listeners: &[Listener],
    settings: &Settings,
    inherited: &[std::net::TcpListener],
) -> Result<Running, CannotStart> {
    no_strangers(listeners, inherited)?;
    // Most timers are set for seconds and dropped within milliseconds, which costs tokio's half of what pingora's own takes.
    pingora::time::fast_timeout::set_fast_timeout_to_tokio_threshold(Some(Duration::ZERO));
    let shards = settings.shards.max(1);
    let limits = front.snapshot().config.limits.clone();
    let (stop, stopped) = watch::channel(false);
    let crowd = Crowd::new(limits.connections, limits.connections_per_ip);
    let mut running = Running { addresses: Vec::new(), crowd: Arc::clone(&crowd), stop, threads: Vec::new() };
    let mut sockets: Vec<Sockets> = (0..shards).map(|_| Vec::new()).collect();
    for listener in listeners {
        let (address, bound) = listen::sockets(listener.address, shards, inherited)?;
        running.addresses.push(address);
        for (shard, socket) in bound {
            if let Some(shard) = sockets.get_mut(shard) {
                shard.push((socket, listener.certificates.clone()));
            }
        }
    }
    let mut wanted: Vec<usize> = sockets.iter().map(Vec::len).collect();
    let (ready, is_ready) = mpsc::channel();
    for (number, sockets) in sockets.into_iter().enumerate() {
        let plan = Plan {
            number,
            front: Arc::clone(front),
            crowd: Arc::clone(&crowd),
            header_timeout: limits.header_timeout,
            drain: settings.drain,
            stopped: stopped.clone(),
            ids: data_encoding::BASE32_NOPAD.encode(&random::bytes::<5>()?).to_ascii_lowercase(),
        };
        running.threads.push(spawn(plan, sockets, ready.clone())?);
    }
    drop(ready);
    let mut listening = is_ready.iter().take(shards).collect::<Result<Vec<usize>, _>>().map_err(CannotStart::Thread)?;
    // They come in any order.
    wanted.sort_unstable();
    listening.sort_unstable();
    if listening != wanted {
        return Err(CannotStart::Thread("not every shard listens on every address".into()));
    }
    running.addresses.iter().try_for_each(|a| listen::confirm(*a))?;
    Ok(running)
}

/// A socket that nobody accepts from would keep its clients waiting for ever.
fn no_strangers(listeners: &[Listener], inherited: &[std::net::TcpListener]) -> Result<(), CannotStart> {
    for socket in inherited {
        let address = socket.local_addr().map_err(|e| CannotStart::Thread(e.to_string()))?;
        if !listeners.iter().any(|listener| listener.address == address) {
            return Err(CannotStart::Stranger(address));
        }
    }
    Ok(())
}

/// All that a thread needs to make its shard. It makes it itself: what it writes to at each request then lies in memory of its own, and not
/// beside another's, where two cores would take it from each other.
struct Plan {
    number: usize,
    front: Arc<dyn Front>,
    crowd: Arc<Crowd>,
    header_timeout: Duration,
    drain: Duration,
    stopped: ShutdownWatch,
    /// What its request ids begin with.
    ids: String,
}

impl Plan {
    /// Within the shard's runtime.
    fn carry_out(self) -> Shard {
        let conf = ServerConf { threads: 1, work_stealing: false, upstream_keepalive_pool_size: POOL, ..ServerConf::default() };
        let gate = Gate::new(Arc::clone(&self.front), format!("{}-{:x}-", self.ids, self.number));
        let mut proxy = HttpProxy::new(gate, Arc::new(conf));
        proxy.handle_init_modules();
        let memory = Shared::default();
        Shard {
            front: self.front,
            edge: Arc::new(Edge::new(proxy, memory.clone())),
            crowd: self.crowd,
            header_timeout: self.header_timeout,
            drain: self.drain,
            stop: relayed(self.stopped),
            newcomers: Newcomers::default(),
            patrol: Patrol::default(),
            memory,
        }
    }
}

/// A stop of the shard's own that follows the common one: pingora looks at it with each request, behind a lock.
fn relayed(mut stopped: ShutdownWatch) -> ShutdownWatch {
    let (tell, own) = watch::channel(*stopped.borrow());
    tokio::spawn(async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        tell.send_replace(true);
    });
    own
}

type Ready = mpsc::Sender<Result<usize, String>>;

fn spawn(plan: Plan, sockets: Sockets, ready: Ready) -> Result<JoinHandle<()>, CannotStart> {
    let thread = std::thread::Builder::new().name(format!("gateway-{}", plan.number));
    let body = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error.to_string()))),
        };
        runtime.block_on(async {
            let listening = sockets.into_iter().map(|(socket, certificates)| Ok((socket.listen()?, certificates)));
            match listening.collect::<std::io::Result<Vec<_>>>() {
                Ok(listeners) => {
                    let _ = ready.send(Ok(listeners.len()));
                    drop(ready);
                    Arc::new(plan.carry_out()).run(listeners).await;
                }
                Err(error) => drop(ready.send(Err(error.to_string()))),
            }
        });
        runtime.shutdown_background();
    };
    thread.spawn(body).map_err(|e| CannotStart::Thread(e.to_string()))
}

impl Running {
    /// Connections from clients just now.
    pub fn connections(&self) -> usize {
        self.crowd.count()
    }

    /// Stops accepting and lets what is under way end, for as long as the settings say. Does not wait.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end. Blocks.
    pub fn join(mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
