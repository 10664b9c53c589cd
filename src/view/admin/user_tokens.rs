//! One user's API tokens, as an administrator sees them: each can be revoked.

use maud::{Markup, html};

use super::panel::{panel, path};
use crate::view::pages::tokens::{TokenRow, about};
use crate::view::parts::layout::{Page, button_form};

/// Posts the `action` `revoke_token` with the field `token`.
pub(super) fn tokens(page: &Page, user: &str, tokens: &[TokenRow]) -> Markup {
    let words = &page.words.tokens;
    let revoke = |id: &str| button_form(page, &path(user), &[("action", "revoke_token"), ("token", id)], "act", &words.revoke);
    panel(
        "s-tokens",
        &words.heading,
        html! { ul.rows { @for token in tokens { li { (about(page, token)) div.acts { (revoke(&token.id)) } } } } },
    )
}
