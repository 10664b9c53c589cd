//! A restart behind a socket that the service manager holds: nobody is refused, and the store passes from one process to the next.

use std::net::TcpListener;

use crate::harness::binary::{Crowd, Machine};
use crate::harness::*;

fn config(upstream: &Upstream, listen: &str) -> String {
    format!(
        "[server]\nlisten = [\"{listen}\"]\nthreads = 2\n[[routes]]\nname = \"app\"\nupstreams = [\"http://{}\"]\npolicy = \"bypass\"\n",
        upstream.address
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_refuses_no_connection() {
    let upstream = Upstream::start().await;
    let hammering = move || {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let machine = Machine::new(&config(&upstream, &address.to_string()));
        let mut gateway = machine.serves_on(&socket);
        assert_eq!(gateway.address, address);
        let crowd = Crowd::asks(address, "app.example", "/");
        for _ in 0..3 {
            crowd.gets(50);
            gateway.stops();
            gateway = machine.serves_on(&socket);
        }
        crowd.gets(50);
        let faults = crowd.leaves();
        assert!(faults.is_empty(), "{} faults, first {:?}", faults.len(), faults.first());
        assert!(!gateway.log().contains("in use"));
    };
    tokio::task::spawn_blocking(hammering).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_no_listener_is_for_is_refused() {
    let upstream = Upstream::start().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let machine = Machine::new(&config(&upstream, "127.0.0.1:1"));
    let said = tokio::task::spawn_blocking(move || std::panic::catch_unwind(|| machine.serves_on(&socket)).err());
    let said = said.await.unwrap().expect("it must not start");
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("the configuration has no listener there"), "{said}");
}
