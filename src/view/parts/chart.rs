//! Charts as inline SVG: sizes in attributes, colours by class, so that a strict CSP and a dark screen both hold. Numbers stand beside
//! or below each as text; a chart alone is never the only way to read them.

use maud::{Markup, html};

use super::layout::Page;
use crate::view::wording::words::fill;

/// A period with two numbers, and what it is called.
pub(in crate::view) struct Pair {
    pub(in crate::view) label: Markup,
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

/// The drawing's height and the width of one period, in units that stretch with the page; words stand around it, in the page's own size.
const HEIGHT: f64 = 100.0;
const PERIOD: f64 = 10.0;
/// Labels on one line, and so many periods each with its own.
const LABELS: usize = 4;
const EACH: usize = 7;

/// Two columns side by side for each period. As wide as its place, on a phone too: nothing of it scrolls or shrinks but the columns.
pub(in crate::view) fn columns(label: &str, pairs: &[Pair]) -> Markup {
    let top = nice(pairs.iter().map(|p| p.first.max(p.second)).max().unwrap_or(0));
    let width = PERIOD * pairs.len().max(1) as f64;
    let every = if pairs.len() <= EACH { 1 } else { pairs.len().div_ceil(LABELS) };
    let height = |n: u64| HEIGHT * n as f64 / top as f64;
    html! {
        div.chart role="img" aria-label=(label) {
            div.scale-y aria-hidden="true" { @for part in (0..=2u64).rev() { span { (top / 2 * part) } } }
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                @for part in 0..=2u32 {
                    @let y = HEIGHT / 2.0 * f64::from(part);
                    line.grid x1="0" x2=(width) y1=(y) y2=(y) vector-effect="non-scaling-stroke" {}
                }
                @for (n, pair) in pairs.iter().enumerate() {
                    @let x = PERIOD * n as f64;
                    (column("series-a", x + 1.5, height(pair.first)))
                    (column("series-b", x + 5.0, height(pair.second)))
                }
            }
            div.scale-x aria-hidden="true" {
                @for (n, pair) in pairs.iter().enumerate() { span { @if n % every == 0 { span { (pair.label) } } } }
            }
        }
    }
}

fn column(class: &str, x: f64, height: f64) -> Markup {
    // What is not nothing is seen.
    let height = if height > 0.0 { height.max(1.5) } else { height };
    html! {
        @if height > 0.0 {
            rect class=(class) x=(x) y=(format!("{:.1}", HEIGHT - height)) width="3.5" height=(format!("{height:.1}")) vector-effect="non-scaling-stroke" {}
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
