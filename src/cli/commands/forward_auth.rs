//! `vestibule forward-auth`: what another proxy needs that stays in front and asks.

use anyhow::bail;

use crate::cli::access::one_line;
use crate::cli::context::Context;
use crate::forward_auth::snippet::{self, Proxy};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Print another proxy's configuration for the hosts of the routes
    #[command(after_help = "Example:\n  vestibule forward-auth snippet caddy > /etc/caddy/Caddyfile")]
    Snippet {
        /// nginx, traefik, caddy, envoy, haproxy, haproxy-lua or gateway-api
        #[arg(value_name = "PROXY", value_parser = proxy)]
        proxy: Proxy,
    },
}

fn proxy(name: &str) -> Result<Proxy, String> {
    let known = || Proxy::ALL.map(Proxy::name).join(", ");
    Proxy::ALL.into_iter().find(|proxy| proxy.name() == name).ok_or_else(|| format!("there are {}", known()))
}

/// # Errors
/// What is wrong with the configuration, or a name that cannot be written.
pub fn run(context: &Context, command: &Command) -> anyhow::Result<()> {
    let Command::Snippet { proxy } = command;
    let config = context.source.load().map_err(|problems| one_line(&problems))?.config;
    if config.routes.is_empty() {
        bail!("the configuration has no routes: there is nothing to print");
    }
    if config.forward_auth.is_none() {
        eprintln!("vestibule: nobody may ask yet: add [forward_auth] with from = [\"ADDRESS OF THE PROXY\"] to the configuration");
    }
    crate::cli::terminal::output::line(snippet::print(*proxy, &config)?.trim_end())
}
