//! How an environment variable is named after the key that it overrides.

/// What every override begins with.
pub(super) const PREFIX: &str = "VESTIBULE_";

/// The variable that overrides a key, for messages.
pub(in crate::config) fn variable_for(key: &str) -> String {
    let steps = key.replace('[', ".").replace(']', "").replace('.', "__");
    format!("{PREFIX}{}", steps.to_ascii_uppercase())
}
