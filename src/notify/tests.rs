//! Real conversations: a small SMTP server and a small HTTP gateway on free ports.

mod sms;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::base::{Secret, Time};
use crate::factor::Method;

const QUICK: Pace = Pace { waiting: 2, workers: 1, pauses: [Duration::from_millis(5), Duration::from_millis(10)] };

fn texts() -> Arc<Texts> {
    Arc::new(Texts::load(None, &Arc::default()).unwrap())
}

fn clock() -> Clock {
    Clock::manual(Time::from_secs(1_700_000_000))
}

fn message(to: Recipient, content: Content) -> Message {
    let (user, site, host) = ("Alice".to_owned(), "Wiki".to_owned(), "wiki.internal.example".to_owned());
    Message { to, lang: "en".into(), user, site, host, at: Time::from_secs(1_700_000_000), by_admin: false, content }
}

fn code() -> Content {
    Content::SignInCode { code: Secret::new("271828"), minutes: 5 }
}

fn alice() -> Recipient {
    Recipient::Email("alice@internal.example".into())
}

fn phone() -> Recipient {
    Recipient::Phone("+49 170 1234567".into())
}

/// An SMTP server that answers the first `refusals` RCPT commands with `refusal` and hands over the letters that it takes.
async fn smtp_server(refusals: usize, refusal: &'static str) -> (String, mpsc::UnboundedReceiver<String>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (letters, taken) = mpsc::unbounded_channel();
    let recipients = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&recipients);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(smtp_conversation(stream, letters.clone(), Arc::clone(&count), refusals, refusal));
        }
    });
    (url, taken, recipients)
}

async fn smtp_conversation(
    stream: TcpStream,
    letters: mpsc::UnboundedSender<String>,
    count: Arc<AtomicUsize>,
    refusals: usize,
    refusal: &'static str,
) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 test ready\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250-test\r\n250 8BITMIME",
            "RCPT" if count.fetch_add(1, Ordering::SeqCst) < refusals => refusal,
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                let mut letter = String::new();
                loop {
                    let line = lines.next_line().await.ok()??;
                    if line == "." {
                        break;
                    }
                    letter.push_str(&line);
                    letter.push('\n');
                }
                letters.send(letter).ok()?;
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

fn mail_config(url: &str) -> Mail {
    Mail { url: Secret::new(url), from: "Vestibule <no-reply@internal.example>".into(), hello: None, ca: None }
}

fn mailer(url: &str, pace: Pace) -> Notifier {
    Notifier::start_at(pace, Some(&mail_config(url)), None, texts(), clock(), &Handle::current()).unwrap()
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_letter_arrives_over_smtp_in_text_and_html() {
    let (url, mut letters, _) = smtp_server(0, "").await;
    let notifier = mailer(&url, QUICK);
    notifier.try_send(&message(alice(), code())).unwrap();
    let letter = tokio::time::timeout(SOON, letters.recv()).await.unwrap().unwrap();
    for part in [
        "To: alice@internal.example",
        "From: Vestibule <no-reply@internal.example>",
        "Subject: Your sign-in code for Wiki",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain",
        "Content-Type: text/html",
        "\n271828\n",
    ] {
        assert!(letter.contains(part), "{part} in {letter}");
    }
    assert!(notifier.drain(SOON).await);
    let health = notifier.health().mail.unwrap();
    assert_eq!((health.sent, health.failed, health.failing, health.pending), (1, 0, false, 0));
}

#[tokio::test]
async fn a_server_that_is_busy_at_first_gets_the_letter_later() {
    let (url, mut letters, recipients) = smtp_server(1, "451 4.3.0 try later").await;
    let notifier = mailer(&url, QUICK);
    notifier.try_send(&message(alice(), code())).unwrap();
    assert!(tokio::time::timeout(SOON, letters.recv()).await.unwrap().unwrap().contains("271828"));
    assert!(notifier.drain(SOON).await);
    let health = notifier.health().mail.unwrap();
    assert_eq!((health.sent, health.failed, recipients.load(Ordering::SeqCst)), (1, 0, 2));
    assert!(health.last_failure.unwrap().1.contains("451"));
}

#[tokio::test]
async fn a_refusal_for_good_is_not_tried_again_and_names_nobody() {
    let (url, _letters, recipients) = smtp_server(9, "550 5.1.1 <alice@internal.example> unknown, code 271828").await;
    let notifier = mailer(&url, QUICK);
    notifier.try_send(&message(alice(), code())).unwrap();
    assert!(notifier.drain(SOON).await);
    let health = notifier.health().mail.unwrap();
    assert_eq!((health.sent, health.failed, health.failing, recipients.load(Ordering::SeqCst)), (0, 1, true, 1));
    let (at, reason) = health.last_failure.unwrap();
    assert_eq!(at, Time::from_secs(1_700_000_000));
    assert!(reason.contains("550") && !reason.contains("alice") && !reason.contains("271828"), "{reason}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_dead_one_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let notifier = mailer(&format!("smtp://{}", listener.local_addr().unwrap()), QUICK);
    let (letters, mut taken) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let (hang_up, mut told) = mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<()>>();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let talk = tokio::spawn(smtp_conversation(stream, letters.clone(), Arc::default(), 0, ""));
            let done = told.recv().await.unwrap();
            talk.abort();
            let _ = talk.await;
            done.send(()).unwrap();
        }
    });
    for letter in 0..3 {
        notifier.try_send(&message(alice(), code())).unwrap();
        assert!(tokio::time::timeout(SOON, taken.recv()).await.unwrap().is_some());
        assert!(notifier.drain(SOON).await);
        assert_eq!(connections.load(Ordering::SeqCst), if letter < 2 { 1 } else { 2 });
        if letter == 1 {
            let (done, gone) = tokio::sync::oneshot::channel();
            hang_up.send(done).unwrap();
            gone.await.unwrap();
        }
    }
    server.abort();
}

