//! What delivers a message: SMTP for a letter, an HTTP request for an SMS.

use std::time::Duration;

use super::failure::Failure;
use super::{mail, sms};

/// What is delivered.
#[derive(Debug)]
pub(super) enum Payload {
    Letter(Box<lettre::Message>),
    Body(String),
}

#[derive(Debug)]
pub(super) enum Transport {
    Mail(Box<mail::Transport>),
    Sms(Box<sms::Transport>),
}

impl Transport {
    pub(super) async fn deliver(&self, payload: &Payload, limit: Duration) -> Result<(), Failure> {
        match (self, payload) {
            (Self::Mail(transport), Payload::Letter(letter)) => transport.deliver(letter, limit).await,
            (Self::Sms(transport), Payload::Body(body)) => transport.deliver(body, limit).await,
            (Self::Mail(_), Payload::Body(_)) | (Self::Sms(_), Payload::Letter(_)) => {
                Err(Failure { reason: "the message is for the other channel".into(), transient: false })
            }
        }
    }
}
