//! Stylesheet, script and icon, named by their content.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::web::headers::plain;
use crate::view;

/// Anybody may read these; browsers keep them for ever.
pub async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = view::asset(&name) else { return plain(StatusCode::NOT_FOUND) };
    let mut response = Response::new(Body::from(asset.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
