//! Stylesheet, script and icon, and the operator's own, all named by their content.

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::web::headers::plain;
use super::web::page_request::RequestContext;
use crate::view;

/// A picture that somebody opens by itself runs nothing, whatever is in it: it shares its origin with the applications.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

/// Anybody may read these; browsers keep them for ever.
pub async fn serve(Path(name): Path<String>, Extension(context): Extension<RequestContext>) -> Response {
    let brand = &context.config.portal.brand;
    let (content_type, body) = match (view::asset(&name), brand.file(&name)) {
        (Some(asset), _) => (asset.content_type, Body::from(asset.body)),
        (None, Some((content_type, bytes))) => (content_type, Body::from(bytes.to_vec())),
        (None, None) => return plain(StatusCode::NOT_FOUND),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
