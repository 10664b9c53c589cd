//! The interrupted form that a sign-in leads to: the sign-in then demands what the form's route demands.

use super::page_request::{PageRequest, secure_url};
use crate::base::{SavedPostId, UserId};
use crate::service::saved_post::Form;

/// The form that the way back leads to, so that the sign-in asks for what the form's route wants. Known once it is known who signs in.
pub async fn bound_for(req: &PageRequest) -> Option<Form> {
    let page = format!("{}/resume?id=", req.context.config.portal.prefix);
    let id: SavedPostId = req.rd.target().strip_prefix(&page)?.parse().ok()?;
    let origin = req.rd.other_origin().unwrap_or_else(|| req.client.origin.clone());
    let user = match (owner(req), req.flow) {
        (Some(user), _) => user,
        (None, Some(flow)) => req.services.store.flow(flow).await.ok()??.user,
        (None, None) => return None,
    };
    req.services.saved_posts.get(user, id).await.ok()?.filter(|form| is_at(&origin, form))
}

pub fn owner(req: &PageRequest) -> Option<UserId> {
    req.session.as_ref().map(|session| session.user())
}

/// A form goes to the URL that it was sent to, and is looked at on that host alone.
pub fn is_here(req: &PageRequest, form: &Form) -> bool {
    is_at(&req.client.origin, form)
}

fn is_at(origin: &str, form: &Form) -> bool {
    secure_url(form.secure, &form.authority).eq_ignore_ascii_case(origin)
}
