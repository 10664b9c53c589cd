//! A picture of the operator's: an SVG that only draws, or a PNG, read whole when the configuration is checked.

use std::fmt;
use std::sync::Arc;

use super::names::named;
use super::{png, svg};

/// What a picture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Svg,
    Png,
}

/// A checked picture, named by its content.
#[derive(Clone)]
pub struct Picture {
    kind: Kind,
    name: String,
    bytes: Arc<[u8]>,
}

/// Its size, not its bytes.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {} bytes)", self.name, self.bytes.len())
    }
}

impl Picture {
    /// What the bytes are is told by themselves, not by a file's name.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn read(stem: &str, bytes: Vec<u8>) -> Result<Self, (String, &'static str)> {
        let kind = if bytes.starts_with(&png::SIGNATURE) {
            png::check(&bytes)?;
            Kind::Png
        } else {
            svg::check(&bytes)?;
            Kind::Svg
        };
        let extension = if kind == Kind::Svg { "svg" } else { "png" };
        Ok(Self { kind, name: named(stem, extension, &bytes), bytes: bytes.into() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn content_type(&self) -> &'static str {
        match self.kind {
            Kind::Svg => "image/svg+xml",
            Kind::Png => "image/png",
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Mail programs draw no SVG.
    pub fn fits_mails(&self) -> bool {
        self.kind == Kind::Png
    }
}
