//! The "legacy" app of the demo: it knows nothing of passwords and believes every header that it is sent. And the outbox page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maud::{DOCTYPE, Markup, html};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::people::Person;
use crate::base::{Clock, Time};
use crate::notify::Outbox;

/// No form of this app is larger.
const MAX_FORM: usize = 1024 * 1024;

/// What it shows of the gateway's side.
#[derive(Clone)]
pub struct Legacy {
    pub outbox: Arc<Outbox>,
    /// Empty until they are seeded.
    pub people: Arc<OnceLock<Vec<Person>>>,
    pub clock: Clock,
}

/// Starts it on a free port of this machine; ends with the runtime.
///
/// # Errors
/// If there is no port.
pub async fn start(legacy: Legacy) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let legacy = legacy.clone();
            let service = service_fn(move |request| answer(request, legacy.clone()));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, legacy: Legacy) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/" => page("Intranet", &home()),
        "/outbox" => sent(&request, &legacy),
        "/headers" => page("Headers", &headers(&request)),
        "/ws" if request.headers().contains_key(header::UPGRADE) => echo(request),
        "/ws" => page("WebSocket echo", &html! { p { "Connect a WebSocket to this address; it sends back what it gets." } }),
        "/api/hello" => api(&request),
        "/payroll/pay" if request.method() == Method::POST => paid(request).await,
        "/staff" | "/staff/" => page("Staff", &html! { p { (greeting(&request)) } p { "The canteen has lentils today." } }),
        "/payroll" | "/payroll/" => page("Payroll", &payroll(&request)),
        "/payroll/pay" => page("Pay", &pay_form()),
        "/vault" | "/vault/" => page("Vault", &html! { p { (greeting(&request)) } p { "You got in with a security key." } }),
        _ => {
            let mut response = page("Not found", &html! { p { "This app has no page at " code { (path) } "." } });
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn page(title: &str, body: &Markup) -> Response<Full<Bytes>> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - Legacy Intranet" }
                style { "body{font:16px/1.5 Georgia,serif;margin:0;background:#fffff4;color:#222}header{background:#204a62;padding:.6rem 1rem;display:flex;flex-wrap:wrap;gap:.25rem 1rem}header a{color:#fff}main{padding:1rem;max-width:60rem}table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{min-width:8rem}pre{white-space:pre-wrap;margin:0}" }
            }
            body {
                header {
                    @for (path, name) in [("/", "Home"), ("/staff/", "Staff"), ("/payroll/", "Payroll"), ("/vault/", "Vault"), ("/headers", "Headers"), ("/outbox", "Outbox")] {
                        a href=(path) { (name) }
                    }
                    a href="/.vestibule/account" { "My account" }
                    a href="/.vestibule/logout" { "Sign out" }
                }
                main { h1 { (title) } (body) }
            }
        }
    };
    html_answer(page)
}

fn html_answer(page: Markup) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.into_string())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn home() -> Markup {
    html! {
        p { "Welcome to the intranet of 2009. This page is public; the others stand behind the gate." }
        ul {
            li { a href="/staff/" { "Staff" } " wants a password" }
            li { a href="/payroll/" { "Payroll" } " wants a second factor too" }
            li { a href="/payroll/pay" { "Pay somebody" } " wants one that is fresh" }
            li { a href="/vault/" { "The vault" } " takes a security key only" }
            li { a href="/api/hello" { "The API" } " takes a token: make one in " a href="/.vestibule/account/tokens" { "My account" } }
            li { a href="/headers" { "Headers" } " shows what the app is told of you" }
            li { a href="/outbox" { "Outbox" } " shows the mails and messages that the demo sent" }
        }
    }
}

/// The app believes this header. The gate sees to it that it may.
fn greeting(request: &Request<Incoming>) -> String {
    let value = |name: &str| request.headers().get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    format!("Hello {}.", value("remote-name").or_else(|| value("remote-user")).unwrap_or_else(|| "stranger".into()))
}

/// For scripts: says who asks, as the gate tells it.
fn api(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "hello": greeting(request) }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn payroll(request: &Request<Incoming>) -> Markup {
    html! {
        p { (greeting(request)) }
        table { tr { th { "Month" } th { "Salary" } } tr { td { "October" } td { "4,200.00" } } tr { td { "November" } td { "4,200.00" } } }
        p { a href="/payroll/pay" { "Pay somebody" } }
    }
}

fn pay_form() -> Markup {
    html! {
        form method="post" action="/payroll/pay" {
            p { label { "To " input name="to"; } }
            p { label { "Amount " input name="amount"; } }
            p { button { "Pay" } }
        }
    }
}

async fn paid(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Ok(body) = Limited::new(request.into_body(), MAX_FORM).collect().await else {
        return page("Pay", &html! { p { "That form was too large." } });
    };
    let body = body.to_bytes();
    let fields: Vec<_> = url::form_urlencoded::parse(&body).collect();
    page("Paid", &html! { table { @for (name, value) in &fields { tr { th { (name) } td { (value) } } } } })
}

fn headers(request: &Request<Incoming>) -> Markup {
    html! {
        p { "What the app got, as it came:" }
        table #headers {
            @for (name, value) in request.headers() {
                tr { th { (name) } td { code { (String::from_utf8_lossy(value.as_bytes())) } } }
            }
        }
    }
}

fn sent(request: &Request<Incoming>, legacy: &Legacy) -> Response<Full<Bytes>> {
    let messages = legacy.outbox.newest_first();
    if request.headers().get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json")) {
        let mut response = Response::new(Full::new(Bytes::from(serde_json::to_vec(&messages).unwrap_or_default())));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    page(
        "Outbox",
        &html! {
            (codes(legacy.people.get().map(Vec::as_slice).unwrap_or_default(), legacy.clock.now()))
            @if messages.is_empty() { p { "Nothing was sent yet." } }
            table #outbox {
                @for message in &messages {
                    tr { th { (message.at) br; (message.to) br; (message.subject.as_deref().unwrap_or("SMS")) } td { pre { (message.text) } } }
                }
            }
        },
    )
}

/// What the authenticator apps show now: the demo stands in for the phones of its people.
fn codes(people: &[Person], now: Time) -> Markup {
    let shown = people.iter().filter_map(|person| Some((person.name, person.totp.as_ref()?.code(now)?)));
    html! {
        table #codes {
            @for (name, (code, left)) in shown { tr { th { (name) "'s authenticator app" } td { code { (code) } " for " (left) " seconds more" } } }
        }
    }
}

/// Answers 101, then sends back every message.
fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let Some(accept) = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes())) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert("sec-websocket-accept", accept);
    }
    tokio::spawn(async move {
        if let Ok(stream) = hyper::upgrade::on(request).await {
            talk(TokioIo::new(stream)).await;
        }
    });
    response
}

async fn talk(stream: TokioIo<hyper::upgrade::Upgraded>) {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::protocol::Role;
    let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
