//! What a request brings along before its handler runs.

use tower::ServiceExt;

use super::*;
use crate::base::{ClientAddr, Host};
use crate::policy::Policy;
use crate::service::sessions::replication::tests::{Rig, alice, sign_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_made_at_another_gateway_needs_no_second_sign_in() {
    let rig = Rig::new().await;
    let (a, b) = (rig.gateway(false).await, rig.gateway(false).await);
    let account = alice(&a).await;
    let (_, token) = sign_in(&a, &account).await;
    let config = b.config();
    let router = crate::portal::router(Arc::new(Portal { services: b.clone(), languages: Arc::default() }), &config.portal.prefix);
    for (token, status) in [(Some(token), StatusCode::SEE_OTHER), (None, StatusCode::OK)] {
        let mut request = axum::http::Request::get(format!("{}/login", config.portal.prefix)).body(Body::empty()).unwrap();
        request.extensions_mut().insert(RequestContext {
            policy: Arc::new(Policy::new(config.routes.clone(), &config.portal.prefix)),
            config: config.clone(),
            host: Host::parse(b"internal.example").unwrap(),
            authority: "internal.example".to_owned(),
            secure: false,
            client: ClientAddr::new([127, 0, 0, 1].into()),
            now: b.now(),
            token,
            request_id: "1".to_owned(),
            hangup: crate::base::Hangup::never(),
        });
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
    }
}
