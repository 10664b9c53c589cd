//! Ends at either side: who signs out here signs out there (RP-initiated logout), and whom the provider signs out has no session here
//! any more, nor a tunnel (back-channel logout).

use super::sign_in::ProviderSignIn;
use crate::base::{Secret, SessionId};
use crate::login::ProviderSession;
use crate::service::audit::{Actor, Event};
use crate::service::client::Client;
use crate::service::refused::ProviderProblem;
use crate::service::refused::Refused;
use crate::session::EndReason;
use crate::source::provider::token::LogoutToken;
use crate::store::Whose;

impl ProviderSignIn {
    /// Where the browser goes to end the session at the provider as well, if this session came from one that has such a page. Asked before
    /// the session ends here.
    pub async fn sign_out(&self, session: SessionId, client: &Client) -> Option<String> {
        let half = self.store.provider_session(session).await.ok().flatten()?;
        let provider = self.providers.get(&half.provider)?;
        let id_token = self.store.keys().open(super::refresh::OWNER, &half.id_token).ok();
        let id_token = id_token.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).map(Secret::new);
        let back = format!("{}{}/logout", client.origin, self.context.config().portal.prefix);
        provider.end_session_url(id_token.as_ref(), &back, self.context.now()).await
    }

    /// A logout token of the provider's: ends whose sessions it names, once. Says how many.
    ///
    /// # Errors
    /// If the token is not right, or was used.
    pub async fn end_by_token(&self, provider: &str, token: &str) -> Result<usize, Refused> {
        let provider = self.provider(provider)?;
        let now = self.context.now();
        let name = provider.config.name.as_str();
        let token = provider.logout(token, now).await.map_err(|error| self.failed(&provider, &error))?;
        let id = format!("logout\0{name}\0{}", token.id);
        if !self.store.use_once(id.as_bytes(), token.forget_after).await? {
            return Err(Refused::Provider(ProviderProblem::Stale));
        }
        // First the mark, then the search: a session that is being made meanwhile finds the one or is found by the other.
        self.store.mark_ended_at_provider(name, whose(&token), now).await?;
        let mut ended = 0;
        for (id, _) in self.store.provider_sessions(Some(name)).await?.iter().filter(|(_, half)| is_meant(&token, half)) {
            ended += usize::from(self.end_from_provider(*id, "back-channel logout").await?);
        }
        Ok(ended)
    }

    /// Ends a session on the provider's word.
    pub(super) async fn end_from_provider(&self, id: SessionId, why: &str) -> Result<bool, Refused> {
        let Some(record) = self.store.session(id).await? else { return Ok(false) };
        self.sessions.end(id, EndReason::Provider).await?;
        let name = self.store.account(record.user).await?.map(|account| account.name);
        self.audit.record(Event::ProviderSignedOut, name.as_deref(), Actor::Gateway, why).await?;
        Ok(true)
    }
}

fn whose(token: &LogoutToken) -> Whose<'_> {
    match (&token.session, &token.subject) {
        (Some(session), _) => Whose::Session(session),
        (None, Some(subject)) => Whose::Person(subject),
        // The verification wants one of them.
        (None, None) => Whose::Session(""),
    }
}

fn is_meant(token: &LogoutToken, half: &ProviderSession) -> bool {
    let is_person = token.subject.as_ref().is_none_or(|subject| *subject == half.sub);
    match &token.session {
        Some(session) => half.sid.as_ref() == Some(session) && is_person,
        None => token.subject.as_ref() == Some(&half.sub),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;

    fn half(sub: &str, sid: Option<&str>) -> ProviderSession {
        let at = Time::from_secs(1);
        let (sub, sid) = (sub.to_owned(), sid.map(str::to_owned));
        ProviderSession {
            provider: "corp".into(),
            sub,
            sid,
            authenticated: None,
            began: at,
            id_token: String::new(),
            refresh_token: None,
            confirmed: at,
            asked: at,
        }
    }

    fn token(subject: Option<&str>, session: Option<&str>) -> LogoutToken {
        let (subject, session) = (subject.map(str::to_owned), session.map(str::to_owned));
        LogoutToken {
            id: "j".into(),
            forget_after: Time::from_secs(9),
            subject,
            session,
            claims: crate::source::provider::token::Claims::default(),
        }
    }

    #[test]
    fn a_logout_ends_the_session_or_the_person_that_it_names_and_nobody_else() {
        let mine = half("ada", Some("s1"));
        for (token, ends) in [
            (token(Some("ada"), None), true),
            (token(None, Some("s1")), true),
            (token(Some("ada"), Some("s1")), true),
            (token(Some("ada"), Some("s2")), false),
            (token(Some("bob"), Some("s1")), false),
            (token(Some("bob"), None), false),
            (token(None, None), false),
        ] {
            assert_eq!(is_meant(&token, &mine), ends, "{token:?}");
        }
        assert!(!is_meant(&token(None, Some("s1")), &half("ada", None)));
    }
}
