//! `vestibule token`: API tokens of people and service accounts.

use clap::Subcommand;
use ipnet::IpNet;

use crate::cli::terminal::output::{cell, reached};
use crate::cli::{Context, control};
use crate::service::tokens::NewToken;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a token and print it once; it is stored hashed and cannot be shown again
    #[command(
        after_help = "A token may do what its owner may do at that moment, on routes that take tokens (`tokens` in the configuration).\n\nExample:\n  vestibule token create backup --name nightly --expires 90d --route wiki --method GET --network 10.0.0.0/8"
    )]
    Create(Create),
    /// Every token, or a user's
    #[command(after_help = "Example:\n  vestibule token list --user backup --json")]
    List {
        /// This user's only
        #[arg(long, value_name = "U")]
        user: Option<String>,
    },
    /// End a token; open connections of it are cut at once
    #[command(after_help = "Example:\n  vestibule token revoke k5dnc2yqivb4tk3uvyhcs7a6ri")]
    Revoke {
        /// The token's id, from `token list`
        id: String,
    },
}

#[derive(clap::Args, Debug)]
pub struct Create {
    /// Whose it is: name or e-mail address
    user: String,
    /// What it is for
    #[arg(long, value_name = "N")]
    name: String,
    /// How long it is valid, as 90d or 12h; at most `tokens.max_lifetime`
    #[arg(long, value_name = "SPAN", value_parser = crate::config::read_duration)]
    expires: std::time::Duration,
    /// Only on this route (again for more)
    #[arg(long = "route", value_name = "R")]
    routes: Vec<String>,
    /// Only with this method (again for more); GET includes HEAD
    #[arg(long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Only from this network (again for more)
    #[arg(long = "network", value_name = "CIDR", value_parser = network)]
    networks: Vec<IpNet>,
}

/// A network in CIDR form, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<std::net::IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    let network = text.parse::<IpNet>().ok().or_else(one).ok_or("write a network such as 10.0.0.0/8, or one address")?;
    if network.trunc() == network { Ok(network) } else { Err(format!("host bits are set; write {}", network.trunc())) }
}

const COLUMNS: [(&str, &str); 8] = [
    ("id", "ID"),
    ("user", "USER"),
    ("name", "NAME"),
    ("routes", "ROUTES"),
    ("methods", "METHODS"),
    ("networks", "NETWORKS"),
    ("expires", "EXPIRES"),
    ("last_used", "LAST USED"),
];

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(Create { user, name, expires, routes, methods, networks }) => {
            let new = NewToken { name, lifetime: expires, routes, methods, networks };
            let made = context.ask(control::Command::TokenCreate { user, new })?;
            context.say(&made, &made.get("token").map(cell).unwrap_or_default())
        }
        Command::List { user } => context.list(&COLUMNS, &context.ask(control::Command::TokenList { user })?),
        Command::Revoke { id } => {
            let done = context.ask(control::Command::TokenRevoke { id })?;
            context.say(&done, &format!("{}: revoked{}", done.get("id").map(cell).unwrap_or_default(), reached(&done)))
        }
    }
}
