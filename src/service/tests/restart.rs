//! A restart while the store cannot be written.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_while_the_disk_was_full_is_over_after_a_restart_too() {
    let rig = Rig::new().await;
    let alice = rig.alice(2, |_| ()).await;
    let [out, revoked, stays] = [rig.session_of(&alice).await, rig.session_of(&alice).await, rig.session_of(&alice).await];
    rig.disk_is_full.store(true, Ordering::Relaxed);
    for (session, why) in [(&out, EndReason::SignedOut), (&revoked, EndReason::Revoked)] {
        assert!(matches!(rig.services().sessions.end(session.id, why).await, Err(Refused::EndPending)));
    }
    let again = rig.starts_again().await;
    let admits = |app: &App, session: &SessionRecord| {
        let token = app.services.live.token(session.id);
        matches!(app.services.live.lookup(&token, app.services.now()), sessions::Found::Live(_))
    };
    assert!(admits(&again, &stays) && !admits(&again, &out) && !admits(&again, &revoked));
    // The store is told as soon as it can be, and the third start needs no help.
    rig.disk_is_full.store(false, Ordering::Relaxed);
    let store = &again.services.store;
    let start = Instant::now();
    while store.session(out.id).await.unwrap().is_some() || store.session(revoked.id).await.unwrap().is_some() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = rig.starts_again().await;
    assert!(admits(&last, &stays));
}
