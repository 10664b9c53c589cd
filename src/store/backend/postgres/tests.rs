//! What the conformance suite does not ask of a backend: two gateways at once, lost connections, a server that does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::*;

async fn open() -> (String, Arc<PostgresKv>) {
    let database = server::database().await;
    let kv = PostgresKv::open(&server::url(&database)).await.unwrap();
    (database, Arc::new(kv))
}

async fn until(changes: &mut mpsc::Receiver<Change>, wanted: &Change) {
    let heard = async { while changes.recv().await.as_ref() != Some(wanted) {} };
    tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_gateways_may_start_at_once() {
    let url = server::url(&server::database().await);
    let starts: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let url = url.clone();
                async move { PostgresKv::open(&url).await.map(drop) }
            })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_gateways_that_take_an_absent_key_one_gets_it() {
    let (database, a) = open().await;
    let b = Arc::new(PostgresKv::open(&server::url(&database)).await.unwrap());
    for round in 0..20 {
        let take = |kv: &Arc<PostgresKv>, who: &'static str| {
            let (kv, key) = (kv.clone(), format!("k{round}"));
            tokio::spawn(async move { kv.commit(Batch::default().expect(key.clone(), None).put(key, who)).await.unwrap() })
        };
        let tasks = [take(&a, "a"), take(&b, "b"), take(&a, "a"), take(&b, "b")];
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_crossed_expectations_one_holds() {
    let (_, kv) = open().await;
    for round in 0..20 {
        let (x, y) = (format!("x{round}"), format!("y{round}"));
        let crossed = |absent: &String, write: &String| {
            let (kv, batch) = (kv.clone(), Batch::default().expect(absent.clone(), None).put(write.clone(), "1"));
            tokio::spawn(async move { kv.commit(batch).await.unwrap() })
        };
        let (one, two) = (crossed(&x, &y), crossed(&y, &x));
        assert!(one.await.unwrap() ^ two.await.unwrap(), "each wrote what the other expected to be absent");
    }
}

#[tokio::test]
async fn an_import_of_thousands_is_one_commit() {
    let (_, kv) = open().await;
    let batch = (0..20_000).fold(Batch::durable(), |batch, n| batch.expect(format!("k{n}"), None).put(format!("k{n}"), vec![0; 100]));
    assert!(kv.commit(batch).await.unwrap());
    assert_eq!(kv.scan(b"k", None, 100_000, false).await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn the_last_write_of_a_key_counts() {
    let (_, kv) = open().await;
    assert!(kv.commit(Batch::default().put("k", "1").delete("k").put("k", "2").put("gone", "1").delete("gone")).await.unwrap());
    assert_eq!(kv.get(b"k").await.unwrap().unwrap(), b"2");
    assert!(kv.get(b"gone").await.unwrap().is_none());
}

#[tokio::test]
async fn a_lost_connection_is_made_anew() {
    let (database, kv) = open().await;
    assert!(kv.commit(Batch::default().put("k", "1")).await.unwrap());
    for _ in 0..3 {
        cut(&database).await;
        assert_eq!(kv.get(b"k").await.unwrap().unwrap(), b"1");
        cut(&database).await;
        assert!(kv.commit(Batch::default().put("k", "1")).await.unwrap());
    }
}

/// Ends every connection of a database.
async fn cut(database: &str) {
    let sql = format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'");
    server::client("postgres").await.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_change_is_told_to_the_others() {
    let (database, a) = open().await;
    let b = PostgresKv::open(&server::url(&database)).await.unwrap();
    let mut changes = b.changes().unwrap();
    until(&mut changes, &Change::Listening).await;
    a.commit(Batch::default().put("flow/1", "x").put("session/1", "x").put("account/1", "x").delete("session/none")).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        if let Change::Key(key) = changes.recv().await.unwrap() {
            told.push(key);
        }
    }
    assert_eq!(told, [b"account/1".to_vec(), b"session/1".to_vec()]);
    // Its own: a session written is known, a deletion is followed.
    b.commit(Batch::default().put("session/2", "x")).await.unwrap();
    b.commit(Batch::default().delete("session/1")).await.unwrap();
    let next = loop {
        match changes.recv().await.unwrap() {
            Change::Key(key) => break key,
            Change::Gone(_) | Change::Alive | Change::Listening | Change::Replaced => {}
            Change::Used(_) | Change::Asked(_) | Change::Answered(..) => {}
        }
    };
    assert_eq!(next, b"session/1");
    cut(&database).await;
    until(&mut changes, &Change::Listening).await;
}

#[tokio::test]
async fn nothing_hangs_on_a_server_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("postgres://u:hunter2@{}/v", silent.local_addr().unwrap()));
    let before = Instant::now();
    let said = PostgresKv::open(&url).await.err().unwrap().to_string();
    assert!(before.elapsed() < Duration::from_secs(15) && !said.contains("hunter2"), "{said}");
    let locked = open().await;
    let other = server::client(&locked.0).await;
    other.batch_execute("BEGIN; LOCK TABLE vestibule_kv").await.unwrap();
    let before = Instant::now();
    assert!(matches!(locked.1.get(b"k").await, Err(StoreError::Backend(_))));
    assert!(matches!(locked.1.commit(Batch::default().put("k", "1")).await, Err(StoreError::Backend(_))));
    assert!(before.elapsed() < Duration::from_secs(20));
    other.batch_execute("ROLLBACK").await.unwrap();
    assert!(locked.1.get(b"k").await.unwrap().is_none());
}

/// A server's end of TLS before the tests' server, which has none.
async fn tls_in_front(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> std::net::SocketAddr {
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut request = [0; 8];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "no request for TLS");
                stream.write_all(b"S").await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = UnixStream::connect(server::folder().join(".s.PGSQL.5432")).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_is_used_where_it_is_demanded_and_its_certificate_verified() {
    let database = server::database().await;
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certified.cert.pem()).unwrap();
    let port = tls_in_front(&certified).await.port();
    let url = |options: &str| Secret::new(format!("postgres://vestibule@localhost:{port}/{database}?sslmode=require{options}"));
    let trusted = url(&format!("&sslrootcert={}", roots.display()));
    let kv = PostgresKv::open(&trusted).await.unwrap();
    assert!(kv.commit(Batch::default().put("k", "1")).await.unwrap());
    let said = PostgresKv::open(&url("")).await.err().unwrap().to_string();
    assert!(said.contains("certificate"), "{said}");
    // A server that offers no TLS gets nothing more.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        stream.read(&mut request).await.unwrap_or(0)
    });
    let refused = PostgresKv::open(&Secret::new(format!("postgres://u:p@{address}/v?sslmode=require"))).await.err().unwrap().to_string();
    assert!(refused.contains("does not support TLS"), "{refused}");
    assert_eq!(asked.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_long_a_commit_takes() {
    let (_, kv) = open().await;
    let start = Instant::now();
    for n in 0..1000 {
        let key = format!("session/{n}");
        assert!(kv.commit(Batch::durable().expect(key.clone(), None).put(key, vec![0; 300])).await.unwrap());
    }
    println!("one after the other: {:?} a commit", start.elapsed() / 1000);
    let start = Instant::now();
    for n in 0..1000 {
        assert!(kv.get(format!("session/{n}").as_bytes()).await.unwrap().is_some());
    }
    println!("one after the other: {:?} a read", start.elapsed() / 1000);
    let start = Instant::now();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let kv = kv.clone();
            tokio::spawn(async move {
                for n in 0..200 {
                    let key = format!("flow/{task}/{n}");
                    assert!(kv.commit(Batch::durable().expect(key.clone(), None).put(key, vec![0; 300])).await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("16 at once: {:.0} commits a second", 3200.0 / start.elapsed().as_secs_f64());
}
