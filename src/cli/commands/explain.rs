//! `vestibule explain`: the running gateway's policy, or the file's where none runs.

use std::net::IpAddr;

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output::{aligned, cell};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// As this user, after a finished sign-in; else nobody is signed in
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The client's address (default: 192.0.2.1, which is in nobody's network)
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The request's method
    #[arg(long, value_name = "M", default_value = "GET")]
    method: http::Method,
    /// What the session has shown: `password`, or a method; default: a method that the user has and the route accepts
    #[arg(long, value_name = "PROOF", requires = "user", value_parser = ["password", "totp", "webauthn", "email", "sms", "recovery"])]
    signed_in_with: Option<String>,
    /// With a valid client certificate: of --user, if that is a service account, else of anybody
    #[arg(long)]
    certificate: bool,
    /// With a session that is bound to a device, which shows it or not; default: a session that is bound to none
    #[arg(long, value_name = "STATE", requires = "user", value_parser = ["shown", "missing"])]
    device_bound: Option<String>,
    /// As the client would send it
    url: String,
}

pub fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let question = control::Question {
        user: args.user.clone(),
        from: args.from,
        method: args.method.to_string(),
        url: args.url.clone(),
        proof: args.signed_in_with,
        certificate: args.certificate,
        device: args.device_bound,
    };
    let explanation = context.ask(control::Command::Explain(question))?;
    context.say(&explanation, &words(&args.method, &args.url, args.user.as_deref(), &explanation))
}

fn words(method: &http::Method, url: &str, user: Option<&str>, explanation: &Value) -> String {
    let get = |key: &str| explanation.get(key).map(cell).unwrap_or_default();
    let with = |text: String, note: String| if note == "-" || note.is_empty() { text } else { format!("{text} ({note})") };
    let decider = match get("rule").as_str() {
        "-" => get("route"),
        rule => format!("{}, rule {rule}", get("route")),
    };
    let who = user.map_or_else(|| "nobody signed in".to_owned(), |user| format!("{user}, signed in with {}", get("signed_in_with")));
    // A request that goes on although something stands against it: the route only observes.
    let reason = match (get("outcome").as_str(), get("reason").as_str()) {
        ("allow", reason) if !matches!(reason, "" | "-") => format!("only observed; enforced, it would be stopped: {reason}"),
        (_, reason) => reason.to_owned(),
    };
    let age = match get("device_age").as_str() {
        "" | "-" => String::new(),
        age => format!("shown in the last {age} s"),
    };
    let line = |key: &str, text: String| vec![key.to_owned(), text];
    let mut text = aligned(&[
        line("request", cell(&format!("{method} {url}").into())),
        line("as", cell(&who.into())),
        line("route", decider),
        line("requires", with(get("requires"), get("factors"))),
        line("certificate", get("client_certificate")),
        line("device", with(get("device_bound"), age)),
        line("outcome", with(get("outcome"), reason)),
        line("upstream", get("upstream")),
    ]);
    let considered: Vec<Vec<String>> =
        explanation.get("considered").and_then(Value::as_array).into_iter().flatten().map(considered).collect();
    if !considered.is_empty() {
        text.push_str("\nconsidered:\n");
        text.push_str(&aligned(&considered));
    }
    text
}

fn considered(one: &Value) -> Vec<String> {
    let get = |key: &str| one.get(key).map(cell).unwrap_or_default();
    let place = match get("rule").as_str() {
        "-" => get("route"),
        rule => format!("{} rule {rule}", get("route")),
    };
    let mark = if one.get("matched") == Some(&Value::Bool(true)) { "->" } else { "" };
    let comment = one.get("comment").map(|comment| format!(" ({})", cell(comment))).unwrap_or_default();
    vec![format!("  {mark:<2} {}", get("reading")), place, format!("{}{comment}", get("why"))]
}
