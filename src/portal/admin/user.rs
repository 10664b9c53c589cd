//! One user: the page, and what an administrator does there.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::faults::fault;
use super::gate::AdminRequest;
use super::listing::state;
use super::orders::Order;
use crate::account::{Account, BulkAction};
use crate::base::Subject;
use crate::factor::{Method, recovery};
use crate::portal::profile::tokens::row as token_row;
use crate::portal::sign_in::mfa::destination;
use crate::portal::web::reply::Reply;
use crate::service::accounts::AccountError;
use crate::service::admin::bulk::Picked;
use crate::service::admin::directory::{Locked, last_sign_in};
use crate::service::{Refused, Services};
use crate::source::provider::linked::{person_at, subject_of};
use crate::view::admin::{self, CertificateFacts, LinkedRow, MethodRow, PolicyChoice, UserView};
use crate::view::message::Problem;
use crate::view::{Note, fill};

async fn find(admin: &AdminRequest, name: &str) -> Result<Option<Account>, Refused> {
    Ok(admin.req.services.store.account_by_login(name).await?)
}

fn unknown(admin: &AdminRequest) -> Reply {
    Reply::problem(&admin.req, Problem::NotFound)
}

pub async fn show(Path(name): Path<String>, admin: AdminRequest) -> Response {
    let reply = match find(&admin, &name).await {
        Ok(Some(account)) => Ok(user_page(&admin, &account, None).await),
        Ok(None) => Ok(unknown(&admin)),
        Err(e) => Err(e),
    };
    admin.req.answer(reply)
}

/// The user's page; 422 with an error on it.
pub async fn user_page(admin: &AdminRequest, account: &Account, note: Option<Note>) -> Reply {
    let wrong = matches!(note, Some(Note::Error(_)));
    let page = admin::user(&admin.req.page(), &view(admin, account, note).await);
    Reply::page(if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, page)
}

