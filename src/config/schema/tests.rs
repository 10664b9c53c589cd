//! The schema is what the reader reads, and what we hand out keeps to it.

use std::collections::BTreeSet;

use super::super::build;
use super::super::examples_tests::{all, text};
use super::super::tests::ROUTE;
use super::*;
use crate::config::document::tree;

/// Every key that the reader asks for when something stands in every table, `[0]` written `[]`.
fn read_keys() -> BTreeSet<String> {
    let all = format!(
        "[acme]\neab = {{}}\n[[server.tls]]\ncertificates = [{{}}]\n[sms]\nheaders = {{ x = \"y\" }}\n[telemetry]\nheaders = {{ x = \"y\" }}\n{ROUTE}identity = {{}}\nupstream_auth = {{ basic = {{}} }}\nhealth = {{}}\nproxy = {{ client_certificate = {{}} }}\nassertion = {{}}\nrequest_headers = {{ x = \"y\" }}\nresponse_headers = {{ x = \"y\" }}\n[[routes.rules]]\nquery = {{ x = [\"y\"] }}\n[[directories]]\nattributes = {{}}\ngroup_map = {{ x = \"y\" }}\n[[expect]]\n[[providers]]\n[providers.group_map]\nx = \"y\"\n"
    );
    let collector = ProblemCollector::new(Path::new("x"));
    build(&collector, &tree::read(&all).unwrap());
    collector
        .known()
        .into_iter()
        .map(|key| {
            key.replace("[0]", "[]").replace("headers.x", "headers.*").replace("query.x", "query.*").replace("group_map.x", "group_map.*")
        })
        .collect()
}

/// What a value breaks of the schema, by its place.
fn faults(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(forms) = schema["anyOf"].as_array() {
        let mut each = forms.iter().map(|form| {
            let mut wrong = Vec::new();
            faults(form, value, at, &mut wrong);
            wrong
        });
        found.extend(each.by_ref().min_by_key(Vec::len).unwrap_or_default());
        return;
    }
    let is = |name: &str| schema["type"] == name;
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    if !(is(kind) || is("number") && kind == "integer") {
        found.push(format!("{at}: {kind}"));
        return;
    }
    match value {
        Value::Object(entries) => {
            for name in schema["required"].as_array().into_iter().flatten().filter(|name| !entries.contains_key(name.as_str().unwrap())) {
                found.push(format!("{at}: no {name}"));
            }
            for (name, value) in entries {
                match (schema["properties"].get(name), &schema["additionalProperties"]) {
                    (Some(below), _) => faults(below, value, &format!("{at}.{name}"), found),
                    (None, Value::Object(_)) => faults(&schema["additionalProperties"], value, &format!("{at}.{name}"), found),
                    (None, _) => found.push(format!("{at}.{name}: unknown")),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| faults(&schema["items"], value, &format!("{at}[]"), found)),
        Value::String(text) => {
            let outside = schema["enum"].as_array().is_some_and(|names| !names.contains(value));
            let odd = schema["pattern"].as_str().is_some_and(|pattern| !regex::Regex::new(pattern).unwrap().is_match(text));
            found.extend((outside || odd).then(|| format!("{at}: {text}")));
        }
        Value::Number(number) => {
            let (number, bound) = (number.as_f64().unwrap(), |name: &str| schema[name].as_f64().unwrap());
            let fits = bound("minimum") <= number && number <= bound("maximum");
            found.extend((!fits).then(|| format!("{at}: {number}")));
        }
        Value::Bool(_) | Value::Null => {}
    }
}

fn judged(toml: &str) -> Vec<String> {
    let mut found = Vec::new();
    faults(&schema(), &toml::from_str(toml).unwrap(), "", &mut found);
    found
}

#[test]
fn the_schema_names_every_key_that_is_read_and_no_other() {
    let told: BTreeSet<String> = outline().keys().into_iter().filter(|key| !key.ends_with("[]")).collect();
    let read = read_keys();
    assert_eq!(told.difference(&read).collect::<Vec<_>>(), Vec::<&String>::new(), "in the schema, and not read");
    assert_eq!(read.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "read, and not in the schema");
    assert!(told.len() > 75, "{}", told.len());
}

#[test]
fn what_we_hand_out_keeps_to_the_schema() {
    for file in all() {
        assert_eq!(judged(&text(&file)), Vec::<String>::new(), "{}", file.display());
    }
    // Every line of the sample that is commented out shows a value that may stand there.
    let shown: Vec<_> = SAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = ")).unwrap_or(line))
        .collect();
    let shown: Vec<_> = shown.into_iter().filter(|line| !line.starts_with("url_file")).collect();
    assert_eq!(judged(&shown.join("\n")), Vec::<String>::new());
}

#[test]
fn the_schema_finds_what_is_wrong() {
    for (text, fault) in [
        ("[server]\nlisen = []", ".server.lisen: unknown"),
        ("[server]\nlisten = \"127.0.0.1:80\"", ".server.listen: string"),
        ("[server]\nthreads = 0", ".server.threads: 0"),
        ("[session]\nlifetime = 3600", ".session.lifetime: integer"),
        ("[session]\nlifetime = \"1 hour\"", ".session.lifetime: 1 hour"),
        ("[mfa]\npolicy = \"on\"", ".mfa.policy: on"),
        ("[mfa]\nmethods = [\"recovery\"]", ".mfa.methods[]: recovery"),
        ("[limits]\nlogin_per_ip = \"60\"", ".limits.login_per_ip: 60"),
        ("[[routes]]\npolicy = \"deny\"", ".routes[]: no \"name\""),
        ("[[routes]]\nname = \"a\"\npolicy = \"deny\"\nproxy = { hosts = \"x\" }", ".routes[].proxy.hosts: unknown"),
        ("[sms]\nheaders = { a = 1 }", ".sms.headers.a: integer"),
    ] {
        assert_eq!(judged(text), [fault]);
    }
}

#[test]
fn descriptions_come_from_the_sample() {
    let schema = schema();
    assert_eq!(
        schema["properties"]["session"]["properties"]["lifetime"]["description"],
        "a session ends after this time, whether in use or not (1s to 400d)"
    );
    assert_eq!(
        schema["properties"]["routes"]["items"]["properties"]["rules"]["items"]["properties"]["paths"]["description"],
        "whole paths, from the root"
    );
}

#[test]
fn the_file_that_is_kept_is_the_schema() {
    let kept = include_str!("../../../docs/vestibule.schema.json");
    let made = format!("{:#}\n", schema());
    assert!(kept == made, "run: vestibule schema > docs/vestibule.schema.json");
}
