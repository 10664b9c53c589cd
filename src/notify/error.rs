//! Why a message is not sent, and why the notifier cannot start.

use super::mail::MailError;
use super::sms::SmsError;
use super::texts::TemplateError;

/// Why a message will not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    #[error("this gateway has no way to send {0}")]
    NotConfigured(&'static str),
    #[error("too many messages are waiting to be sent; try again in a minute")]
    Busy,
    #[error("the address or number cannot be written to")]
    BadRecipient,
    #[error("the message could not be written: {0}")]
    Template(#[from] TemplateError),
}

/// Why the notifier could not be made from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("mail: {0}")]
    Mail(#[from] MailError),
    #[error("sms: {0}")]
    Sms(#[from] SmsError),
}

impl StartError {
    /// The section of the configuration that cannot be used.
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Mail(_) => "mail",
            Self::Sms(_) => "sms",
        }
    }
}
