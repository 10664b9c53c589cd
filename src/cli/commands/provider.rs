//! `vestibule provider`: whether a provider of the configuration can be used, step by step, without signing anybody in. Works beside a
//! running gateway and without one.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;

use crate::base::Clock;
use crate::cli::context::Context;
use crate::cli::terminal::output;
use crate::config::Config;
use crate::policy::HostPattern;
use crate::source::provider::Provider;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Ask a provider what it is, and say step by step what works and what does not
    #[command(
        after_help = "Nobody signs in. The addresses to register at the provider are printed too.\n\nExample:\n  vestibule provider test entra"
    )]
    Test {
        /// The provider's `name` in the configuration
        name: String,
    },
}

/// # Errors
/// If the configuration cannot be read or names no such provider.
pub fn run(context: &Context, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Test { name } = command;
    let config = context.source.load().map_err(|problems| anyhow::anyhow!("{problems}"))?.config;
    let Some(wanted) = config.providers.iter().find(|provider| provider.name == name) else {
        let names: Vec<&str> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
        bail!(
            "there is no provider “{name}” in the configuration; there are: {}",
            if names.is_empty() { "none".into() } else { names.join(", ") }
        );
    };
    let provider = Provider::new(Arc::new(wanted.clone()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let steps = runtime.block_on(provider.probe(Clock::system().now()));
    let works = steps.iter().all(|step| step.ok);
    if context.json {
        output::json(&serde_json::json!({ "provider": name, "ok": works, "steps": steps, "register": addresses(&config, &name) }))?;
    } else {
        for step in &steps {
            output::line(&output::plain(&format!("{}  {:<13} {}", if step.ok { "ok  " } else { "FAIL" }, step.step, step.detail)))?;
        }
        output::line("register at the provider:")?;
        addresses(&config, &name).iter().try_for_each(|address| output::line(&output::plain(&format!("      {address}"))))?;
    }
    if !works {
        eprintln!("vestibule: {name} cannot be used as it is; see the lines with FAIL");
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the provider wants to know, for each host that a route names exactly.
fn addresses(config: &Config, name: &str) -> Vec<String> {
    let secure = !config.server.tls.is_empty() || !config.server.trusted_proxies.is_empty();
    let scheme = if secure { "https" } else { "http" };
    let mut hosts: Vec<&str> = config.routes.iter().flat_map(|route| &route.hosts).filter_map(exact).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.is_empty() {
        hosts.push("HOST");
    }
    let (prefix, port) = (&config.portal.prefix, port(config));
    let of = |host: &str| {
        let base = format!("{scheme}://{host}{port}{prefix}");
        [format!("{base}/callback/{name}"), format!("{base}/logout"), format!("{base}/backchannel/{name}")]
    };
    hosts.into_iter().flat_map(of).collect()
}

/// As a browser writes it: nothing for the scheme's own port, nor behind a proxy, whose port is not known here.
fn port(config: &Config) -> String {
    let (listen, usual) = match config.server.tls.first() {
        Some(tls) => (Some(tls.listen), 443),
        None => (config.server.listen.first().copied(), 80),
    };
    let listen = listen.filter(|_| config.server.trusted_proxies.is_empty());
    let port = listen.map(|address| address.port()).filter(|port| *port != usual && *port != 0);
    port.map(|port| format!(":{port}")).unwrap_or_default()
}

fn exact(pattern: &HostPattern) -> Option<&str> {
    match pattern {
        HostPattern::Exact(host) => Some(host),
        HostPattern::Below(_) => None,
    }
}
