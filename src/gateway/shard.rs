//! One thread of the gateway: it accepts, shakes hands, and serves its connections to their end. A panic ends one
//! connection; the shard goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp};
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::protocols::l4::ext::set_tcp_keepalive;
use pingora::protocols::tls::ALPN;
use pingora::protocols::{Stream, TcpKeepalive};
use pingora::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::edge::Edge;
use super::front::Front;
use super::line::{Line, Newcomers, Patrol};
use super::memory::Shared;
use super::socket::Socket;
use super::tls::Certificates;

/// A client that is silently gone is noticed within about two minutes, so that its tunnel does not live for ever.
const PROBES: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(15), count: 4, user_timeout: Duration::ZERO };

/// How long a stop waits for the first request of what was accepted just before it.
const FIRST_WORDS: Duration = Duration::from_secs(2);

/// What the accept loops of a shard share.
pub struct Shard {
    pub front: Arc<dyn Front>,
    pub edge: Arc<Edge>,
    pub crowd: Arc<Crowd>,
    pub header_timeout: Duration,
    /// How long requests under way may go on after a stop.
    pub drain: Duration,
    pub stop: ShutdownWatch,
    pub newcomers: Newcomers,
    pub patrol: Patrol,
    pub memory: Shared,
}

impl Shard {
    /// Serves the listeners until the stop, then lets what is under way end. Returns at once where nothing is.
    pub async fn run(self: Arc<Self>, listeners: Vec<(TcpListener, Option<Arc<Certificates>>)>) {
        let mut loops = JoinSet::new();
        for (listener, certificates) in listeners {
            let acceptor = match certificates.map(acceptor) {
                None => None,
                Some(Some(acceptor)) => Some(Arc::new(acceptor)),
                // Never in plain text what was meant for TLS.
                Some(None) => continue,
            };
            loops.spawn(Arc::clone(&self).accept(listener, acceptor));
        }
        let news = self.front.revocations();
        let serve = async { while loops.join_next().await.is_some() {} };
        let follow = async {
            self.edge.follow(news).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serve => (),
            () = follow => (),
            () = self.patrol.walk(self.header_timeout, &self.memory) => (),
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, acceptor: Option<Arc<Acceptor>>) {
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        self.greet(&mut connections, stream, peer, acceptor.clone());
                        // Where new ones come without a pause, the last branch never has its turn.
                        while let Some(ended) = connections.try_join_next() {
                            report(ended);
                        }
                    }
                    Err(error) => rest_after(&error).await,
                },
                Some(ended) = connections.join_next() => report(ended),
            }
        }
        drop(listener);
        // Only then are the idle ones closed: pingora makes no difference between them and those that have not spoken yet.
        let _ = tokio::time::timeout(FIRST_WORDS.min(self.drain), self.newcomers.settle()).await;
        self.edge.http_cleanup().await;
        let ends = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        let _ = tokio::time::timeout(self.drain, ends).await;
    }

    fn greet(self: &Arc<Self>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr, acceptor: Option<Arc<Acceptor>>) {
        let exempt = crate::base::ClientAddr::new(peer.ip()).is_in(&self.front.snapshot().config.server.trusted_proxies);
        let Some(seat) = self.crowd.enter(peer.ip(), exempt) else { return };
        let _ = stream.set_nodelay(true);
        let _ = set_tcp_keepalive(&stream, &PROBES);
        let line = Line::new(peer.ip(), &self.newcomers);
        self.patrol.watch(&line);
        let socket = Socket::new(stream, peer, Arc::clone(&line), seat);
        connections.spawn(Arc::clone(self).serve(socket, peer, line, acceptor));
    }

    /// One connection, from the handshake to its end or the first missed deadline.
    async fn serve(self: Arc<Self>, socket: Socket, peer: SocketAddr, line: Arc<Line>, acceptor: Option<Arc<Acceptor>>) {
        let secure = acceptor.is_some();
        let connection = async {
            let stream: Stream = match acceptor {
                None => Box::new(socket),
                Some(acceptor) => match acceptor.tls_handshake(socket).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            self.edge.process_new(stream, &self.stop).await;
        };
        Arc::clone(&line).carry(connection).await;
        if line.is_unread(secure) {
            self.front.unread(crate::base::ClientAddr::new(peer.ip()));
        }
    }
}

/// Ends at the stop, or when nobody is left to say it.
async fn stopped(stop: &mut ShutdownWatch) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
fn acceptor(certificates: Arc<Certificates>) -> Option<Acceptor> {
    let mut settings = TlsSettings::intermediate("", "").ok()?;
    settings.set_cert_resolver(certificates);
    settings.set_alpn(ALPN::H2H1);
    Some(settings.build())
}

/// Out of file descriptors or the like: a short rest, so that the loop does not spin.
async fn rest_after(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|e| e.is_panic()) {
        tracing::error!("a connection was closed after an internal error");
    }
}
