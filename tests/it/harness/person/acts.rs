//! What people do at the gateway's pages: sign in, type codes, set up an app, read their mail.

use std::time::Duration;

use super::Person;
use crate::harness::html;
use crate::harness::{Answer, Authenticator, PREFIX};

impl Person {
    /// Name and password into the sign-in page on the screen.
    pub async fn types_password(&mut self) -> Answer {
        let (name, password) = (self.name.clone(), self.password.clone());
        self.sends("login", &[("username", &name), ("password", &password)]).await
    }

    /// A code into the page on the screen.
    pub async fn types_code(&mut self, code: &str) -> Answer {
        let path = self.url.split('?').next().unwrap_or_default();
        let page = path.strip_prefix(&format!("{PREFIX}/")).expect("a page of the gateway").trim_end_matches("/resend").to_owned();
        self.sends(&page, &[("code", code)]).await
    }

    /// The app's code of this moment, into the page on the screen.
    pub async fn types_the_code(&mut self) -> Answer {
        let code = self.code();
        self.types_code(&code).await
    }

    /// The same once the app shows another than it did.
    pub async fn types_the_next_code(&mut self) -> Answer {
        self.waits_for_the_next_code();
        self.types_the_code().await
    }

    /// Chooses a method on the page on the screen, and follows.
    pub async fn picks(&mut self, page: &str, method: &str) -> Answer {
        self.sends(page, &[("method", method)]).await;
        self.follows().await
    }

    /// Sets up the authenticator app that the page on the screen offers, saves the codes, and stands at the sign-in page again.
    pub async fn enrols_an_app(&mut self, called: &str) -> Vec<String> {
        self.picks("enrol", "totp").await;
        self.is_at("enrol/totp");
        let key = html::text_of(&self.page.text(), "totp-secret").expect("#totp-secret");
        self.phone = Some(Authenticator::from_key(&key));
        let code = self.code();
        self.sends("enrol/totp", &[("code", &code), ("name", called)]).await.leads_to(&format!("{PREFIX}/enrol/recovery"));
        self.follows().await;
        let codes = html::codes_in(&self.page.text(), "recovery-codes");
        self.sends("enrol/recovery", &[]).await.leads_to(&format!("{PREFIX}/login"));
        self.follows().await;
        codes
    }

    /// The values of the buttons of the form that goes to this page.
    pub fn choices(&self, page: &str) -> Vec<String> {
        self.form(page).buttons.into_iter().filter(|(name, ..)| name == "method").map(|(_, value, _)| value).collect()
    }

    /// The authenticator app's code of this moment.
    pub fn code(&self) -> String {
        self.phone.as_ref().expect("a phone with an app").code_at(self.clock.now().unix())
    }

    /// Waits until the app shows the next code.
    pub fn waits_for_the_next_code(&self) {
        self.clock.advance(Duration::from_secs(30));
    }

    /// The code in the newest message to this person's mailbox.
    #[track_caller]
    pub fn mailed_code(&self) -> String {
        code_in(&self.outbox.last_to(&format!("{}@post.example", self.name)).expect("a mail").text)
    }

    #[track_caller]
    pub fn texted_code(&self) -> String {
        code_in(&self.outbox.last_to("+491701234567").expect("an SMS").text)
    }

    /// From wherever it leads: the password, a code of the app if one is asked for, and on to where it ends.
    pub async fn signs_in_at(&mut self, target: &str) -> Answer {
        self.visits(target).await;
        self.is_at("login");
        self.types_password().await.is(303);
        self.follows().await;
        if self.url.starts_with(&format!("{PREFIX}/mfa/totp")) {
            self.types_the_next_code().await.is(303);
            self.follows().await;
        }
        self.page.clone()
    }

    pub async fn signs_in(&mut self) -> Answer {
        self.signs_in_at("/").await;
        self.sees("/");
        self.page.clone()
    }

    /// Whether this browser is signed in just now.
    pub async fn is_signed_in(&mut self) -> bool {
        // A session that ends under a request cuts it off without an answer: then the next one tells.
        let answer = match self.may_be_cut_off("GET", "/").await {
            Some(answer) => answer,
            None => self.calls("GET", "/").await,
        };
        match answer.status {
            200 => true,
            401 => false,
            other => panic!("{other}"),
        }
    }
}

/// The six digits in a message.
#[track_caller]
fn code_in(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_ascii_digit());
    words.find(|word| word.len() == 6).unwrap_or_else(|| panic!("no code in {text}")).to_owned()
}
