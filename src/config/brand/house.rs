//! What a house puts in the place of the product's own name and mark, and the files that its pages load.

use super::colour::Accent;
use super::picture::Picture;

/// What a house puts in the place of the product's own name and mark. `Brand::default()`: nothing.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    pub company: Option<String>,
    pub logo: Option<Picture>,
    /// In the place of `logo` on a dark screen.
    pub logo_dark: Option<Picture>,
    pub favicon: Option<Picture>,
    pub accent: Option<Accent>,
    /// A `mailto:` or `https:` URL for people who are stuck.
    pub support: Option<String>,
    /// The paragraphs of a text below the sign-in form; empty: none.
    pub notice: Vec<String>,
}

impl Brand {
    /// The file that pages link to by this name, which changes with the content.
    pub fn file(&self, name: &str) -> Option<(&'static str, &[u8])> {
        let style = self.accent.as_ref().map(|accent| (accent.name(), "text/css; charset=utf-8", accent.css().as_bytes()));
        let pictures = self.logo.iter().chain(&self.logo_dark).chain(&self.favicon);
        let files = pictures.map(|picture| (picture.name(), picture.content_type(), picture.bytes())).chain(style);
        files.into_iter().find(|(own, ..)| *own == name).map(|(_, content_type, bytes)| (content_type, bytes))
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let pictures = self.logo.iter().chain(&self.logo_dark).chain(&self.favicon);
        pictures.map(Picture::name).chain(self.accent.as_ref().map(Accent::name))
    }

    /// `support` as people read it: the bare address, or the URL without its scheme.
    pub fn support_shown(&self) -> Option<&str> {
        let support = self.support.as_deref()?;
        let shown = support.strip_prefix("mailto:").or_else(|| support.strip_prefix("https://")).unwrap_or(support);
        Some(shown.trim_end_matches('/'))
    }
}
