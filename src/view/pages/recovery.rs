//! Fresh recovery codes: shown this once, to be copied, saved or printed.

use maud::{Markup, html};

use super::enrol::{Setup, head};
use crate::view::parts::layout::{Page, button_form, card};

/// Where the page with the recovery codes is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// `enrol/recovery`: after the first factor, before the new sign-in.
    FirstEnrolment,
    /// `account/recovery`: instead of earlier ones; leads back to the account.
    Account,
}

/// The recovery codes, one `<code>` each in `#recovery-codes`; the first time posts `saved=1`.
pub fn codes(page: &Page, setup: &Setup, codes: &[String], at: At) -> Markup {
    let words = &page.words.enrol;
    let mut head = head(page, &words.codes_heading, setup);
    head.lead = Some(html! { (words.codes_lead) @if at == At::Account { " " (words.codes_again) } });
    head.start_over = None;
    card(
        page,
        &head,
        html! {
            (list(page, codes, &page.host))
            @match at {
                At::FirstEnrolment => {
                    (button_form(page, "enrol/recovery", &[("saved", "1")], "go", &words.codes_saved))
                    p.after { (words.codes_after) }
                }
                At::Account => { a.button.go href=(page.link("account")) { (words.codes_saved) } }
            }
        },
    )
}

/// The codes, and what helps to keep them; a file of them is named after whom they let in.
pub(in crate::view) fn list(page: &Page, codes: &[String], file: &str) -> Markup {
    let words = &page.words.enrol;
    html! {
        ol.codes #recovery-codes aria-label=(words.codes_list) { @for code in codes { li { code { (code) } } } }
        div.tools hidden data-codes="recovery-codes" data-file={ "recovery-codes-" (file) ".txt" } {
            button.second type="button" data-do="copy" data-done=(words.copied) { (words.copy) }
            button.second type="button" data-do="download" { (words.download) }
            button.second type="button" data-do="print" { (words.print) }
        }
    }
}
