//! One thread of the gateway: it accepts connections, does their TLS handshakes and serves them to their end. A panic ends one
//! connection; the shard goes on.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::ext::set_tcp_keepalive;
use pingora::protocols::tls::ALPN;
use pingora::protocols::{Ssl, Stream, TcpKeepalive};
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gateway::authorize::cache::SharedCache;
use crate::gateway::connection::certificates::{CHALLENGE, Certificates};
use crate::gateway::connection::client::{Connection, NewConnections};
use crate::gateway::connection::deadlines::{Deadlines, Timeouts};
use crate::gateway::connection::limits::ConnectionLimits;
use crate::gateway::connection::private::PrivateRegistry;
use crate::gateway::connection::stream::ClientStream;
use crate::gateway::connection::tls_peer::TlsPeers;
use crate::gateway::connection::tls_stream;
use crate::gateway::host::GatewayHost;
use crate::gateway::pipeline::http_app::HttpApp;
use crate::gateway::upstream::idle::IdleConnections;

/// A client that is silently gone is noticed within about two minutes, so that its tunnel does not live for ever.
const PROBES: TcpKeepalive =
    TcpKeepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(15), count: 4, user_timeout: Duration::ZERO };

/// How long a stop waits for the first request of connections that were accepted just before it.
const FIRST_WORDS: Duration = Duration::from_secs(2);

/// What the accept loops of a shard share.
pub struct Shard {
    pub host: Arc<dyn GatewayHost>,
    pub app: Arc<HttpApp>,
    pub connections: Arc<ConnectionLimits>,
    pub timeouts: Timeouts,
    /// How long requests under way may go on after a stop.
    pub drain: Duration,
    pub stop: ShutdownWatch,
    pub newcomers: NewConnections,
    pub deadlines: Deadlines,
    pub cache: SharedCache,
    pub idle: Arc<IdleConnections>,
    pub private: Arc<PrivateRegistry>,
    pub peers: Arc<TlsPeers>,
}

/// How a listener's connections are secured.
struct Secure {
    /// For listeners that ask no client for a certificate.
    acceptor: Acceptor,
    certificates: Arc<Certificates>,
}

impl Shard {
    /// Serves the listeners until the stop, then lets what is under way end. Returns at once if nothing is.
    pub async fn run(self: Arc<Self>, listeners: Vec<(TcpListener, Option<Arc<Certificates>>)>) {
        let mut loops = JoinSet::new();
        for (listener, certificates) in listeners {
            let acceptor = match certificates.map(|certificates| (acceptor(Arc::clone(&certificates)), certificates)) {
                None => None,
                Some((Some(acceptor), certificates)) => Some(Arc::new(Secure { acceptor, certificates })),
                // What was meant for TLS is never served in plain text.
                Some((None, _)) => continue,
            };
            loops.spawn(Arc::clone(&self).accept(listener, acceptor));
        }
        let news = self.host.revocations();
        let serve = async { while loops.join_next().await.is_some() {} };
        let follow = async {
            self.app.follow(news).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serve => (),
            () = follow => (),
            () = self.deadlines.run(self.timeouts, || self.round()) => (),
        }
    }

    /// One more round without use for what the shard remembers, and for its connections to upstreams.
    fn round(&self) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).ages();
        self.idle.sweep(tokio::time::Instant::now());
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, acceptor: Option<Arc<Secure>>) {
        let mut connections = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        self.greet(&mut connections, stream, peer, acceptor.clone());
                        // If new ones arrive without a pause, the last branch never gets its turn.
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
        // Only then idle connections are closed: pingora does not tell them from those that have not sent anything yet.
        let _ = tokio::time::timeout(FIRST_WORDS.min(self.drain), self.newcomers.settle()).await;
        self.app.http_cleanup().await;
        let ends = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        let _ = tokio::time::timeout(self.drain, ends).await;
    }

    fn greet(self: &Arc<Self>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr, acceptor: Option<Arc<Secure>>) {
        let exempt = crate::base::ClientAddr::new(peer.ip()).is_in(&self.host.snapshot().config.server.trusted_proxies);
        let Some(permit) = self.connections.enter(peer.ip(), exempt) else { return };
        let _ = stream.set_nodelay(true);
        let _ = set_tcp_keepalive(&stream, &PROBES);
        let connection = Connection::new(peer.ip(), &self.newcomers);
        self.deadlines.watch(&connection);
        let socket = ClientStream::new(stream, peer, Arc::clone(&connection), Arc::clone(&self.private), permit);
        connections.spawn(Arc::clone(self).serve(socket, peer, connection, acceptor));
    }

    /// Serves one connection, from the handshake to its end or the first missed deadline.
    async fn serve(self: Arc<Self>, socket: ClientStream, peer: SocketAddr, connection: Arc<Connection>, acceptor: Option<Arc<Secure>>) {
        let secure = acceptor.is_some();
        let connection_ends = Arc::clone(&connection);
        let work = async {
            let stream: Stream = match acceptor {
                None => Box::new(socket),
                Some(secure) if secure.certificates.asks() => {
                    // Such a connection can also be ended alone.
                    let (close, closes) = watch::channel(false);
                    match tls_stream::accept(socket, &secure.certificates, &self.host, (&self.peers, close.clone())).await {
                        Ok(Some(stream)) => {
                            let follows = async {
                                stopped(&mut self.stop.clone()).await;
                                close.send_replace(true);
                                std::future::pending::<()>().await;
                            };
                            tokio::select! {
                                _ = self.app.process_new(Box::new(stream), &closes) => (),
                                () = follows => (),
                            }
                            return;
                        }
                        Ok(None) => return connection_ends.serves(),
                        Err(error) => return tracing::debug!(%error, "a handshake failed where client certificates are asked for"),
                    }
                }
                Some(secure) => match secure.acceptor.tls_handshake(socket).await {
                    // An authority wanted to see the certificate; nothing is asked over such a connection.
                    Ok(stream) if matches!(stream.selected_alpn_proto(), Some(ALPN::Custom(_))) => return connection_ends.serves(),
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            self.app.process_new(stream, &self.stop).await;
        };
        Arc::clone(&connection).run(work).await;
        if connection.is_unread(secure) {
            self.host.unread(crate::base::ClientAddr::new(peer.ip()));
        }
    }
}

/// Ends at the stop, or when nobody is left to signal it.
async fn stopped(stop: &mut ShutdownWatch) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, and after both the challenges of ACME.
fn acceptor(certificates: Arc<Certificates>) -> Option<Acceptor> {
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS12, &TLS13]).ok()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = [&b"h2"[..], b"http/1.1", CHALLENGE].map(<[u8]>::to_vec).into();
    Some(Acceptor::from_server_config(Arc::new(config)))
}

/// Out of file descriptors or the like: a short pause, so that the loop does not spin.
async fn rest_after(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|e| e.is_panic()) {
        tracing::error!("a connection was closed after an internal error");
    }
}
