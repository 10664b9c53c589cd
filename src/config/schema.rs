//! The JSON schema (draft 7) of the configuration file, for editors: keys and forms come from the readers themselves, descriptions
//! from the sample. It is no stricter than `vestibule check`, which knows what a schema cannot say.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::document::outline::{Outline, Shape};
use super::document::problems::ProblemCollector;
use super::readers::value::written;

/// The commented sample.
const SAMPLE: &str = include_str!("../../config/vestibule.toml");

/// The schema.
pub fn schema() -> Value {
    let outline = outline();
    let described = descriptions(SAMPLE);
    let mut whole = Map::new();
    whole.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    whole.insert("title".into(), "The configuration of vestibule".into());
    whole.extend(table(&outline, &described, ""));
    Value::Object(whole)
}

/// Walks a configuration in which every key is there.
pub(super) fn outline() -> Outline {
    let collector = ProblemCollector::outlining(Path::new(""));
    super::build(&collector, &Vec::new());
    collector.into_outline()
}

fn table(outline: &Outline, described: &BTreeMap<String, String>, path: &str) -> Map<String, Value> {
    let (mut properties, mut required, mut others) = (Map::new(), Vec::new(), Value::Bool(false));
    for name in outline.below(path) {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = form(outline, described, &below);
        match name.as_str() {
            "*" => others = value,
            "*_file" => {}
            _ => {
                if outline.is_required(&below) {
                    required.push(Value::String(name.clone()));
                }
                properties.insert(name, value);
            }
        }
    }
    let mut whole = Map::new();
    whole.insert("type".into(), "object".into());
    whole.insert("additionalProperties".into(), others);
    if !properties.is_empty() {
        whole.insert("properties".into(), Value::Object(properties));
    }
    if !required.is_empty() {
        whole.insert("required".into(), Value::Array(required));
    }
    whole
}

fn form(outline: &Outline, described: &BTreeMap<String, String>, path: &str) -> Value {
    let mut about = described.get(path).cloned();
    let value = match outline.shape(path) {
        None | Some(Shape::Text) => json!({ "type": "string" }),
        Some(Shape::Pattern(pattern)) => json!({ "type": "string", "pattern": pattern }),
        Some(Shape::Whole(least, most)) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Some(Shape::Ratio) => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Some(Shape::Flag) => json!({ "type": "boolean" }),
        Some(Shape::Rate) => json!({ "type": "string", "pattern": "^[0-9]+/[smhd]$" }),
        // A few names, or a table in their place.
        Some(Shape::Choice(names)) if !outline.below(path).is_empty() => {
            json!({ "anyOf": [{ "type": "string", "enum": names }, table(outline, described, path)] })
        }
        Some(Shape::Choice(names)) => json!({ "type": "string", "enum": names }),
        Some(Shape::Span(least, most)) => {
            let bounds = format!("{} to {}", written(least), written(most));
            about = Some(about.map_or_else(|| bounds.clone(), |about| format!("{about} ({bounds})")));
            json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
        }
        Some(Shape::List) => json!({ "type": "array", "items": form(outline, described, &format!("{path}[]")) }),
        Some(Shape::Table) => Value::Object(table(outline, described, path)),
    };
    let (Value::Object(mut value), about) = (value, about) else { return Value::Null };
    if let Some(about) = about {
        value.insert("description".into(), about.into());
    }
    Value::Object(value)
}

/// What the sample says beside each key and section; the first time counts.
fn descriptions(sample: &str) -> BTreeMap<String, String> {
    let (mut found, mut section) = (BTreeMap::new(), String::new());
    for line in sample.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("# ").unwrap_or(line);
        let (code, about) = line.rsplit_once("  # ").map_or((line, None), |(code, about)| (code, Some(about.trim())));
        let code = code.trim();
        let path = if let Some(name) = code.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            let name = name.replace("routes.", "routes[].");
            section = format!("{name}[]");
            name
        } else if let Some(name) = code.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            name.to_owned()
        } else if let Some((name, _)) = code.split_once(" = ").filter(|(name, _)| name.chars().all(|c| c == '_' || c.is_ascii_lowercase()))
        {
            format!("{section}.{name}")
        } else {
            continue;
        };
        if let Some(about) = about {
            found.entry(path).or_insert_with(|| about.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests;
