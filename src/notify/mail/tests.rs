//! Real conversations with mail servers that are particular: about names, certificates, ports and the words of their questions.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::base::Secret;

const SOON: Duration = Duration::from_secs(20);

/// A mail server's certificate for localhost, which it made itself as `openssl req -x509` does: its own authority.
struct Own {
    pem: String,
    acceptor: TlsAcceptor,
}

impl Own {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = params.self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.der().clone()], key).unwrap();
        Self { pem: made.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    StartTls,
    Tls,
}

/// Serves on a free port, and tells every line that it hears.
async fn server(kind: Kind, acceptor: TlsAcceptor) -> (u16, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, told) = (acceptor.clone(), told.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                match kind {
                    Kind::Plain => converse(stream, &told, true).await,
                    Kind::Tls => converse(BufReader::new(acceptor.accept(stream).await.ok()?), &told, true).await,
                    Kind::StartTls => {
                        stream.write_all(b"220 test\r\n").await.ok()?;
                        for answer in ["250-test\r\n250 STARTTLS\r\n", "220 go on\r\n"] {
                            let mut line = String::new();
                            stream.read_line(&mut line).await.ok()?;
                            told.send(line.trim_end().to_owned()).ok()?;
                            stream.write_all(answer.as_bytes()).await.ok()?;
                        }
                        converse(BufReader::new(acceptor.accept(stream).await.ok()?), &told, false).await
                    }
                }
            });
        }
    });
    (port, heard)
}

/// One that asks for the name and the password in German.
async fn converse(mut stream: BufReader<impl AsyncRead + AsyncWrite + Unpin>, told: &UnboundedSender<String>, greets: bool) -> Option<()> {
    if greets {
        stream.write_all(b"220 test ready\r\n").await.ok()?;
    }
    let mut in_letter = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        told.send(line.to_owned()).ok()?;
        in_letter &= line != ".";
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            _ if in_letter => continue,
            "EHLO" => "250-test\r\n250-AUTH LOGIN\r\n250 8BITMIME",
            // Benutzername, Kennwort
            "AUTH" => "334 QmVudXR6ZXJuYW1lOg==",
            "YWxpY2U=" => "334 S2VubndvcnQ6",
            "aHVudGVyMg==" => "235 welcome",
            "DATA" => {
                in_letter = true;
                "354 go on"
            }
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

fn transport(url: &str, hello: Option<&str>, ca: Option<&str>) -> Transport {
    let ca = ca.map(|pem| Arc::new(pem.as_bytes().to_vec()));
    Transport::new(&Mail { url: Secret::new(url), from: String::new(), hello: hello.map(str::to_owned), ca }).unwrap()
}

async fn deliver(transport: &Transport) -> Result<(), Failure> {
    let writer = Writer::new("no-reply@internal.example").unwrap();
    let written = Written { subject: "s".into(), text: "t".into(), html: "h".into(), logo: None };
    let letter = writer.write("alice@internal.example", &written, Time::from_secs(0)).unwrap();
    transport.deliver(&letter, SOON).await
}

fn lines(heard: &mut UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}

#[tokio::test]
async fn the_server_hears_the_configured_name_and_its_questions_are_answered_in_any_words() {
    let (port, mut heard) = server(Kind::Plain, Own::new().acceptor).await;
    let url = format!("smtp://alice:hunter2@127.0.0.1:{port}");
    deliver(&transport(&url, Some("gate.internal.example"), None)).await.unwrap();
    let all = lines(&mut heard);
    for line in ["EHLO gate.internal.example", "AUTH LOGIN", "YWxpY2U=", "aHVudGVyMg==", "DATA"] {
        assert!(all.iter().any(|heard| heard == line), "{line} in {all:?}");
    }
}

#[tokio::test]
async fn a_server_with_its_own_certificate_is_trusted_if_mail_ca_names_it_and_only_then() {
    let own = Own::new();
    for (kind, scheme) in [(Kind::Tls, "smtps"), (Kind::StartTls, "smtp+starttls")] {
        let (port, mut heard) = server(kind, own.acceptor.clone()).await;
        let url = format!("{scheme}://alice:hunter2@localhost:{port}");
        deliver(&transport(&url, None, Some(&own.pem))).await.unwrap();
        assert!(lines(&mut heard).iter().any(|line| line == "DATA"), "{scheme}");
        for (ca, host) in [(None, "localhost"), (Some(Own::new().pem), "localhost"), (Some(own.pem.clone()), "127.0.0.1")] {
            let url = url.replace("localhost", host);
            let failure = deliver(&transport(&url, None, ca.as_deref())).await.unwrap_err();
            assert!(failure.reason.starts_with("no TLS with the mail server: "), "{scheme}: {}", failure.reason);
        }
        let secrets = lines(&mut heard).into_iter().filter(|line| line.starts_with("AUTH") || line.contains("aHVudGVyMg")).count();
        assert_eq!(secrets, 0, "{scheme}: a password went to a server that is not trusted");
    }
}

#[tokio::test]
async fn a_port_of_the_other_kind_is_told_at_once_and_not_tried_again() {
    let own = Own::new();
    let (tls, _heard) = server(Kind::Tls, own.acceptor.clone()).await;
    let (plain, _heard_too) = server(Kind::Plain, own.acceptor).await;
    for (url, remedy) in [
        (format!("smtp://localhost:{tls}"), "write smtps://"),
        (format!("smtp+starttls://localhost:{tls}"), "write smtps://"),
        (format!("smtps://localhost:{plain}"), "write smtp+starttls:// or smtp://"),
        (format!("smtp+starttls://localhost:{plain}"), "write smtps:// or smtp://"),
    ] {
        let mut transport = transport(&url, None, None);
        transport.server.patience = Duration::from_millis(200);
        let failure = deliver(&transport).await.unwrap_err();
        assert!(failure.reason.contains(remedy) && !failure.transient, "{url}: {}", failure.reason);
    }
}

#[tokio::test]
async fn what_was_put_in_before_tls_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp+starttls://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test\r\n").await.unwrap();
        for answer in ["250 STARTTLS\r\n", "220 go on\r\n250 injected\r\n"] {
            stream.read_line(&mut String::new()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        stream.read_line(&mut String::new()).await.unwrap();
    });
    let failure = deliver(&transport(&url, None, None)).await.unwrap_err();
    assert!(failure.reason.contains("before TLS"), "{}", failure.reason);
}

