//! An application that is away: `return 503` for everybody, with the page that nginx showed, becomes `maintenance`. Without that page the
//! place is closed.

use std::path::Path;

use super::tree::Directive;

/// No page of ours is larger.
const MOST: u64 = 256 * 1024;

/// Where the page for 503 is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Page {
    root: Option<String>,
    uri: Option<String>,
}

impl Page {
    pub fn within(&self, block: &[Directive]) -> Self {
        let mut inner = self.clone();
        if block.iter().any(|d| d.name == "error_page") {
            inner.uri = None;
        }
        for d in block {
            match (d.name.as_str(), d.args.as_slice()) {
                ("root", [root]) => inner.root = Some(root.clone()),
                // `error_page 502 503 /away.html`; another status of the answer makes no difference here.
                ("error_page", [codes @ .., uri]) if codes.iter().any(|code| code == "503") => inner.uri = Some(uri.clone()),
                _ => {}
            }
        }
        inner
    }

    /// The page itself, if it can be read here.
    pub fn file(&self) -> Option<String> {
        let (root, uri) = (self.root.as_ref()?, self.uri.as_ref()?);
        let plain =
            root.starts_with('/') && uri.starts_with('/') && !root.contains('$') && !uri.contains(['$', '?']) && !uri.contains("..");
        let file = format!("{}{uri}", root.trim_end_matches('/'));
        let about = std::fs::metadata(Path::new(&file)).ok().filter(|about| plain && about.is_file() && about.len() <= MOST)?;
        let text = std::fs::read_to_string(&file).ok()?;
        (about.len() > 0 && !text.is_empty()).then_some(file)
    }
}
