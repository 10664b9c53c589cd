//! Setting up the second factor at a provider: the account is linked to a person there once.

use super::account::changed;
use crate::factor::Method;
use crate::login::News;
use crate::portal::sign_in::login::with_news;
use crate::portal::sign_in::provider::failed;
use crate::portal::web::page_request::PageRequest;
use crate::portal::web::reply::Reply;
use crate::service::provider::Linked;
use crate::service::{Confirmed, EnrolPage, Refused};
use crate::session::CookieKind;
use crate::view::enrol::Setup;
use crate::view::mfa::Second;
use crate::view::provider::{self, ProviderButton};

/// A button for each provider that can be linked as a second factor.
pub(super) fn page(req: &PageRequest, setup: Setup) -> maud::Markup {
    let button = |(name, title): (String, String)| ProviderButton { name, title };
    let buttons: Vec<ProviderButton> = req.services.provider.linkable_factors().into_iter().map(button).collect();
    let second = Second { note: setup.note, ..Second::default() };
    provider::external(&req.page(), &second, "enrol/external", &buttons)
}

/// To the provider, whose person the account is to be linked to.
pub(super) async fn to_provider(req: &PageRequest, page: &EnrolPage) -> Result<Reply, Refused> {
    let chosen = Some(req.form.get("provider").to_owned()).filter(|name| !name.is_empty());
    let name = chosen.or_else(|| req.services.provider.linkable_factors().into_iter().next().map(|(name, _)| name));
    let name = name.ok_or(Refused::NotOffered(Method::External))?;
    match req.services.provider.begin_enrolment(page, &name, req.rd.as_str(), &req.client).await {
        Ok(begun) => Ok(Reply::go(begun.location).cookie(req.flow_cookie(begun.flow))),
        Err(Refused::Provider(problem)) => Ok(failed(req, &name, None, problem)),
        Err(other) => Err(other),
    }
}

/// Linked: what follows a method that was confirmed.
pub async fn set_up(req: &PageRequest, linked: Linked) -> Result<Reply, Refused> {
    let reply = match linked.confirmed {
        Confirmed::ShowCodes => Reply::to(req, "enrol/recovery"),
        Confirmed::Kept(signed) => return changed(req, &linked.account, &signed, News::MethodAdded).await,
        Confirmed::Done => with_news(req, &linked.account, News::Enrolled).await?,
    };
    Ok(reply.cookie(req.cookies.expire(CookieKind::Session)))
}