fn made(url: &str) -> Result<Transport, MailError> {
    Transport::new(&Mail { url: Secret::new(url), from: String::new(), hello: None, ca: None })
}

#[test]
fn the_three_schemes_are_understood_and_no_other() {
    for url in ["smtp://127.0.0.1:25", "smtp+starttls://user:p%40ss@mail.example", "smtps://user:pw@mail.example:465", "smtp://[::1]:25"] {
        assert!(made(url).is_ok(), "{url}");
    }
    let transport_of = |url| made(url).map(|t: Transport| (t.server.host.clone(), t.server.port));
    assert_eq!(transport_of("smtp://[::1]"), Ok(("::1".to_owned(), 25)));
    assert_eq!(transport_of("smtp+starttls://mail.example"), Ok(("mail.example".to_owned(), 587)));
    assert_eq!(transport_of("smtps://mail.example"), Ok(("mail.example".to_owned(), 465)));
    assert!(!format!("{:?}", made("smtps://user:hunter2@mail.example").unwrap()).contains("hunter2"));
    for url in ["http://mail.example", "smtp:", "mail.example:25", "", "smtp://user@mail.example", "smtp://u:%ff@mail.example"] {
        assert_eq!(made(url).unwrap_err(), MailError::Url, "{url}");
    }
}

#[test]
fn a_letter_is_dated_numbered_and_marked_as_automatic() {
    let writer = Writer::new("Vestibule <no-reply@internal.example>").unwrap();
    let written =
        Written { subject: "Grüße\r\nBcc: eve@evil.example".into(), text: "Text".into(), html: "<p>Text</p>".into(), logo: None };
    let letter = writer.write("alice@internal.example", &written, Time::from_secs(1_700_000_000)).unwrap();
    let text = String::from_utf8(letter.formatted()).unwrap();
    for line in ["Date: Tue, 14 Nov 2023 22:13:20 +0000", "Auto-Submitted: auto-generated", "@internal.example>", "multipart/alternative"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
    assert_eq!(letter.envelope().to().len(), 1);
}

#[test]
fn an_address_cannot_carry_more_than_itself() {
    let writer = Writer::new("no-reply@internal.example").unwrap();
    let written = Written { subject: "s".into(), text: "t".into(), html: "h".into(), logo: None };
    for to in ["", "alice", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", "a b@c.example"] {
        assert!(writer.write(to, &written, Time::from_secs(0)).is_err(), "{to:?}");
    }
    assert!(matches!(Writer::new("nobody"), Err(MailError::From)));
}
