//! The same done to many users: what stands in the list, the preview that asks once, and what became of everybody.

use maud::{Markup, html};

use super::{Place, admin};
use crate::account::BulkAction;
use crate::view::parts::layout::{Note, Page, form, note};
use crate::view::wording::words::fill;

/// Whom an act would concern, and what it does.
#[derive(Clone, Debug)]
pub struct BulkPreview {
    pub action: BulkAction,
    pub names: Vec<String>,
    /// Goes back as the hidden field `people`.
    pub people: String,
    /// How many more it would concern, and how many one act changes.
    pub more: usize,
    pub most: usize,
    pub skipped: Vec<BulkSkipped>,
    /// What the list was narrowed to.
    pub back: Vec<(&'static str, String)>,
}

/// Who is left out, for one reason.
#[derive(Clone, Debug)]
pub struct BulkSkipped {
    pub why: String,
    /// The first few.
    pub names: Vec<String>,
    pub more: usize,
}

/// What became of everybody.
#[derive(Clone, Debug)]
pub struct BulkDone {
    pub action: BulkAction,
    pub note: Note,
    pub done: Vec<String>,
    /// Changed since the preview, and not touched.
    pub changed: Vec<String>,
    pub gone: usize,
    pub failed: Vec<String>,
    pub back: Vec<(&'static str, String)>,
}

fn label(page: &Page, action: BulkAction) -> &str {
    let words = &page.words.admin;
    match action {
        BulkAction::RequirePassword => &words.bulk_require_password,
        BulkAction::EndSessions => &words.end_sessions,
        BulkAction::Disable => &words.bulk_disable,
        BulkAction::Enable => &words.bulk_enable,
        BulkAction::ResetFactors => &words.reset_all,
        BulkAction::Unlock => &words.unlock,
    }
}

fn lead(page: &Page, action: BulkAction) -> &str {
    let words = &page.words.admin;
    match action {
        BulkAction::RequirePassword => &words.bulk_require_password_lead,
        BulkAction::EndSessions => &words.bulk_end_sessions_lead,
        BulkAction::Disable => &words.bulk_disable_lead,
        BulkAction::Enable => &words.bulk_enable_lead,
        BulkAction::ResetFactors => &words.bulk_reset_lead,
        BulkAction::Unlock => &words.bulk_unlock_lead,
    }
}

/// Below the list, in the form that its boxes belong to: `scope` is `picked` or `all`, with the `total` that the filter matches.
pub(super) fn chooser(page: &Page, total: usize) -> Markup {
    let words = &page.words.admin;
    html! {
        fieldset.bulk {
            legend.sr { (words.bulk) }
            div {
                label for="bulk-action" { (words.bulk) }
                select #bulk-action name="action" { @for action in BulkAction::ALL { option value=(action.name()) { (label(page, action)) } } }
            }
            button.second name="scope" value="picked" { (words.bulk_picked) }
            button.second name="scope" value="all" { (fill(&words.bulk_all, &[("n", &total.to_string())])) }
        }
    }
}

/// The box of a row; `name` is what people call the user.
pub(super) fn pick(page: &Page, id: &str, name: &str) -> Markup {
    html! { input type="checkbox" name="pick" value=(id) aria-label=(fill(&page.words.admin.bulk_pick, &[("user", name)])); }
}

fn names(names: &[String]) -> Markup {
    html! { ul.names tabindex="0" { @for name in names { li { bdi { (name) } } } } }
}

/// The way back to the list as it was.
fn to_list(page: &Page, back: &[(&'static str, String)], class: &str, text: &str) -> Markup {
    let query: Vec<(&str, &str)> = back.iter().map(|(name, value)| (*name, value.as_str())).collect();
    html! { a class=(class) href=(page.link_with("admin/users", &query)) { (text) } }
}

/// Whom it concerns and what will happen; posts `action` and `people` to `admin/bulk`.
pub fn bulk_preview(page: &Page, view: &BulkPreview) -> Markup {
    let words = &page.words.admin;
    let count = [("n", view.names.len().to_string())];
    let count = count.each_ref().map(|(name, n)| (*name, n.as_str()));
    let fields = html! {
        input type="hidden" name="action" value=(view.action.name());
        input type="hidden" name="people" value=(view.people);
        @for (name, value) in &view.back { input type="hidden" name=(name) value=(value); }
        button.go.danger[view.action.is_harsh()] { (label(page, view.action)) }
    };
    admin(
        page,
        Place::Users,
        label(page, view.action),
        html! {
            section.narrow {
                p { (lead(page, view.action)) }
                @if view.names.is_empty() { p.note.warn role="status" { (words.bulk_nobody) } } @else {
                    h2 { (fill(&words.bulk_count, &count)) }
                    (names(&view.names))
                }
                @if view.more > 0 {
                    p.note.warn role="status" { (fill(&words.bulk_more, &[("n", &view.more.to_string()), ("most", &view.most.to_string())])) }
                }
                @for skipped in &view.skipped {
                    p.soft { (words.bulk_left_out) " " (skipped.why) ": " bdi { (skipped.names.join(", ")) } @if skipped.more > 0 { " + " (skipped.more) } }
                }
                @if !view.names.is_empty() { (form(page, "admin/bulk", fields)) }
                p.row.links { (to_list(page, &view.back, "", &page.words.common.cancel)) }
            }
        },
    )
}

/// What was done, and to whom it was not.
pub fn bulk_done(page: &Page, view: &BulkDone) -> Markup {
    let words = &page.words.admin;
    admin(
        page,
        Place::Users,
        label(page, view.action),
        html! {
            (note(Some(&view.note)))
            section.narrow {
                @for (heading, list) in [(&words.bulk_changed, &view.changed), (&words.bulk_failed, &view.failed)] {
                    @if !list.is_empty() { h2 { (heading) } (names(list)) }
                }
                @if view.gone > 0 { p { (fill(&words.bulk_gone, &[("n", &view.gone.to_string())])) } }
                @if !view.done.is_empty() {
                    // The note has said how many.
                    @if !view.changed.is_empty() || !view.failed.is_empty() || view.gone > 0 { h2 { (fill(&words.bulk_done, &[("n", &view.done.len().to_string())])) } }
                    (names(&view.done))
                }
                (to_list(page, &view.back, "button go", &words.bulk_back))
            }
        },
    )
}
