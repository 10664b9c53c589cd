//! What every page needs to know of the request that it answers, and the addresses that it leads to.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Brand;
use crate::view::wording::languages::Languages;
use crate::view::wording::words_keys::Words;

/// Unreserved characters stay as they are (RFC 3986 section 2.3); all else in a query value or path segment is encoded.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What every page needs to know of the request that it answers.
#[derive(Clone, Debug)]
pub struct Page {
    pub words: &'static Words,
    /// `/.vestibule`, without a trailing slash.
    pub prefix: String,
    /// `portal.title`: the heading of the sign-in page where it is not the default one.
    pub title: String,
    /// The host that was asked for, for "Sign in to continue to".
    pub host: String,
    /// What people call the place that was asked for (`routes.title`).
    pub place: Option<Arc<str>>,
    /// The operator's own face.
    pub brand: Arc<Brand>,
    /// What the reader may choose from.
    pub languages: Arc<Languages>,
    pub csrf: String,
    /// Where to go in the end; empty: nowhere in particular.
    pub rd: String,
    /// The style stands in the page and nothing is loaded: for a host that serves none of our files.
    pub inline: bool,
}

impl Page {
    /// The address of a page of the gateway, with the way back in its query.
    pub fn link(&self, path: &str) -> String {
        self.link_with(path, &[])
    }

    /// The same, with more in its query; values are percent-encoded here.
    pub fn link_with(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = self.action(path);
        let rd = [("rd", self.rd.as_str())];
        for (name, value) in query.iter().chain(&rd).filter(|(_, value)| !value.is_empty()) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.extend([*name, "="]);
            url.extend(utf8_percent_encode(value, VALUE));
        }
        url
    }

    /// Where a form posts to.
    pub fn action(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    /// What people call the place that was asked for: its title, else its host.
    pub fn place(&self) -> &str {
        self.place.as_deref().unwrap_or(&self.host)
    }

    pub(in crate::view) fn asset(&self, name: &str) -> String {
        format!("{}/assets/{name}", self.prefix)
    }
}

/// Text for one segment of a path.
pub(in crate::view) fn segment(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, VALUE).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_encoded_and_left_out_where_there_is_none() {
        let mut page = crate::view::gallery::page(Words::english());
        page.rd = "/a b?x=1&y=é".into();
        assert_eq!(page.link("mfa"), "/.vestibule/mfa?rd=%2Fa%20b%3Fx%3D1%26y%3D%C3%A9");
        assert_eq!(page.link_with("x", &[("q", "1"), ("none", "")]), "/.vestibule/x?q=1&rd=%2Fa%20b%3Fx%3D1%26y%3D%C3%A9");
        page.rd = String::new();
        assert_eq!(page.link("mfa"), "/.vestibule/mfa");
    }
}