#[tokio::test]
async fn starttls_is_never_fallen_back_from() {
    let (url, mut letters, recipients) = smtp_server(0, "").await;
    let notifier = mailer(&url.replace("smtp:", "smtp+starttls:"), QUICK);
    notifier.try_send(&message(alice(), code())).unwrap();
    assert!(notifier.drain(SOON).await);
    assert_eq!((notifier.health().mail.unwrap().failed, recipients.load(Ordering::SeqCst)), (1, 0));
    assert!(letters.try_recv().is_err());
}

#[tokio::test]
async fn nobody_there_is_given_up_after_three_tries_and_a_full_queue_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let notifier = mailer(&format!("smtp://{closed}"), QUICK);
    notifier.try_send(&message(alice(), code())).unwrap();
    assert!(notifier.drain(SOON).await);
    assert_eq!(notifier.health().mail.unwrap().failed, 1);

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let notifier = mailer(&format!("smtp://{}", silent.local_addr().unwrap()), QUICK);
    let outcomes: Vec<_> = (0..10).map(|_| notifier.try_send(&message(alice(), code()))).collect();
    assert_eq!(outcomes.last(), Some(&Err(NotifyError::Busy)));
    assert!(!notifier.drain(Duration::from_millis(30)).await);
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_at_once() {
    let (url, _letters, _) = smtp_server(0, "").await;
    let notifier = mailer(&url, QUICK);
    assert_eq!(notifier.try_send(&message(phone(), code())), Err(NotifyError::NotConfigured("SMS")));
    let nobody = Recipient::Email("not an address".into());
    assert_eq!(notifier.try_send(&message(nobody, code())), Err(NotifyError::BadRecipient));
    assert!(notifier.has_mail() && !notifier.has_sms());
}

#[tokio::test]
async fn notices_do_not_go_by_sms() {
    let outbox = Arc::new(Outbox::default());
    let notifier = Notifier::with_outbox(outbox, texts(), clock()).unwrap();
    let notice = message(phone(), Content::PasswordChanged {});
    assert!(matches!(notifier.try_send(&notice), Err(NotifyError::Template(_))));
}

#[test]
fn the_outbox_shows_what_would_have_arrived_and_keeps_a_hundred() {
    let outbox = Arc::new(Outbox::default());
    let notifier = Notifier::with_outbox(Arc::clone(&outbox), texts(), clock()).unwrap();
    notifier.try_send(&message(phone(), code())).unwrap();
    notifier.try_send(&message(alice(), Content::FactorAdded { method: Method::Totp, name: "Phone".into() })).unwrap();
    let mail = outbox.last_to("alice@internal.example").unwrap();
    assert_eq!(mail.subject.as_deref(), Some("A second factor was set up"));
    assert!(mail.text.contains("“Phone” (authenticator app)"), "{}", mail.text);
    assert!(outbox.last_to("+49 170 1234567").unwrap().text.contains("271828"));
    for _ in 0..150 {
        notifier.try_send(&message(alice(), code())).unwrap();
    }
    assert_eq!(outbox.newest_first().len(), 100);
}

#[test]
fn a_code_is_in_no_debug_form() {
    let text = format!("{:?}", message(alice(), code()));
    assert!(!text.contains("271828") && !text.contains("alice@"), "{text}");
}
