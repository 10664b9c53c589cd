//! A bare pingora proxy for comparison: the same allocator and shards (one service with one thread for each core, a SO_REUSEPORT
//! socket each), no checks at all.
//!
//! `bare_proxy PORT UPSTREAM [TLS_PORT CERT KEY]`: listens on 127.0.0.1; over TLS with HTTP/2 by ALPN.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::listeners::TcpSocketOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use pingora::proxy::ProxyServiceBuilder;
use pingora::server::configuration::ServerConf;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// The same address in different spellings: pingora shares one socket between equal strings.
fn address(shard: usize, port: &str) -> String {
    format!("127.0.0.{}1:{port}", "0".repeat(shard))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(upstream)) = (arguments.next(), arguments.next().and_then(|text| text.parse().ok())) else {
        eprintln!("bare_proxy PORT UPSTREAM [TLS_PORT CERT KEY]");
        std::process::exit(2);
    };
    let tls: Vec<String> = arguments.collect();
    let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let conf = ServerConf { threads: shards, work_stealing: false, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    for shard in 0..shards {
        let mut service = ProxyServiceBuilder::new(&server.configuration, Bare(upstream)).name(format!("bare-{shard}")).build();
        service.threads = Some(1);
        let mut socket = TcpSocketOptions::default();
        socket.so_reuseport = Some(true);
        service.add_tcp_with_settings(&address(shard, &port), socket.clone());
        if let [port, cert, key] = tls.as_slice() {
            let mut settings = TlsSettings::intermediate(cert, key).expect("a certificate and its key");
            settings.enable_h2();
            service.add_tls_with_settings(&address(shard, port), Some(socket), settings);
        }
        server.add_service(service);
    }
    server.run_forever();
}
