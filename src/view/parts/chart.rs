//! Charts as inline SVG: sizes in attributes, colours by class, so that a strict CSP and a dark screen both hold. Numbers stand beside
//! or below each as text; a chart alone is never the only way to read them.

use maud::{Markup, html};

use super::layout::Page;
use crate::view::wording::words::fill;

/// A period with two numbers.
pub(in crate::view) struct Pair<'a> {
    pub(in crate::view) label: &'a str,
    pub(in crate::view) first: u64,
    pub(in crate::view) second: u64,
}

/// A share: `value` of `of`.
pub(in crate::view) struct Bar<'a> {
    pub(in crate::view) label: &'a str,
    pub(in crate::view) value: u64,
    pub(in crate::view) of: u64,
    /// Where those are who are not in the share.
    pub(in crate::view) href: Option<String>,
}

/// The drawing's height without its labels, and the width of one period, in its own units.
const HEIGHT: f64 = 140.0;
const PERIOD: f64 = 44.0;
/// Room for the numbers of the scale.
const MARGIN: f64 = 40.0;
/// How many labels there is room for.
const LABELS: usize = 10;

/// Two columns side by side for each period.
pub(in crate::view) fn columns(label: &str, pairs: &[Pair<'_>]) -> Markup {
    let top = nice(pairs.iter().map(|p| p.first.max(p.second)).max().unwrap_or(0));
    let width = MARGIN + PERIOD * pairs.len().max(8) as f64;
    let every = pairs.len().div_ceil(LABELS).max(1);
    let height = |n: u64| HEIGHT * n as f64 / top as f64;
    html! {
        svg.chart role="img" aria-label=(label) viewBox={ "0 -8 " (width) " " (HEIGHT + 30.0) } {
            @for part in 0..=2u64 {
                @let n = top * part / 2;
                @let y = HEIGHT - height(n);
                line.grid x1=(MARGIN) x2=(width) y1=(y) y2=(y) {}
                text.scale x=(MARGIN - 6.0) y=(y + 4.0) text-anchor="end" { (n) }
            }
            @for (n, pair) in pairs.iter().enumerate() {
                @let x = MARGIN + PERIOD * n as f64 + 8.0;
                (column("series-a", x, height(pair.first), format!("{}: {}", pair.label, pair.first)))
                (column("series-b", x + 14.0, height(pair.second), format!("{}: {}", pair.label, pair.second)))
                @if n % every == 0 { text.scale x=(x + 14.0) y=(HEIGHT + 17.0) text-anchor="middle" { (pair.label) } }
            }
        }
    }
}

fn column(class: &str, x: f64, height: f64, title: String) -> Markup {
    html! {
        @if height > 0.0 {
            rect class=(class) x=(x) y=(format!("{:.1}", HEIGHT - height)) width="12" height=(format!("{height:.1}")) rx="2" { title { (title) } }
        }
    }
}

/// The end of the scale: an even number of 1, 2 or 5 times a power of ten, at or above `n`.
fn nice(n: u64) -> u64 {
    let mut unit = 2u64;
    loop {
        for step in [1, 2, 5] {
            let end = unit.saturating_mul(step);
            if end >= n {
                return end;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// One horizontal bar each, with its numbers.
pub(in crate::view) fn bars(page: &Page, bars: &[Bar<'_>]) -> Markup {
    html! {
        ul.bars { @for bar in bars {
            @let share = if bar.of == 0 { 0.0 } else { (bar.value as f64 / bar.of as f64).min(1.0) * 100.0 };
            li {
                span { @if let Some(href) = &bar.href { a href=(href) { bdi { (bar.label) } } } @else { bdi { (bar.label) } } }
                span.soft { (fill(&page.words.admin.of, &[("n", &bar.value.to_string()), ("of", &bar.of.to_string())])) }
                svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                    rect.grid width="100" height="4" {}
                    rect.series-a width=(format!("{share:.1}")) height="4" {}
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_on_an_even_round_number() {
        for (n, end) in [(0, 2), (3, 4), (9, 10), (11, 20), (73, 100), (201, 400), (u64::MAX, u64::MAX)] {
            assert_eq!(nice(n), end, "{n}");
        }
    }
}
