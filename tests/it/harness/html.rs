//! Just enough HTML to fill in forms as a browser without script does.

use std::collections::HashMap;

type Attributes = HashMap<String, String>;

/// A form with the values that it would send untouched.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub id: String,
    pub action: String,
    pub method: String,
    pub fields: Vec<(String, String)>,
    /// `name`, `value` of its buttons, and whether they are disabled.
    pub buttons: Vec<(String, String, bool)>,
}

impl Form {
    /// The body that it sends: its own values, with what was typed in their place or after them.
    pub fn filled(&self, typed: &[(&str, &str)]) -> String {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.fields {
            if !typed.iter().any(|(n, _)| n == name) {
                body.append_pair(name, value);
            }
        }
        body.extend_pairs(typed);
        body.finish()
    }
}

pub fn decode(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

fn attributes(mut tag: &str) -> Attributes {
    let mut found = Attributes::new();
    loop {
        tag = tag.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end = tag.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(tag.len());
        if end == 0 {
            return found;
        }
        let name = tag[..end].to_ascii_lowercase();
        tag = &tag[end..];
        let value = match tag.strip_prefix("=\"") {
            Some(rest) => {
                let close = rest.find('"').expect("a closed attribute");
                tag = &rest[close + 1..];
                decode(&rest[..close])
            }
            None => String::new(),
        };
        found.insert(name, value);
    }
}

/// All tags with their names, attributes, and the place after them.
fn tags(page: &str) -> Vec<(String, Attributes, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(open) = page[at..].find('<').map(|n| at + n) {
        let Some(close) = page[open..].find('>').map(|n| open + n) else { break };
        let inner = &page[open + 1..close];
        let end = inner.find(char::is_whitespace).unwrap_or(inner.len());
        found.push((inner[..end].to_ascii_lowercase(), attributes(&inner[end..]), close + 1));
        at = close + 1;
    }
    found
}

/// The forms of a page.
pub fn forms(page: &str) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    let mut open = false;
    for (name, attributes, _) in tags(page) {
        let get = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        match (name.as_str(), found.last_mut().filter(|_| open)) {
            ("form", _) => {
                open = true;
                found.push(Form { id: get("id"), action: get("action"), method: get("method").to_ascii_lowercase(), ..Form::default() });
            }
            ("/form", _) => open = false,
            ("input", Some(form)) if get("type") != "checkbox" && !get("name").is_empty() => form.fields.push((get("name"), get("value"))),
            ("button", Some(form)) => form.buttons.push((get("name"), get("value"), attributes.contains_key("disabled"))),
            _ => {}
        }
    }
    found
}

/// The attribute of the element with this id.
pub fn attribute(page: &str, id: &str, name: &str) -> Option<String> {
    tags(page).into_iter().find(|(_, a, _)| a.get("id").is_some_and(|i| i == id))?.1.remove(name)
}

/// The text of the element with this id, up to the next tag.
pub fn text_of(page: &str, id: &str) -> Option<String> {
    let (_, _, after) = tags(page).into_iter().find(|(_, a, _)| a.get("id").is_some_and(|i| i == id))?;
    Some(decode(page[after..].split('<').next()?))
}

/// The `<code>` elements after the element with this id.
pub fn codes_in(page: &str, id: &str) -> Vec<String> {
    let Some((_, _, after)) = tags(page).into_iter().find(|(_, a, _)| a.get("id").is_some_and(|i| i == id)) else { return Vec::new() };
    let list = page[after..].split("</ol>").next().unwrap_or_default();
    list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap_or_default().to_owned()).collect()
}
