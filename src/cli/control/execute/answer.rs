//! How a command answers: JSON, or one line that says what is wrong.

use serde::Serialize;
use serde_json::Value;

pub(super) fn json(value: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(said)
}

#[allow(clippy::needless_pass_by_value)]
pub(super) fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
