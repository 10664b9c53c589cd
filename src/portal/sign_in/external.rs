//! The second factor at a provider: its page, and the way there. What comes back is read by [`crate::portal::provider`].

use super::provider::failed;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::{Pending, Refused};
use crate::source::provider::linked::ExternalFactor;
use crate::view::mfa::Second;
use crate::view::provider::{self, ProviderButton};

/// What the providers call themselves that can confirm.
pub(super) fn titles(pending: &Pending) -> String {
    pending.external.iter().map(|factor| factor.title.as_str()).collect::<Vec<_>>().join(", ")
}

/// A button for each provider that can confirm.
pub(super) fn page(req: &PageRequest, pending: &Pending, second: &Second) -> maud::Markup {
    let button = |factor: &ExternalFactor| ProviderButton { name: factor.name.clone(), title: factor.title.clone() };
    let buttons: Vec<ProviderButton> = pending.external.iter().map(button).collect();
    provider::external(&req.page(), second, "mfa/external", &buttons)
}

/// To the provider that confirms; the one that the form names, if there are several.
pub(super) async fn to_provider(req: &PageRequest, pending: &Pending) -> Result<Reply, Refused> {
    let named = Some(req.form.get("provider")).filter(|name| !name.is_empty());
    match req.services.provider.begin_second_factor(pending, named, req.rd.as_str(), &req.client).await {
        Ok(begun) => Ok(Reply::go(begun.location).cookie(req.flow_cookie(begun.flow))),
        Err(Refused::Provider(problem)) => Ok(failed(req, named.unwrap_or_default(), None, problem)),
        Err(other) => Err(other),
    }
}
