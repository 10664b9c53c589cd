//! Signing in to the mail server: PLAIN, or LOGIN, whose two questions are answered by their order. Servers word them in many ways,
//! and in other languages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::connect::ConnectError;

/// A name and a password. No `Debug`.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Login {
    /// # Errors
    /// The server's refusal, or that it offers neither mechanism.
    pub(super) async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), ConnectError> {
        let offers = |mechanism| connection.server_info().supports_auth_mechanism(mechanism);
        let (plain, login) = (offers(Mechanism::Plain), offers(Mechanism::Login));
        if plain || !login {
            let credentials = Credentials::new(self.user.clone(), self.password.clone());
            connection.auth(&[Mechanism::Plain], &credentials).await?;
            return Ok(());
        }
        Ok(self.answer_in_order(connection).await?)
    }

    async fn answer_in_order(&self, connection: &mut AsyncSmtpConnection) -> Result<(), smtp::Error> {
        connection.command("AUTH LOGIN\r\n").await?;
        connection.command(format!("{}\r\n", STANDARD.encode(&self.user))).await?;
        connection.command(format!("{}\r\n", STANDARD.encode(&self.password))).await?;
        Ok(())
    }
}
