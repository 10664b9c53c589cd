//! The keys of the identity assertion, for the applications that check it. Anybody may read them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::web::headers::plain;
use super::web::state::Portal;

/// Far shorter than the time for which a key is published before it signs.
const CACHED: &str = "public, max-age=300";

/// `jwks.json` (RFC 7517 section 5).
pub async fn serve(State(portal): State<Arc<Portal>>) -> Response {
    let keys = portal.services.live.keys();
    let Ok(assertions) = keys.assertions() else { return plain(StatusCode::SERVICE_UNAVAILABLE) };
    let mut response = Response::new(Body::from(assertions.keys().jwks().to_owned()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
