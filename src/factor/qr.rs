//! QR codes of set-up links: for a page as inline SVG, for a terminal in half blocks.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of quiet zone on each side (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// The text does not fit into a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link is too long for a QR code")]
pub struct TooLong;

/// An SVG that scales to its box: dark on white in either colour scheme, quiet zone included, named by `label` for screen readers.
///
/// # Errors
/// Where the text is too long.
pub fn svg(text: &str, label: &str) -> Result<String, TooLong> {
    let modules = Modules::of(text)?;
    let size = modules.width + 2 * QUIET;
    let mut path = String::new();
    for y in 0..modules.width {
        let mut x = 0;
        while x < modules.width {
            let run = (x..modules.width).take_while(|x| modules.is_dark(*x, y)).count();
            if run > 0 {
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" class="qr" role="img" aria-label="{label}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>"##
    ))
}

/// Lines of half blocks, light modules drawn, so that it reads on a dark terminal; quiet zone included.
///
/// # Errors
/// Where the text is too long.
pub fn terminal(text: &str) -> Result<String, TooLong> {
    let modules = Modules::of(text)?;
    let span = modules.width + 2 * QUIET;
    let light = |x: usize, y: usize| y < span && !(x >= QUIET && y >= QUIET && modules.is_dark(x - QUIET, y - QUIET));
    let mut out = String::new();
    for y in (0..span).step_by(2) {
        out.extend((0..span).map(|x| match (light(x, y), light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        out.push('\n');
    }
    Ok(out)
}

struct Modules {
    width: usize,
    colours: Vec<Color>,
}

impl Modules {
    fn of(text: &str) -> Result<Self, TooLong> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| TooLong)?;
        Ok(Self { width: code.width(), colours: code.to_colors() })
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.width && self.colours.get(y * self.width + x) == Some(&Color::Dark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "otpauth://totp/Vestibule:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Vestibule";

    #[test]
    fn the_picture_scales_and_names_itself() {
        let svg = svg(LINK, "QR code for \"Wiki\" & <co>").unwrap();
        assert!(svg.contains(r#"aria-label="QR code for &quot;Wiki&quot; &amp; &lt;co>""#), "{svg}");
        assert!(svg.contains("viewBox") && !svg.contains("width=") && !svg.contains("style="));
        assert!(svg.len() < 20_000, "{}", svg.len());
    }

    #[test]
    fn both_drawings_show_the_modules_that_the_code_has() {
        let modules = Modules::of(LINK).unwrap();
        let dark = modules.colours.iter().filter(|c| **c == Color::Dark).count();
        let drawn: usize =
            svg(LINK, "").unwrap().split('h').filter_map(|part| part.split_once("v1").and_then(|(n, _)| n.parse::<usize>().ok())).sum();
        assert_eq!(drawn, dark);
        let span = modules.width + 2 * QUIET;
        let light: usize = terminal(LINK)
            .unwrap()
            .chars()
            .map(|c| match c {
                '█' => 2,
                '▀' | '▄' => 1,
                _ => 0,
            })
            .sum();
        assert_eq!(light, span * span - dark);
    }

    #[test]
    fn too_long_is_an_error() {
        assert_eq!(svg(&"x".repeat(3000), ""), Err(TooLong));
    }
}
