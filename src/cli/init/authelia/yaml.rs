//! Looks into YAML: what is not there or of another kind is nothing.

use saphyr::{Scalar, Yaml};

pub(super) fn field<'n, 'y>(node: &'n Yaml<'y>, key: &str) -> Option<&'n Yaml<'y>> {
    node.as_mapping()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
}

pub(super) fn list<'n, 'y>(node: Option<&'n Yaml<'y>>) -> Vec<&'n Yaml<'y>> {
    node.and_then(Yaml::as_sequence).map(|all| all.iter().collect()).unwrap_or_default()
}

/// A text, or a list of them.
pub(super) fn texts(node: Option<&Yaml<'_>>) -> Vec<String> {
    match node.and_then(Yaml::as_sequence) {
        Some(all) => all.iter().filter_map(text).collect(),
        None => node.and_then(text).into_iter().collect(),
    }
}

pub(super) fn text(node: &Yaml<'_>) -> Option<String> {
    match node {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Some(number.to_string()),
        _ => None,
    }
}
