//! Hand-overs from the portal at several gateways: any takes a ticket, and all know when a sign-in is over and when it only stepped up.

use super::*;
use crate::base::{ClientAddr, Hangup, Host};
use crate::login::Binding;
use crate::service::Client;
use crate::service::sessions::Handed;
use crate::session::Family;

const ORIGIN: &str = "https://wiki.two.example";

fn client() -> Client {
    Client {
        address: ClientAddr::new([127, 0, 0, 1].into()),
        browser: "Firefox".into(),
        device: None,
        request_id: "1".into(),
        origin: ORIGIN.into(),
        host: Host::parse(b"wiki.two.example").unwrap(),
        language: "en",
        hangup: Hangup::never(),
        binding: Default::default(),
    }
}

/// A ticket made at one gateway and taken at another; the host's cookie.
async fn handed_over(at: &Services, to: &Services, session: SessionId) -> String {
    let binding = Binding::random().unwrap().1;
    let session = at.live.get(session).unwrap();
    let ticket = at.handover.ticket(&session, &binding, ORIGIN).await.unwrap();
    match to.handover.enter(ticket.expose(), &binding, None, &client()).await.unwrap() {
        Handed::SignedIn(_, cookie) => cookie,
        Handed::Invalid | Handed::Over => panic!("not signed in"),
    }
}

/// As a step up does it.
async fn steps_up(at: &Services, account: &Account, from: SessionId) -> (SessionId, String) {
    let old = at.live.get(from).unwrap().record();
    let mut record = SessionRecord::begin(account.id, account.epoch, Proof::Password, at.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    record.family = Family::Next(old.family());
    assert!(at.store.put_session(&record, Some(from)).await.unwrap());
    let session = at.live.insert(record.clone(), account);
    at.live.replace(from, &session);
    (record.id, at.live.token(record.id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_up_is_no_sign_out_at_another_gateway_and_a_sign_out_is() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    let (first, portal) = sign_in(&a, &account).await;
    soon(async || admits(&b, &portal).await).await;
    let wiki = handed_over(&a, &b, first).await;
    soon(async || admits(&a, &wiki).await).await;
    assert!(admits(&b, &wiki).await);
    // One that hears of what is gone first.
    let deaf = rig.gateway(false).await;
    assert!(admits(&deaf, &wiki).await && admits(&deaf, &portal).await);
    let (second, portal) = steps_up(&a, &account, first).await;
    soon(async || admits(&b, &portal).await && b.live.get(first).is_none()).await;
    assert!(admits(&a, &wiki).await && admits(&b, &wiki).await);
    deaf.replication.session_again(first, None).await.unwrap();
    assert!(deaf.live.get(first).is_none() && admits(&deaf, &wiki).await);
    // Stepped up once more, the family is the same.
    let (third, _) = steps_up(&a, &account, second).await;
    let shop = handed_over(&a, &a, third).await;
    soon(async || admits(&b, &shop).await && b.live.get(second).is_none()).await;
    assert!(admits(&b, &wiki).await);
    // Signed out at the one, out at the other, and nothing is left in the store.
    assert!(a.sessions.end(third, EndReason::SignedOut).await.unwrap());
    assert!(!admits(&a, &wiki).await && !admits(&a, &shop).await);
    soon(async || !admits(&b, &wiki).await && !admits(&b, &shop).await && b.live.get(third).is_none()).await;
    deaf.replication.session_again(second, None).await.unwrap();
    deaf.live.end_orphans();
    assert!(!admits(&deaf, &wiki).await, "nothing is left that it could belong to");
    while !a.store.all_sessions().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    a.store.sweep(a.now()).await.unwrap();
    assert!(a.store.kv().scan(b"family/", None, 9, false).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hosts_session_without_the_portals_is_taken_in_nowhere() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(false).await);
    let account = alice(&a).await;
    let (portals, _) = sign_in(&a, &account).await;
    let orphan = a.live.get(portals).unwrap().record().for_host(a.now(), [127, 0, 0, 1].into(), "Firefox").unwrap();
    let token = a.live.token(orphan.id);
    a.store.put_session(&orphan, None).await.unwrap();
    // Nothing says where the portal's session is.
    assert!(b.replication.adopt(&token).await.unwrap().is_none());
    b.replication.session_again(orphan.id, Some(orphan.clone())).await.unwrap();
    assert!(!admits(&b, &token).await);
}

/// A sign-out between the ticket and its use, and one that comes while it is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ticket_that_meets_a_sign_out_leaves_no_session() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(true).await, rig.gateway(true).await);
    let account = alice(&a).await;
    for _ in 0..20 {
        let (portals, token) = sign_in(&a, &account).await;
        soon(async || admits(&b, &token).await).await;
        let binding = Binding::random().unwrap().1;
        let ticket = a.handover.ticket(&a.live.get(portals).unwrap(), &binding, ORIGIN).await.unwrap();
        let (entering, leaving) = (b.clone(), a.clone());
        let entered = tokio::spawn(async move { entering.handover.enter(ticket.expose(), &binding, None, &client()).await.unwrap() });
        leaving.sessions.end(portals, EndReason::SignedOut).await.unwrap();
        let entered = entered.await.unwrap();
        soon(async || b.live.get(portals).is_none()).await;
        if let Handed::SignedIn(_, cookie) = entered {
            soon(async || !admits(&b, &cookie).await && !admits(&a, &cookie).await).await;
        }
    }
}
