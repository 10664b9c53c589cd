//! Letter case, accents and look-alikes: the forms in which names are compared. Guarantees that folding twice changes nothing, and
//! that the readings of a path pay for each character before it is written.

use std::borrow::Cow;
use std::convert::Infallible;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::refusal::Refusal;
use super::work::{Work, price};

/// Lower case alone: an application without letter case need not know NFKC.
pub fn lower(text: &str) -> Cow<'_, str> {
    let Ok(lower) = lower_paid(text, &mut free);
    lower
}

/// The form in which names are compared without regard to letter case, accents and look-alikes: NFKD, combining marks and invisible
/// characters dropped, strokes too, `lower(upper(…))` letter by letter, until nothing changes.
pub fn fold(text: &str) -> Cow<'_, str> {
    let Ok(folded) = fold_paid(text, &mut free);
    folded
}

/// As [`lower`], on a path's budget.
pub(super) fn lower_within<'t>(text: &'t str, work: &mut Work) -> Result<Cow<'t, str>, Refusal> {
    lower_paid(text, &mut |bytes| work.touch(bytes))
}

/// As [`fold`], on a path's budget.
pub(super) fn fold_within<'t>(text: &'t str, work: &mut Work) -> Result<Cow<'t, str>, Refusal> {
    fold_paid(text, &mut |bytes| work.touch(bytes))
}

/// Lower case letter by letter, as software does that makes one character of each: `İ` is the one whose full lower case is two.
pub(super) fn simple_lower(text: &str, work: &mut Work) -> Result<Option<String>, Refusal> {
    if text.is_ascii() || !text.contains('\u{130}') {
        return Ok(None);
    }
    lower_within(&text.replace('\u{130}', "i"), work).map(|lower| Some(lower.into_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "the readings of a path pay, and may be refused")]
const fn free(_: usize) -> Result<(), Infallible> {
    Ok(())
}

fn lower_paid<'t, E>(text: &'t str, pay: &mut impl FnMut(usize) -> Result<(), E>) -> Result<Cow<'t, str>, E> {
    if text.is_ascii() {
        return lower_ascii(text, pay);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        pay(price(letter))?;
        match letter.is_ascii() {
            true => out.push(letter.to_ascii_lowercase()),
            false => out.extend(letter.to_lowercase()),
        }
    }
    Ok(if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) })
}

fn lower_ascii<'t, E>(text: &'t str, pay: &mut impl FnMut(usize) -> Result<(), E>) -> Result<Cow<'t, str>, E> {
    pay(text.len())?;
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    Ok(if lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) })
}

fn fold_paid<'t, E>(text: &'t str, pay: &mut impl FnMut(usize) -> Result<(), E>) -> Result<Cow<'t, str>, E> {
    if text.chars().all(has_case_alone) {
        return lower_ascii(text, pay);
    }
    let mut now = fold_once(text, pay)?;
    // Two rounds settle every character there is; the bound is there so that nobody has to prove it.
    for _ in 0..3 {
        if now.chars().all(has_case_alone) {
            break;
        }
        let next = fold_once(&now, pay)?;
        if next == now {
            break;
        }
        now = next;
    }
    Ok(if now == text { Cow::Borrowed(text) } else { Cow::Owned(now) })
}

fn fold_once<E>(text: &str, pay: &mut impl FnMut(usize) -> Result<(), E>) -> Result<String, E> {
    let mut out = String::with_capacity(text.len());
    for letter in text.nfkd() {
        pay(2 * price(letter))?;
        if letter.is_ascii() {
            out.push(letter.to_ascii_lowercase());
        } else if !is_invisible(letter) && canonical_combining_class(letter) == 0 {
            out.extend(letter.to_uppercase().flat_map(char::to_lowercase).map(without_stroke));
        }
    }
    Ok(out)
}

/// Whether folding does to a character what it does to ASCII; true of ASCII and of the ideographs, which have neither case nor parts.
const fn has_case_alone(letter: char) -> bool {
    matches!(letter, '\0'..='\x7f' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// Latin letters that NFKD leaves whole and that accent-insensitive comparison takes for their base (UTS #10, secondary weights).
const fn without_stroke(letter: char) -> char {
    match letter {
        'ø' => 'o',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ł' | 'ƚ' => 'l',
        'ŧ' => 't',
        'ƀ' => 'b',
        'ǥ' => 'g',
        'ɨ' | 'ı' => 'i',
        'ƶ' => 'z',
        other => other,
    }
}

/// Characters that file systems and string comparisons skip (Unicode Default_Ignorable_Code_Point, as far as names have them).
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20dd}'..='\u{20e4}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
