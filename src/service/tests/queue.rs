//! The queue of password hashes, as sign-ins meet it.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_leaves_the_queue_of_hashes() {
    let rig = Rig::new().await;
    rig.alice(2, |_| ()).await;
    let hold = rig.holds_the_hashes().await;
    let inside: Vec<_> = (0..4).map(|_| types(&rig, OLD, 1)).collect();
    rig.waits_for_hashes(4).await;
    let (line, hangup) = crate::base::Line::open();
    let (app, waits) = (rig.app.clone(), Client { hangup, ..client(1) });
    let waiting = tokio::spawn(async move { app.services.password.sign_in("alice", Secret::new(OLD), false, &waits).await });
    line.hung_up();
    assert!(matches!(waiting.await.unwrap(), Err(Refused::Busy)));
    drop(hold);
    for one in inside {
        assert!(one.await.unwrap().is_ok());
    }
}
