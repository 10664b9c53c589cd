//! Failures by address and by name, over every way in: password, codes, recovery codes, keys, passkeys, links. Each way asks here
//! before a try and counts here after a wrong one; an account's own failures stand in its document.
//!
//! A browser that the user signed in with before has a budget of its own (in the account, and by its id), and others at its
//! address cannot use up what its owner needs to get in.

use crate::account::Account;
use crate::service::Services;
use crate::service::client::Client;
use crate::service::known_browsers::knows;
use crate::service::refused::Refused;
use crate::store::Counted;

impl Services {
    pub(in crate::service) fn at_address(&self, client: &Client) -> Counted {
        Counted { table: "address", name: client.address.group().to_string(), rate: self.config().limits.login_per_ip }
    }

    pub(in crate::service) fn by_name(&self, name: String) -> Counted {
        Counted { table: "name", name, rate: self.config().limits.login_per_account }
    }

    /// # Errors
    /// [`Refused::Throttled`] where too many failed lately.
    pub(in crate::service) async fn refuse_over_rate(&self, counted: &[Counted]) -> Result<(), Refused> {
        Ok(self.store.may_fail(counted, self.now()).await??)
    }

    /// # Errors
    /// [`Refused::Throttled`] where too many failed at the client's address, and this is no browser that `account` knows.
    pub(in crate::service) async fn refuse_crowded(&self, account: Option<&Account>, client: &Client) -> Result<(), Refused> {
        if account.is_some_and(|account| client.device.is_some_and(|device| knows(account, device))) {
            return Ok(());
        }
        self.refuse_over_rate(&[self.at_address(client)]).await
    }

    pub(in crate::service) async fn count_at_address(&self, client: &Client) -> Result<(), Refused> {
        Ok(self.store.count_failure(&[self.at_address(client)], self.now()).await?)
    }
}
