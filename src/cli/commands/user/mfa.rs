//! `vestibule user mfa`: a user's second factors, as an administrator sets them.

use clap::ValueEnum;
use serde_json::Value;

use crate::account::UserMfaPolicy;
use crate::cli::context::Context;
use crate::cli::control;
use crate::cli::terminal::output;
use crate::cli::terminal::output::cell;
use crate::cli::terminal::prompt::{self, Sure};
use crate::factor::Method;
use crate::service::admin::MfaChange;

#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["policy", "allow", "configure_later", "enrol", "totp_uri_stdin", "reset", "recovery_codes"]))]
pub struct Args {
    /// Name or e-mail address
    name: String,
    /// What the second factor must be for this user
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    /// The methods that this user may set up and use (again for more; `all`: what the server allows)
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    allow: Vec<AllowArg>,
    /// The user sets a second factor up at the next sign-in: the same as --policy required
    #[arg(long, conflicts_with = "policy")]
    configure_later: bool,
    /// Set up e-mail or SMS for them, to the account's address or phone
    #[arg(long, value_name = "METHOD")]
    enrol: Vec<EnrolArg>,
    /// Set up an authenticator app from an otpauth:// link on standard input
    #[arg(long)]
    totp_uri_stdin: bool,
    /// Remove a method, or all of them; ends the user's sessions
    #[arg(long, value_name = "METHOD", num_args = 0..=1, default_missing_value = "all")]
    reset: Vec<ResetArg>,
    /// Print fresh recovery codes; the old ones are invalid
    #[arg(long)]
    recovery_codes: bool,
    #[command(flatten)]
    sure: Sure,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyArg {
    /// The server's
    Inherit,
    /// Never asked; two-factor routes are closed to them
    Off,
    /// Asked once they have a method
    Optional,
    /// Sent to set one up at the next sign-in
    Required,
}

#[derive(Clone, Copy, PartialEq, Debug, ValueEnum)]
enum AllowArg {
    Totp,
    Webauthn,
    Email,
    Sms,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnrolArg {
    Email,
    Sms,
}

#[derive(Clone, Copy, PartialEq, Debug, ValueEnum)]
enum ResetArg {
    Totp,
    Webauthn,
    Email,
    Sms,
    Recovery,
    All,
}

impl From<PolicyArg> for UserMfaPolicy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Inherit => Self::Inherit,
            PolicyArg::Off => Self::Off,
            PolicyArg::Optional => Self::Optional,
            PolicyArg::Required => Self::Required,
        }
    }
}

impl AllowArg {
    const fn method(self) -> Option<Method> {
        match self {
            Self::Totp => Some(Method::Totp),
            Self::Webauthn => Some(Method::Webauthn),
            Self::Email => Some(Method::Email),
            Self::Sms => Some(Method::Sms),
            Self::All => None,
        }
    }
}

impl ResetArg {
    fn methods(self) -> Vec<Method> {
        match self {
            Self::Totp => vec![Method::Totp],
            Self::Webauthn => vec![Method::Webauthn],
            Self::Email => vec![Method::Email],
            Self::Sms => vec![Method::Sms],
            Self::Recovery => vec![Method::Recovery],
            Self::All => Method::ENROLLABLE.into_iter().chain([Method::Recovery]).collect(),
        }
    }
}

impl Args {
    fn change(&self) -> anyhow::Result<MfaChange> {
        let allow = if self.allow.contains(&AllowArg::All) { Vec::new() } else { self.allow.iter().filter_map(|a| a.method()).collect() };
        let enrol = self.enrol.iter().map(|method| match method {
            EnrolArg::Email => Method::Email,
            EnrolArg::Sms => Method::Sms,
        });
        Ok(MfaChange {
            policy: self.policy.map(Into::into).or(self.configure_later.then_some(UserMfaPolicy::Required)),
            allow: (!self.allow.is_empty()).then_some(allow),
            enrol: enrol.collect(),
            totp_uri: if self.totp_uri_stdin { Some(prompt::from_stdin("otpauth:// link")?) } else { None },
            reset: self.reset.iter().flat_map(|method| method.methods()).collect(),
        })
    }
}

pub fn run(context: &Context, args: &Args) -> anyhow::Result<()> {
    if !args.reset.is_empty() {
        args.sure.asks(&format!("Remove what {} has set up, and end the sessions of this account?", args.name))?;
    }
    let (change, recovery_codes) = (args.change()?, args.recovery_codes);
    let account = context.ask(control::Command::UserMfa { name: args.name.clone(), change, recovery_codes })?;
    if context.json {
        return output::json(&account);
    }
    let get = |key: &str| account.get(key).map(cell).unwrap_or_default();
    output::line(&format!("{}: policy {}, methods {}", get("name"), get("mfa_policy"), get("methods")))?;
    if let Some(Value::Array(codes)) = account.get("recovery_codes") {
        output::line("recovery codes, each good once; they are not shown again:")?;
        codes.iter().try_for_each(|code| output::line(&cell(code)))?;
    }
    Ok(())
}
