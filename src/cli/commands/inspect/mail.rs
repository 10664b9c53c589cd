//! `vestibule mail`: whether the configured mail server takes a letter, told by the server's own answer.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use crate::app::wording;
use crate::base::Clock;
use crate::cli::access::one_line;
use crate::cli::context::Context;
use crate::notify::{Content, Message, Recipient, deliver_now};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Send a message to this address at once, and say how the mail server answered
    #[command(after_help = "Needs no running gateway.\n\nExample:\n  vestibule mail test alice@internal.example")]
    Test {
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
}

pub fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    let Command::Test { address } = command;
    let config = context.source.load().map_err(|problems| one_line(&problems))?.config;
    let Some(mail) = &config.mail else { bail!("there is no [mail] in the configuration; add url and from") };
    let (texts, _) = wording(&config).map_err(|problems| one_line(&problems))?;
    let message = Message {
        to: Recipient::Email(address.clone()),
        lang: String::new(),
        user: address.clone(),
        site: config.portal.brand.company.clone().unwrap_or_else(|| config.mfa.totp.issuer.clone()),
        host: config.home(),
        at: Clock::system().now(),
        by_admin: true,
        content: Content::MailTest {},
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    match runtime.block_on(deliver_now(mail, &texts, &message)) {
        Ok(()) => context
            .say(&json!({ "address": address, "accepted": true }), &format!("the mail server took a message to {address}; look there")),
        Err(reason) => bail!("the message to {address} was not taken: {reason}; check [mail], and this machine's way to the server"),
    }
}
