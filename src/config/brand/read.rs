//! The brand's keys of `[portal]`, with the files that they name.

use std::io::Read;
use std::path::Path;

use super::colour::{self, Accent, Colour, Faint};
use super::house::Brand;
use super::picture::Picture;
use crate::base::Host;
use crate::config::document::outline::Shape;
use crate::config::document::problem::Fault;
use crate::config::document::section::{Entry, Section};
use crate::config::readers::value;

/// More than any picture or notice may have: what is longer is not read.
const MOST: u64 = 512 * 1024;
/// A legal text on the sign-in page, in bytes.
const NOTICE: usize = 4096;

pub(in crate::config) fn brand(s: &Section) -> Brand {
    let light = s.maybe("accent", |entry| colour(entry, "light", colour::on_light));
    let dark = s.maybe("accent_dark", |entry| colour(entry, "dark", colour::on_dark));
    for (key, needs) in [("accent_dark", "accent"), ("logo_dark", "logo")] {
        if s.collector.outline.is_none() && s.has(key) && !s.has(needs) {
            s.error(key, Fault::new(format!("{key} stands beside {needs}, which is missing"), format!("add {needs}, or remove {key}")));
        }
    }
    Brand {
        company: s.maybe("company", value::label),
        logo: s.maybe("logo", |entry| picture("logo", entry)),
        logo_dark: s.maybe("logo_dark", |entry| picture("logo-dark", entry)),
        favicon: s.maybe("favicon", |entry| picture("favicon", entry)),
        accent: light.map(|light| Accent::new(light, dark)),
        support: s.maybe("support", support),
        notice: s.maybe("notice", notice).unwrap_or_default(),
    }
}

fn colour(entry: &Entry, pages: &str, check: fn(Colour) -> Result<Colour, Faint>) -> Result<Colour, Fault> {
    entry.takes(|| Shape::Pattern("^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})$"));
    let text = value::text(entry)?;
    let colour = Colour::parse(&text)
        .ok_or_else(|| Fault::new(format!("“{}” is no colour", text.escape_default()), "write it as #rrggbb: #0a6b5c"))?;
    check(colour).map_err(|Faint { contrast, instead }| {
        let what = format!("{colour} cannot be read on {pages} pages: its contrast is {contrast:.1}, and 4.5 is the least");
        Fault::new(what, format!("take one like it: {instead}"))
    })
}

fn file(path: &Path) -> Result<Vec<u8>, Fault> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|e: std::io::Error| {
        Fault::new(format!("{} cannot be read: {e}", path.display()), "correct the path, or the file's permissions")
    })
}

fn picture(stem: &str, entry: &Entry) -> Result<Picture, Fault> {
    let path = value::path(entry)?;
    Picture::read(stem, file(&path)?).map_err(|(what, remedy)| Fault::new(format!("{} {what}", path.display()), remedy))
}

/// A page or an address; nothing that could run something in a link.
fn support(entry: &Entry) -> Result<String, Fault> {
    let text = value::text(entry)?;
    let text = text.trim();
    let fault = || {
        Fault::new(
            format!("“{}” is no page and no address", text.escape_default()),
            "write mailto:help@internal.example, or an https:// URL",
        )
    };
    if text.len() > 512 {
        return Err(fault());
    }
    if text.starts_with("https://") {
        let url = url::Url::parse(text).map_err(|_| fault())?;
        return if url.has_host() && url.username().is_empty() && url.password().is_none() { Ok(url.into()) } else { Err(fault()) };
    }
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let (local, host) = address.split_once('@').ok_or_else(fault)?;
    let plain = !local.is_empty() && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
    if plain && !host.contains(':') && Host::parse(host.as_bytes()).is_ok() { Ok(format!("mailto:{address}")) } else { Err(fault()) }
}

