//! The stylesheet, the script and the icon: embedded, and named by their content, so that browsers may keep them for ever.

use std::sync::LazyLock;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

/// A file that pages link to, below `PREFIX/assets/`. Serve it as `public, max-age=31536000, immutable`.
#[derive(Debug)]
pub struct Asset {
    /// `style.0a1b2c3d4e5f6071.css`: changes with the content.
    pub name: String,
    pub content_type: &'static str,
    pub body: &'static [u8],
}

/// The stylesheet's text.
pub(in crate::view) const STYLE: &str = include_str!("../../../templates/style.css");

/// Allows the stylesheet inside a page (CSP Level 3, section 6.7.2.2): `sha256-…`.
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| format!("sha256-{}", BASE64.encode(&Sha256::digest(STYLE.as_bytes()))));
    &HASH
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        named("style", "css", "text/css; charset=utf-8", STYLE.as_bytes()),
        named("script", "js", "text/javascript; charset=utf-8", include_bytes!("../../../templates/script.js")),
        named("icon", "svg", "image/svg+xml", include_bytes!("../../../templates/icon.svg")),
    ]
});

fn named(stem: &str, extension: &str, content_type: &'static str, body: &'static [u8]) -> Asset {
    let digest = Sha256::digest(body);
    let short = digest.get(..8).unwrap_or_default();
    Asset { name: format!("{stem}.{}.{extension}", HEXLOWER.encode(short)), content_type, body }
}

/// Every asset.
pub fn assets() -> &'static [Asset] {
    &*ASSETS
}

/// The asset of this name, hash included.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

pub(in crate::view) fn style() -> &'static str {
    let [style, ..] = &*ASSETS;
    &style.name
}

pub(in crate::view) fn script() -> &'static str {
    let [_, script, _] = &*ASSETS;
    &script.name
}

pub(in crate::view) fn icon() -> &'static str {
    let [.., icon] = &*ASSETS;
    &icon.name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_its_full_name_only() {
        assert!(asset(style()).is_some_and(|a| a.content_type.starts_with("text/css")));
        assert!(asset(script()).is_some() && asset(icon()).is_some());
        assert!(asset("style.css").is_none());
    }

    #[test]
    fn the_stylesheet_can_stand_in_a_page() {
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn the_script_asks_the_network_for_nothing() {
        let text = String::from_utf8_lossy(include_bytes!("../../../templates/script.js"));
        for word in ["fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket", "import(", "EventSource"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}
