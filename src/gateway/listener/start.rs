//! Starting and stopping the gateway: one thread per shard. Several gateways can run in one process; none of them handles signals or
//! ends the process.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::sync::watch;

use crate::base::random;
use crate::gateway::authorize::cache::SharedCache;
use crate::gateway::authorize::route::Seen;
use crate::gateway::connection::certificates::Certificates;
use crate::gateway::connection::client::NewConnections;
use crate::gateway::connection::deadlines::{Deadlines, Timeouts};
use crate::gateway::connection::https::HttpsHosts;
use crate::gateway::connection::limits::ConnectionLimits;
use crate::gateway::connection::private::PrivateRegistry;
use crate::gateway::connection::tls_peer::TlsPeers;
use crate::gateway::host::GatewayHost;
use crate::gateway::listener::shard::Shard;
use crate::gateway::listener::sockets::{self, Bound, CannotListen};
use crate::gateway::pipeline::hooks::ProxyHooks;
use crate::gateway::pipeline::http_app::HttpApp;
use crate::gateway::pipeline::straight::StraightWay;
use crate::gateway::upstream::idle::IdleConnections;

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
    /// Whether plain requests are forwarded without pingora's proxy. Both ways do the same; tests drive both.
    pub straight: bool,
}

impl Default for Settings {
    /// One shard for each core, ten seconds.
    fn default() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { shards, drain: Duration::from_secs(10), straight: !is_for_pingora() }
    }
}

