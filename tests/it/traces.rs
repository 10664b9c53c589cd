//! What an OpenTelemetry collector is told, over HTTP; and what the application is told of the trace that it is in.

use serde_json::Value;

use crate::harness::*;

const THEIRS: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traced(collector: &Upstream, more: &str) -> String {
    let server = "[server]\ndata_dir = \"data\"\nlisten = [\"127.0.0.1:80\"]\ntrusted_proxies = [\"127.0.0.9/32\"]\n";
    format!(
        "{server}[telemetry]\notlp = \"http://{}/base/\"\nheaders = {{ authorization = \"Bearer hunter2\" }}\n{more}",
        collector.address
    )
}

/// Every span, once there are so many: an answer arrives before its request is over.
async fn spans(world: &World, collector: &Upstream, count: usize) -> Vec<Value> {
    let all = || async {
        world.app().telemetry.drain(seconds(20)).await;
        collector.seen().iter().flat_map(posted).collect::<Vec<_>>()
    };
    for _ in 0..200 {
        if all().await.len() >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    all().await
}

fn posted(post: &upstream::Seen) -> Vec<Value> {
    assert!(post.line().starts_with("POST /base/v1/traces "), "{}", post.head);
    assert_eq!(post.values("content-type"), ["application/json"]);
    assert_eq!(post.values("authorization"), ["Bearer hunter2"]);
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(attribute(&body["resourceSpans"][0]["resource"], "service.name"), "vestibule");
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn attribute<'v>(of: &'v Value, key: &str) -> &'v str {
    let found = of["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key);
    let value = &found.unwrap_or_else(|| panic!("no {key} in {of}"))["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str()).unwrap()
}

fn number(span: &Value, key: &str) -> u64 {
    span[key].as_str().unwrap().parse().unwrap()
}

fn theirs(flags: &str) -> String {
    format!("traceparent: 00-{THEIRS}-{PARENT}-{flags}\r\ntracestate: a=b\r\n")
}

#[tokio::test]
async fn a_request_is_a_span_with_its_way_to_the_upstream_below() {
    let collector = Upstream::start().await;
    let world = World::builder().with(&traced(&collector, "")).build().await;
    let mut guest = world.at_a_browser("guest");
    guest.asks("GET", "/public/page?token=hunter3", &theirs("01"), b"").await.is(200);
    let seen = world.upstream.last();
    let all = spans(&world, &collector, 2).await;
    assert_eq!(all.len(), 2, "{all:?}");
    let (server, client) = (&all[0], &all[1]);
    assert_eq!((&server["kind"], &client["kind"]), (&Value::from(2), &Value::from(3)));
    assert_eq!(server["name"], "GET public");
    let (trace, id) = (server["traceId"].as_str().unwrap(), server["spanId"].as_str().unwrap());
    assert_eq!((trace.len(), id.len(), server.get("parentSpanId")), (32, 16, None));
    assert_ne!(trace, THEIRS, "a stranger is not believed");
    assert_eq!((&client["traceId"], &client["parentSpanId"]), (&server["traceId"], &server["spanId"]));
    assert_eq!(seen.values("traceparent"), [format!("00-{trace}-{}-01", client["spanId"].as_str().unwrap())]);
    assert_eq!(seen.values("tracestate"), Vec::<&str>::new());
    for (key, value) in [
        ("url.path", "/public/page"),
        ("server.address", "app.example"),
        ("http.route", "public"),
        ("http.response.status_code", "200"),
        ("vestibule.outcome", "forwarded"),
    ] {
        assert_eq!(attribute(server, key), value);
    }
    assert_eq!(attribute(server, "vestibule.request_id"), seen.values("x-request-id")[0]);
    assert_eq!(attribute(client, "server.address"), world.upstream.address.to_string());
    let begin = number(server, "startTimeUnixNano");
    assert_eq!(begin / 1_000_000_000, world.now());
    assert!(begin <= number(client, "startTimeUnixNano") && number(client, "startTimeUnixNano") <= number(client, "endTimeUnixNano"));
    assert_eq!(number(client, "endTimeUnixNano"), number(server, "endTimeUnixNano"));
    let text = collector.last().body;
    assert!(!String::from_utf8(text).unwrap().contains("hunter"), "no query and no secret");
}

#[tokio::test]
async fn a_trusted_proxys_trace_goes_on_and_keeps_its_choice() {
    let collector = Upstream::start().await;
    let world = World::builder().with(&traced(&collector, "sample_ratio = 0.0\n")).build().await;
    let mut proxy = world.at_a_browser("proxy").elsewhere(9);
    proxy.asks("GET", "/public/a", &theirs("01"), b"").await.is(200);
    let seen = world.upstream.last();
    assert!(seen.values("traceparent")[0].starts_with(&format!("00-{THEIRS}-")) && seen.values("tracestate") == ["a=b"]);
    for (lines, begins) in [(theirs("00"), THEIRS), (String::new(), ""), ("traceparent: 00-x\r\n".into(), "")] {
        proxy.asks("GET", "/public/b", &lines, b"").await.is(200);
        let said = world.upstream.last().values("traceparent")[0].to_owned();
        assert!(said.starts_with(&format!("00-{begins}")) && said.ends_with("-00"), "{said}");
    }
    let all = spans(&world, &collector, 2).await;
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["traceId"], &all[0]["parentSpanId"]), (&Value::from(THEIRS), &Value::from(PARENT)));
}