/// Paragraphs, separated by blank lines.
fn notice(entry: &Entry) -> Result<Vec<String>, Fault> {
    let path = value::path(entry)?;
    let shown = path.display();
    let text = String::from_utf8(file(&path)?).map_err(|_| Fault::new(format!("{shown} is not UTF-8"), "save the file as UTF-8"))?;
    if text.len() > NOTICE {
        return Err(Fault::new(format!("{shown} is longer than 4 KiB"), "shorten it, or link to the whole text with portal.support"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Fault::new(format!("{shown} has control characters"), "give plain text; HTML is shown as it is written"));
    }
    let text = text.replace("\r\n", "\n");
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let paragraphs: Vec<String> = paragraphs.map(ToOwned::to_owned).collect();
    if paragraphs.is_empty() { Err(Fault::new(format!("{shown} is empty"), "write the text, or remove the key")) } else { Ok(paragraphs) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::png::tests::sample;
    use crate::config::{Loaded, Problems, parse};

    fn read(portal: &str) -> Result<Loaded, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("logo.svg", include_bytes!("../../../templates/icon.svg"));
        write("logo.png", &sample(200, 40));
        write("evil.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");
        write("notice.txt", "For staff only.\n\nUse is <logged>.\n".as_bytes());
        write("empty.txt", b"\n\n");
        write("bell.txt", b"ring\x07");
        let route = "[[routes]]\nname = \"a\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n";
        parse(&format!("[portal]\n{portal}\n{route}"), &folder.path().join("test.toml"), [])
    }

    #[test]
    fn the_whole_face_is_read() {
        let portal = "company = \"Example Works\"\nlogo = \"logo.svg\"\nlogo_dark = \"logo.png\"\nfavicon = \"logo.png\"\naccent = \"#0a6b5c\"\n\
                      support = \"help@internal.example\"\nnotice = \"notice.txt\"";
        let brand = read(portal).map_err(|p| p.to_string()).unwrap().config.portal.brand;
        assert_eq!(brand.company.as_deref(), Some("Example Works"));
        assert_eq!(
            (brand.support.as_deref(), brand.support_shown()),
            (Some("mailto:help@internal.example"), Some("help@internal.example"))
        );
        assert_eq!(brand.notice, ["For staff only.", "Use is <logged>."]);
        assert_eq!(brand.names().count(), 4);
        for name in brand.names() {
            assert!(brand.file(name).is_some(), "{name}");
        }
        assert!(brand.file("logo.svg").is_none() && brand.file("").is_none());
        assert!(brand.logo.as_ref().is_some_and(|logo| logo.content_type() == "image/svg+xml" && !logo.fits_mails()));
    }

    #[test]
    fn a_new_company_is_the_name_in_authenticator_apps_too_unless_another_is_given() {
        let issuer = |portal: &str| read(portal).map_err(|p| p.to_string()).unwrap().config.mfa.totp.issuer;
        assert_eq!(issuer("company = \"Example Works\""), "Example Works");
        assert_eq!(issuer("company = \"Example: Works\""), "Vestibule", "an issuer has no colon");
        assert_eq!(issuer("company = \"Example Works\"\n[mfa.totp]\nissuer = \"Own\""), "Own");
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_key_and_a_remedy() {
        for (portal, key, what) in [
            ("logo = \"evil.svg\"", "portal.logo", "runs a script"),
            ("logo = \"none.svg\"", "portal.logo", "cannot be read"),
            ("logo = \".\"", "portal.logo", "cannot be read"),
            ("favicon = \"notice.txt\"", "portal.favicon", "neither a PNG nor a plain SVG"),
            ("logo_dark = \"logo.svg\"", "portal.logo_dark", "which is missing"),
            ("accent = \"#ffcc00\"", "portal.accent", "on light pages"),
            ("accent = \"red\"", "portal.accent", "is no colour"),
            ("accent = \"#000;} body { display: none\"", "portal.accent", "is no colour"),
            ("accent = \"#0a6b5c\"\naccent_dark = \"#0a6b5c\"", "portal.accent_dark", "on dark pages"),
            ("accent_dark = \"#ffffff\"", "portal.accent_dark", "which is missing"),
            ("support = \"javascript:alert(1)\"", "portal.support", "no page and no address"),
            ("support = \"http://help.example\"", "portal.support", "no page and no address"),
            ("support = \"https://a:b@help.example\"", "portal.support", "no page and no address"),
            ("support = \"mailto:a@b.example?bcc=c@d.example\"", "portal.support", "no page and no address"),
            ("company = \"\"", "portal.company", "empty"),
            ("notice = \"empty.txt\"", "portal.notice", "is empty"),
            ("notice = \"bell.txt\"", "portal.notice", "control characters"),
        ] {
            let problems = read(portal).expect_err(portal);
            let found = problems.0.iter().find(|problem| problem.key == key).unwrap_or_else(|| panic!("{portal}: {problems}"));
            assert!(found.what.contains(what) && !found.remedy.is_empty(), "{portal}: {found}");
        }
        assert!(!Path::new("none.svg").exists());
    }
}