/// Whether the tests want everything to go pingora's way: they run once by each. Never in a release.
fn is_for_pingora() -> bool {
    cfg!(debug_assertions) && std::env::var_os("VESTIBULE_TEST_PINGORAS_WAY").is_some()
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

/// A running gateway.
pub struct Running {
    /// In the order of the listeners, ports resolved.
    pub addresses: Vec<SocketAddr>,
    connections: Arc<ConnectionLimits>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

type Sockets = Vec<(Bound, Option<Arc<Certificates>>)>;

/// Starts a gateway. When this returns, every address accepts connections on every shard. Blocks for a moment.
///
/// # Errors
/// If an address is not available or a thread cannot start; then nothing is left running.
pub fn start(host: &Arc<dyn GatewayHost>, listeners: &[Listener], settings: &Settings) -> Result<Running, CannotStart> {
    start_with(host, listeners, settings, &[])
}

/// Like [`start`], with sockets that were handed over for the listeners whose addresses they have.
///
/// # Errors
/// As [`start`], and if a socket was handed over that no listener is for.
pub fn start_with(
    host: &Arc<dyn GatewayHost>,
    listeners: &[Listener],
    settings: &Settings,
    inherited: &[std::net::TcpListener],
) -> Result<Running, CannotStart> {
    no_strangers(listeners, inherited)?;
    // Most timers are set for seconds and dropped within milliseconds; tokio's timers cost half as much as pingora's for that.
    pingora::time::fast_timeout::set_fast_timeout_to_tokio_threshold(Some(Duration::ZERO));
    let shards = settings.shards.max(1);
    let limits = host.snapshot().config.limits.clone();
    let (stop, stopped) = watch::channel(false);
    let connections = ConnectionLimits::new(limits.connections, limits.connections_per_ip);
    let mut running = Running { addresses: Vec::new(), connections: Arc::clone(&connections), stop, threads: Vec::new() };
    let mut sockets: Vec<Sockets> = (0..shards).map(|_| Vec::new()).collect();
    for listener in listeners {
        let (address, bound) = sockets::sockets(listener.address, shards, inherited)?;
        running.addresses.push(address);
        for (shard, socket) in bound {
            if let Some(shard) = sockets.get_mut(shard) {
                shard.push((socket, listener.certificates.clone()));
            }
        }
    }
    let https =
        Arc::new(HttpsHosts::new(running.addresses.iter().zip(listeners).filter_map(|(address, listener)| {
            listener.certificates.as_ref().map(|certificates| (address.port(), Arc::clone(certificates)))
        })));
    let mut wanted: Vec<usize> = sockets.iter().map(Vec::len).collect();
    let (ready, is_ready) = mpsc::channel();
    for (number, sockets) in sockets.into_iter().enumerate() {
        let plan = Plan {
            number,
            host: Arc::clone(host),
            connections: Arc::clone(&connections),
            timeouts: Timeouts { header: limits.header_timeout, idle: limits.idle_timeout },
            https: Arc::clone(&https),
            drain: settings.drain,
            stopped: stopped.clone(),
            ids: data_encoding::BASE32_NOPAD.encode(&random::bytes::<5>()?).to_ascii_lowercase(),
            straight: settings.straight,
        };
        running.threads.push(spawn(plan, sockets, ready.clone())?);
    }
    drop(ready);
    let mut listening = is_ready.iter().take(shards).collect::<Result<Vec<usize>, _>>().map_err(CannotStart::Thread)?;
    // Shards report in any order.
    wanted.sort_unstable();
    listening.sort_unstable();
    if listening != wanted {
        return Err(CannotStart::Thread("not every shard listens on every address".into()));
    }
    running.addresses.iter().try_for_each(|a| sockets::confirm(*a))?;
    Ok(running)
}

/// A socket from which nobody accepts would keep its clients waiting for ever.
fn no_strangers(listeners: &[Listener], inherited: &[std::net::TcpListener]) -> Result<(), CannotStart> {
    for socket in inherited {
        let address = socket.local_addr().map_err(|e| CannotStart::Thread(e.to_string()))?;
        if !listeners.iter().any(|listener| listener.address == address) {
            return Err(CannotStart::Stranger(address));
        }
    }
    Ok(())
}

/// What a thread needs to make its shard. Each thread makes its own, so that what a request writes to is in memory that no other core
/// writes to.
struct Plan {
    number: usize,
    host: Arc<dyn GatewayHost>,
    connections: Arc<ConnectionLimits>,
    timeouts: Timeouts,
    https: Arc<HttpsHosts>,
    drain: Duration,
    stopped: ShutdownWatch,
    /// What its request ids begin with.
    ids: String,
    straight: bool,
}

impl Plan {
    /// Within the shard's runtime.
    fn build(self) -> Shard {
        let conf = ServerConf { threads: 1, work_stealing: false, upstream_keepalive_pool_size: POOL, ..ServerConf::default() };
        let private = Arc::new(PrivateRegistry::default());
        let peers = Arc::new(TlsPeers::default());
        let seen = Seen { https: self.https, peers: Arc::clone(&peers) };
        let idle = Arc::new(IdleConnections::default());
        let straight = self.straight.then(|| StraightWay::new(&conf, Arc::clone(&idle)));
        let ids = format!("{}-{:x}-", self.ids, self.number);
        let gate = ProxyHooks::new(Arc::clone(&self.host), Arc::clone(&private), seen, ids, straight);
        let mut proxy = HttpProxy::new(gate, Arc::new(conf));
        proxy.handle_init_modules();
        let cache = SharedCache::default();
        Shard {
            host: self.host,
            app: Arc::new(HttpApp::new(proxy, cache.clone(), self.timeouts.idle)),
            connections: self.connections,
            timeouts: self.timeouts,
            drain: self.drain,
            stop: relayed(self.stopped),
            newcomers: NewConnections::default(),
            deadlines: Deadlines::default(),
            cache,
            idle,
            private,
            peers,
        }
    }
}

/// The shard's own stop signal, which follows the common one: pingora looks at it with each request, behind a lock.
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
                    Arc::new(plan.build()).run(listeners).await;
                }
                Err(error) => drop(ready.send(Err(error.to_string()))),
            }
        });
        runtime.shutdown_background();
    };
    thread.spawn(body).map_err(|e| CannotStart::Thread(e.to_string()))
}

impl Running {
    /// Connections from clients at the moment.
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    /// Stops accepting and lets what is under way end, for as long as the settings say. Does not wait.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Blocks until everything has ended.
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
