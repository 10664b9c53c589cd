//! The accent: one colour of the operator's, and the shades that pages need beside it, light and dark. A colour that cannot be read on
//! the pages is refused (WCAG 2.2, success criterion 1.4.3: 4.5 to 1).

use std::fmt;

use super::names::named;

/// What the accent stands on as text, in `templates/style.css` (a test compares): card, sunk, page.
const LIGHT: [Colour; 3] = [Colour(0xff, 0xff, 0xff), Colour(0xf5, 0xf7, 0xfa), Colour(0xf2, 0xf4, 0xf8)];
const DARK: [Colour; 3] = [Colour(0x16, 0x1a, 0x22), Colour(0x1b, 0x20, 0x2a), Colour(0x0d, 0x10, 0x15)];
const WHITE: Colour = Colour(0xff, 0xff, 0xff);
const NIGHT: Colour = Colour(0x0a, 0x12, 0x24);
const BLACK: Colour = Colour(0, 0, 0);
/// WCAG 2.2, 1.4.3.
const LEAST: f64 = 4.5;

/// sRGB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Colour(u8, u8, u8);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Colour {
    /// `#rrggbb` or `#rgb`; nothing else, since the text goes into a stylesheet.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let value = u32::from_str_radix(digits, 16).ok()?;
        let [_, r, g, b] = value.to_be_bytes();
        match digits.len() {
            6 => Some(Self(r, g, b)),
            3 => Some(Self((g & 15) * 17, (b >> 4) * 17, (b & 15) * 17)),
            _ => None,
        }
    }

    /// Relative luminance, as WCAG 2.2 defines it.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let share = f64::from(part) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn worst(self, surfaces: &[Self]) -> f64 {
        surfaces.iter().map(|surface| self.contrast(*surface)).fold(f64::INFINITY, f64::min)
    }

    /// `share` of the other colour, from 0 to 1.
    fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |one: u8, two: u8| (f64::from(one) * (1.0 - share) + f64::from(two) * share).round().clamp(0.0, 255.0) as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The nearest colour on the way to `end` that can be read on these.
    fn readable(self, end: Self, surfaces: &[Self]) -> Self {
        let steps = (0..=50).map(|step| self.mixed(end, f64::from(step) / 50.0));
        steps.into_iter().find(|colour| colour.worst(surfaces) >= LEAST).unwrap_or(end)
    }
}

/// A colour that cannot be read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Faint {
    pub(super) contrast: f64,
    /// The nearest that would do.
    pub(super) instead: Colour,
}

/// What `style.css` names.
#[derive(Clone, Copy, Debug)]
struct Shades {
    accent: Colour,
    deep: Colour,
    soft: Colour,
    glow: Colour,
    on: Colour,
}

impl Shades {
    fn of(accent: Colour, toward: Colour, [card, _, page]: [Colour; 3]) -> Self {
        // The mark and the icons of methods stand on this one.
        let soft = [0.12, 0.08, 0.05].map(|share| card.mixed(accent, share)).into_iter().find(|soft| accent.contrast(*soft) >= LEAST);
        let on = if accent.contrast(WHITE) >= accent.contrast(NIGHT) { WHITE } else { NIGHT };
        Self { accent, deep: accent.mixed(toward, 0.2), soft: soft.unwrap_or(card), glow: page.mixed(accent, 0.1), on }
    }

    fn css(&self) -> String {
        let Self { accent, deep, soft, glow, on } = self;
        format!(":root{{--accent:{accent};--accent-deep:{deep};--accent-soft:{soft};--on-accent:{on};--glow:{glow}}}")
    }
}

/// The accent in every shade.
#[derive(Clone, Debug)]
pub struct Accent {
    light: Colour,
    css: String,
    name: String,
}

impl Accent {
    /// A colour for light pages; `dark`: one for dark pages, in the place of a lighter shade of the same.
    pub(super) fn new(light: Colour, dark: Option<Colour>) -> Self {
        let dark = dark.unwrap_or_else(|| light.readable(WHITE, &DARK));
        let (light_shades, dark_shades) = (Shades::of(light, BLACK, LIGHT), Shades::of(dark, WHITE, DARK));
        let css = format!("{}@media (prefers-color-scheme:dark){{{}}}", light_shades.css(), dark_shades.css());
        Self { light, name: named("house", "css", css.as_bytes()), css }
    }

    /// A stylesheet that goes over the built-in one.
    pub fn css(&self) -> &str {
        &self.css
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `#rrggbb`, for light paper: mails.
    pub fn hex(&self) -> String {
        self.light.to_string()
    }
}

/// Whether it can be read on light pages.
pub(super) fn on_light(colour: Colour) -> Result<Colour, Faint> {
    check(colour, BLACK, &LIGHT)
}

/// Whether it can be read on dark pages.
pub(super) fn on_dark(colour: Colour) -> Result<Colour, Faint> {
    check(colour, WHITE, &DARK)
}

fn check(colour: Colour, toward: Colour, surfaces: &[Colour]) -> Result<Colour, Faint> {
    let contrast = colour.worst(surfaces);
    if contrast >= LEAST { Ok(colour) } else { Err(Faint { contrast, instead: colour.readable(toward, surfaces) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        Colour::parse(text).unwrap()
    }

    #[test]
    fn contrast_is_what_wcag_computes() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 0.001);
        assert!((colour("#767676").contrast(WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn a_colour_is_hexadecimal_and_nothing_else() {
        assert_eq!(Colour::parse("#0a6b5c"), Some(Colour(0x0a, 0x6b, 0x5c)));
        assert_eq!(Colour::parse("#1bf"), Some(colour("#11bbff")));
        for text in ["", "#", "0a6b5c", "#0a6b5", "#0a6b5c80", "#+a6b5c", "red", "#fff;}*{display:none", "#0a6b5c\n", "rgb(0,0,0)", "#12é"]
        {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_faint_colour_is_refused_and_one_like_it_that_would_do_is_named() {
        let faint = on_light(colour("#ffcc00")).unwrap_err();
        assert!(faint.contrast < 2.0 && on_light(faint.instead).is_ok(), "{faint:?}");
        let faint = on_dark(colour("#0a6b5c")).unwrap_err();
        assert!(on_dark(faint.instead).is_ok(), "{faint:?}");
        assert!(on_light(colour("#0a6b5c")).is_ok() && on_dark(colour("#7fd8c8")).is_ok());
    }

    #[test]
    fn every_accent_that_is_taken_can_be_read_in_all_its_shades() {
        for red in (0..=255).step_by(51) {
            for green in (0..=255).step_by(51) {
                for blue in (0..=255).step_by(51) {
                    let Ok(light) = on_light(Colour(red, green, blue)) else { continue };
                    let dark = light.readable(WHITE, &DARK);
                    for (shades, surfaces) in [(Shades::of(light, BLACK, LIGHT), LIGHT), (Shades::of(dark, WHITE, DARK), DARK)] {
                        assert!(shades.accent.worst(&surfaces) >= LEAST && shades.deep.worst(&surfaces) >= LEAST, "{light} {shades:?}");
                        assert!(
                            shades.accent.contrast(shades.soft) >= LEAST && shades.on.contrast(shades.accent) >= LEAST,
                            "{light} {shades:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_surfaces_are_those_of_the_stylesheet() {
        let style = include_str!("../../../templates/style.css");
        for [card, sunk, page] in [LIGHT, DARK] {
            for wanted in [format!("--card: {card}"), format!("--sunk: {sunk}"), format!("--page: {page}")] {
                assert!(style.contains(&wanted), "{wanted}");
            }
        }
    }
}