#[tokio::test]
async fn refusals_and_sockets_are_spans_too() {
    let collector = Upstream::start().await;
    let world = World::builder().with(&traced(&collector, "")).build().await;
    let mut alice = world.person("alice", &[]).await;
    alice.calls("GET", "/closed/x").await.is(403);
    alice.signs_in().await;
    let (mut wire, answer) = alice.opens_socket("/ws", &alice.origin()).await;
    answer.is(101);
    let said = world.upstream.last();
    wire.say("bye").await;
    drop(wire);
    let mut all = Vec::new();
    for _ in 0..100 {
        all = spans(&world, &collector, 1).await;
        if all.iter().any(|span| attribute_or(span, "vestibule.outcome") == "tunnel") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let with = |outcome: &str| all.iter().find(|span| attribute_or(span, "vestibule.outcome") == outcome).unwrap();
    assert_eq!(attribute(with("forbidden"), "http.response.status_code"), "403");
    let tunnel = with("tunnel");
    let below = all.iter().find(|span| span["parentSpanId"] == tunnel["spanId"]).unwrap();
    assert_eq!(
        said.values("traceparent"),
        [format!("00-{}-{}-01", tunnel["traceId"].as_str().unwrap(), below["spanId"].as_str().unwrap())]
    );
}

fn attribute_or<'v>(span: &'v Value, key: &str) -> &'v str {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key);
    found.and_then(|found| found["value"]["stringValue"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn without_a_collector_nothing_changes_and_one_that_is_away_is_in_nobodys_way() {
    let world = World::new().await;
    let mut guest = world.at_a_browser("guest");
    guest.asks("GET", "/public/a", &theirs("01"), b"").await.is(200);
    assert_eq!(world.upstream.last().values("traceparent"), [format!("00-{THEIRS}-{PARENT}-01")]);
    let away = World::builder().with("[telemetry]\notlp = \"http://127.0.0.1:1\"\n").build().await;
    let mut guest = away.at_a_browser("guest");
    for _ in 0..20 {
        guest.asks("GET", "/public/a", "", b"").await.is(200);
    }
    let metrics = || away.app().telemetry.metrics.text();
    for _ in 0..200 {
        away.app().telemetry.drain(seconds(20)).await;
        if metrics().contains("vestibule_traces_total{outcome=\"failed\"} 20") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{}", metrics());
}
