//! What the gateway tells people: codes, links and notices, by e-mail and SMS, always off the request.
//!
//! [`Notifier::try_send`] writes the message and puts it into a bounded queue, or says at once why it cannot, so that a page can be
//! honest about it. Workers deliver it with a few tries in the time for which the message is of use. No code, link or body is ever
//! logged or kept, except in the [`Outbox`] of the demo and the tests, which is the point of it.

mod error;
mod failure;
mod mail;
mod message;
mod outbox;
mod queue;
mod sms;
mod texts;
mod transport;
pub mod trust;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
pub use error::{NotifyError, StartError};
pub use mail::MailError;
pub use message::{Content, Message, MessageKind, Recipient};
pub use outbox::{Outbox, Sent};
pub use queue::{ChannelHealth, Pace};
pub use sms::SmsError;
pub use texts::{TemplateError, Texts};
use tokio::runtime::Handle;

use crate::base::Clock;
use crate::config::{Mail, Sms};
use queue::{Job, Queue};
use transport::Payload;

/// How the two channels are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Absent where the channel is not configured.
    pub mail: Option<ChannelHealth>,
    pub sms: Option<ChannelHealth>,
}

/// Sends messages. Cheap to share behind an `Arc`; when the last one is dropped, what is queued is still delivered as long as the
/// runtime lives.
#[derive(Debug)]
pub struct Notifier {
    texts: ArcSwap<Texts>,
    clock: Clock,
    mail: Option<(mail::Writer, Way)>,
    sms: Option<(sms::Writer, Way)>,
}

/// Where a channel's messages go.
#[derive(Debug)]
enum Way {
    Queue(Queue),
    Outbox(Arc<Outbox>),
}

impl Notifier {
    /// Whether both channels could be started, of those that are configured; starts nothing.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn check(mail: Option<&Mail>, sms: Option<&Sms>) -> Result<(), StartError> {
        if let Some(config) = mail {
            mail::Transport::new(config)?;
            mail::Writer::new(&config.from)?;
        }
        if let Some(config) = sms {
            sms::Transport::new(config)?;
            sms::Writer::new(&config.body)?;
        }
        Ok(())
    }

    /// Starts the workers of the configured channels on `runtime`.
    ///
    /// # Errors
    /// A URL, sender, header or body template that cannot be used.
    pub fn start(mail: Option<&Mail>, sms: Option<&Sms>, texts: Arc<Texts>, clock: Clock, runtime: &Handle) -> Result<Self, StartError> {
        Self::start_at(Pace::default(), mail, sms, texts, clock, runtime)
    }

    /// As [`Self::start`], with a pace of its own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(
        pace: Pace,
        mail: Option<&Mail>,
        sms: Option<&Sms>,
        texts: Arc<Texts>,
        clock: Clock,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        let mail = match mail {
            Some(config) => {
                let transport = transport::Transport::Mail(Box::new(mail::Transport::new(config)?));
                Some((mail::Writer::new(&config.from)?, Way::Queue(Queue::start("mail", transport, pace, clock.clone(), runtime))))
            }
            None => None,
        };
        let sms = match sms {
            Some(config) => {
                let transport = transport::Transport::Sms(Box::new(sms::Transport::new(config)?));
                Some((sms::Writer::new(&config.body)?, Way::Queue(Queue::start("sms", transport, pace, clock.clone(), runtime))))
            }
            None => None,
        };
        Ok(Self { texts: ArcSwap::new(texts), clock, mail, sms })
    }

    /// Puts everything into `outbox` at once: for the demo and the tests.
    ///
    /// # Errors
    /// None with the built-in sender; the type keeps room for one.
    pub fn with_outbox(outbox: Arc<Outbox>, texts: Arc<Texts>, clock: Clock) -> Result<Self, StartError> {
        let mail = Some((mail::Writer::new("Vestibule <no-reply@localhost>")?, Way::Outbox(outbox.clone())));
        let sms = Some((sms::Writer::new("{{ text }}")?, Way::Outbox(outbox)));
        Ok(Self { texts: ArcSwap::new(texts), clock, mail, sms })
    }

    /// Other texts from the next message on.
    pub fn reword(&self, texts: Arc<Texts>) {
        self.texts.store(texts);
    }

    /// Writes the message and queues it. Returns at once.
    ///
    /// # Errors
    /// The channel is not configured, its queue is full, the recipient is malformed, or the texts have no such message.
    pub fn try_send(&self, message: &Message) -> Result<(), NotifyError> {
        match &message.to {
            Recipient::Email(address) => {
                let (writer, way) = self.mail.as_ref().ok_or(NotifyError::NotConfigured("e-mail"))?;
                let written = self.texts.load().mail(message)?;
                let letter = writer.write(address, &written, self.clock.now()).map_err(|_| NotifyError::BadRecipient)?;
                match way {
                    Way::Queue(queue) => queue.push(Job::new(Payload::Letter(Box::new(letter)), message.content.life())),
                    Way::Outbox(outbox) => {
                        outbox.keep(Sent { at: self.clock.now(), to: address.clone(), subject: Some(written.subject), text: written.text });
                        Ok(())
                    }
                }
            }
            Recipient::Phone(number) => {
                let (writer, way) = self.sms.as_ref().ok_or(NotifyError::NotConfigured("SMS"))?;
                let text = self.texts.load().sms(message)?;
                let body = writer.write(number, &text).map_err(|_| NotifyError::BadRecipient)?;
                match way {
                    Way::Queue(queue) => queue.push(Job::new(Payload::Body(body), message.content.life())),
                    Way::Outbox(outbox) => {
                        outbox.keep(Sent { at: self.clock.now(), to: number.clone(), subject: None, text });
                        Ok(())
                    }
                }
            }
        }
    }

    pub const fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    pub const fn has_sms(&self) -> bool {
        self.sms.is_some()
    }

    /// How the channels are, for the overview, `/health/ready` and the metrics.
    pub fn health(&self) -> Health {
        Health { mail: self.mail.as_ref().map(|(_, way)| way.health()), sms: self.sms.as_ref().map(|(_, way)| way.health()) }
    }

    /// Waits until nothing is queued or under way, at most for `limit`: before a planned stop. Says whether all went out.
    pub async fn drain(&self, limit: Duration) -> bool {
        let idle = |way: &Way| way.health().pending == 0;
        let all_idle = || self.mail.as_ref().is_none_or(|(_, way)| idle(way)) && self.sms.as_ref().is_none_or(|(_, way)| idle(way));
        let wait = async {
            while !all_idle() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }
}

/// Delivers one letter at once, past every queue.
///
/// # Errors
/// Why it was not taken: the address, the texts, or the mail server's answer.
pub async fn deliver_now(mail: &Mail, texts: &Texts, message: &Message) -> Result<(), String> {
    let Recipient::Email(address) = &message.to else { return Err("a letter goes to an address".to_owned()) };
    let written = texts.mail(message).map_err(|e| e.to_string())?;
    let letter = mail::Writer::new(&mail.from).map_err(|e| e.to_string())?.write(address, &written, message.at);
    let letter = letter.map_err(|_| "that is not an address".to_owned())?;
    let transport = mail::Transport::new(mail).map_err(|e| e.to_string())?;
    transport.deliver(&letter, Duration::from_secs(30)).await.map_err(|failure| failure.reason)
}

impl Way {
    fn health(&self) -> ChannelHealth {
        match self {
            Self::Queue(queue) => queue.health(),
            Self::Outbox(_) => ChannelHealth::default(),
        }
    }
}

#[cfg(test)]
mod tests;
