//! How a command answers: JSON, or one line that says what is wrong.

use serde::Serialize;
use serde_json::Value;

use crate::service::Services;

pub(super) fn json(value: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(said)
}

#[allow(clippy::needless_pass_by_value)]
pub(super) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The answer with how far the change has reached the gateways that share the store: `reach`.
pub(super) async fn with_reach(services: &Services, mut value: Value) -> Value {
    if let (Some(reach), Some(object)) = (services.gateways.reach().await, value.as_object_mut())
        && let Ok(reach) = json(reach)
    {
        object.insert("reach".to_owned(), reach);
    }
    value
}
