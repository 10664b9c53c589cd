//! What the panels of a user's page share: where their forms go, and what they look like.

use maud::{Markup, html};

use crate::view::parts::layout::segment;

pub(super) fn path(name: &str) -> String {
    format!("admin/users/{}", segment(name))
}

pub(super) fn panel(id: &str, heading: &str, body: Markup) -> Markup {
    html! { section aria-labelledby=(id) { h2 id=(id) { (heading) } (body) } }
}

pub(super) fn action(name: &str) -> Markup {
    html! { input type="hidden" name="action" value=(name); }
}