async fn view(admin: &AdminRequest, account: &Account, note: Option<Note>) -> UserView {
    let (services, config) = (&admin.req.services, &admin.req.context.config);
    let sessions = services.sessions.signed_in(account).await.map_or_else(|_| services.live.signed_in(account.id).len(), |all| all.len());
    UserView {
        name: account.name.clone(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        phone: account.phone.clone().unwrap_or_default(),
        groups: account.groups.clone(),
        note,
        state: state(account.disabled, Locked::of(account), admin.req.context.now),
        created: account.created,
        last_sign_in: last_sign_in(account),
        sessions,
        policy: PolicyChoice { own: account.mfa_policy, server: config.mfa.policy },
        methods: methods(account),
        recovery: (!account.recovery.is_empty()).then(|| (account.recovery_left(), account.recovery.len().max(recovery::COUNT))),
        allowed: account.allowed.as_ref().map(|allowed| allowed.iter().copied().collect()),
        server_methods: config.mfa.methods,
        tokens: services.api_tokens.of(account).into_iter().map(|token| token_row(token, &config.routes)).collect(),
        service: account.service,
        certificate: account.certificate_subject.as_ref().map(|subject| certificate(services, subject)),
        source: account
            .source
            .as_ref()
            .map(|membership| (membership.person.source.to_string(), membership.closed.map(|closed| closed.to_string()))),
        links: links(admin, account),
        providers: free_providers(admin, account),
        has_password: account.source.is_none() && account.password.is_some(),
        must_change_password: account.must_change_password,
        can_mail: !account.email.is_empty() && services.notices.can_send(Method::Email),
    }
}

fn certificate(services: &Services, subject: &Subject) -> CertificateFacts {
    let seen = services.tokens.holders().find(subject).and_then(|holder| holder.seen());
    CertificateFacts { subject: subject.to_string(), seen: seen.map(|seen| (seen.fingerprint(), seen.ends, seen.at)) }
}

/// Who the user is at providers, also at those that are no longer in the configuration.
fn links(admin: &AdminRequest, account: &Account) -> Vec<LinkedRow> {
    let providers = &admin.req.context.config.providers;
    let title = |name: &str| providers.iter().find(|one| one.name == name).map_or_else(|| name.to_owned(), |one| one.title.clone());
    let row = |person: &crate::account::PersonId| {
        let provider = person.source.to_string();
        LinkedRow { title: title(&provider), provider, subject: subject_of(person).to_owned() }
    };
    account.linked.iter().map(row).collect()
}

/// The providers that a local account may still be linked to, by name and title.
fn free_providers(admin: &AdminRequest, account: &Account) -> Vec<(String, String)> {
    let providers = admin.req.context.config.providers.iter().filter(|one| account.source.is_none() && person_at(account, one).is_none());
    providers.map(|one| (one.name.clone(), one.title.clone())).collect()
}

/// A row each; security keys share one, since they are removed together here.
fn methods(account: &Account) -> Vec<MethodRow> {
    let row = |method, detail, added, last_used| MethodRow { method, detail, added, last_used };
    let totp = account.totp.iter().map(|totp| row(Method::Totp, totp.name.clone(), totp.added, totp.last_used));
    let keys = account.webauthn.first().map(|first| {
        let names: Vec<&str> = account.webauthn.iter().map(|key| key.name.as_str()).collect();
        let last_used = account.webauthn.iter().filter_map(|key| key.last_used).max();
        row(Method::Webauthn, names.join(", "), first.added, last_used)
    });
    let sent = [(Method::Email, &account.email_otp), (Method::Sms, &account.sms_otp), (Method::External, &account.external)];
    let sent = sent
        .into_iter()
        .filter_map(|(method, otp)| otp.as_ref().map(|otp| row(method, destination(account, method), otp.added, otp.last_used)));
    totp.chain(keys).chain(sent).collect()
}

pub async fn act(Path(name): Path<String>, admin: AdminRequest) -> Response {
    let reply = acted(&admin, &name).await;
    admin.req.answer(reply)
}

async fn acted(admin: &AdminRequest, name: &str) -> Result<Reply, Refused> {
    let words = &admin.req.words.admin;
    let Some(account) = find(admin, name).await? else { return Ok(unknown(admin)) };
    let refuse = async |text: &str| Ok(user_page(admin, &account, Some(Note::Error(text.to_owned()))).await);
    let Some(order) = Order::read(&admin.req.form, &account) else { return refuse(&words.form_unread).await };
    if admin.admin.is(&account) && order.locks_out(&account, &admin.req.context.config) {
        return refuse(&words.not_yourself).await;
    }
    match carry_out(admin, &account, order).await {
        Ok(reply) => Ok(reply),
        Err(AccountError::Unknown(_)) => Ok(unknown(admin)),
        Err(e) => Ok(user_page(admin, &account, Some(fault(admin.req.words, e)?)).await),
    }
}

async fn carry_out(admin: &AdminRequest, account: &Account, order: Order) -> Result<Reply, AccountError> {
    let (req, name, actor) = (&admin.req, account.name.as_str(), admin.actor());
    let (services, words) = (&req.services, req.words);
    let done = async |account: &Account, text: &str| user_page(admin, account, Some(Note::Done(text.to_owned()))).await;
    Ok(match order {
        Order::Change(change) => {
            let account = services.accounts.change(name, &change, actor).await?;
            let saved = &words.note.saved;
            done(&account, &if change.disabled == Some(true) { admin.with_reach(saved).await } else { saved.clone() }).await
        }
        Order::Mfa(change) => {
            let said = match change.reset.len() {
                0 => words.note.saved.clone(),
                n => fill(&words.note.methods_removed_n, &[("n", &n.to_string())]),
            };
            done(&services.accounts.change_mfa(name, &change, actor).await?, &said).await
        }
        Order::Unlock => {
            services.accounts.unlock(name, actor).await?;
            done(&services.accounts.named(name).await?, &words.note.saved).await
        }
        Order::RequirePassword => {
            let seen = Picked { id: account.id, seen: account.seen() };
            let outcome = services.bulk.run(BulkAction::RequirePassword, &[seen], admin.admin.id(), actor).await;
            if outcome.done.is_empty() {
                return Ok(user_page(admin, account, Some(Note::Error(words.admin.form_unread.clone()))).await);
            }
            done(&services.accounts.named(name).await?, &admin.with_reach(&words.note.saved).await).await
        }
        Order::EndSessions => {
            let ended = services.admin_sessions.revoke(Some(name), actor).await?;
            let said = fill(&words.note.sessions_ended_n, &[("n", &ended.to_string())]);
            done(account, &admin.with_reach(&said).await).await
        }
        Order::RevokeToken(id) => {
            services.api_tokens.revoke(id, Some(account.id), actor).await?;
            done(account, &admin.with_reach(&words.tokens.revoked).await).await
        }
        Order::RecoveryCodes => {
            let codes = services.accounts.recovery_codes(name, actor).await?;
            let codes: Vec<String> = codes.iter().map(|code| code.expose().to_owned()).collect();
            Reply::ok(admin::recovery_codes(&req.page(), name, &codes))
        }
        Order::SetupLink => {
            let url = services.setup_links.url(&services.accounts.setup_link(name, actor).await?, &req.client);
            Reply::ok(admin::setup_link(&req.page(), name, url.expose()))
        }
        Order::Link { provider, subject } => {
            services.provider.link_by_hand(name, &provider, &subject, actor).await?;
            done(&services.accounts.named(name).await?, &words.note.saved).await
        }
        Order::Unlink { provider } => {
            services.provider.unlink_by_hand(name, &provider, actor).await?;
            done(&services.accounts.named(name).await?, &words.note.saved).await
        }
        Order::MailLink => mailed(admin, account).await?,
        Order::Delete(typed) if typed != name => {
            let note = Note::Error(words.admin.confirm_wrong.clone());
            Reply::wrong(admin::confirm_delete(&req.page(), name, Some(&note)))
        }
        Order::Delete(_) => {
            services.accounts.remove(name, actor).await?;
            Reply::to(req, "admin/users")
        }
    })
}

async fn mailed(admin: &AdminRequest, account: &Account) -> Result<Reply, AccountError> {
    let req = &admin.req;
    match req.services.setup_links.make_and_mail(account, &req.client, admin.actor()).await {
        Ok(()) => {
            let text = fill(&req.words.admin.link_mailed, &[("address", &account.email)]);
            Ok(user_page(admin, account, Some(Note::Done(text))).await)
        }
        Err(Refused::CannotSend) => Ok(Reply::problem(req, Problem::Unavailable)),
        Err(Refused::Throttled(wait)) => Ok(Reply::problem(req, Problem::Throttled(wait))),
        Err(other) => Err(other.into()),
    }
}

pub async fn ask_delete(Path(name): Path<String>, admin: AdminRequest) -> Response {
    let reply = match find(&admin, &name).await {
        Ok(Some(account)) if admin.admin.is(&account) => {
            Ok(user_page(&admin, &account, Some(Note::Error(admin.req.words.admin.not_yourself.clone()))).await)
        }
        Ok(Some(account)) => Ok(Reply::ok(admin::confirm_delete(&admin.req.page(), &account.name, None))),
        Ok(None) => Ok(unknown(&admin)),
        Err(e) => Err(e),
    };
    admin.req.answer(reply)
}
