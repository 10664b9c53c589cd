//! Accounts in every backend: who they are, and that what is used once is used once.

use std::sync::Arc;

use super::super::{Conflict, Edit, Store};
use super::{account, race};
use crate::account::{Account, RecoveryCode, WebauthnEnrolment};
use crate::base::Time;

async fn moves_to(store: &Store, account: &Account, email: &str) -> Result<(), Conflict> {
    let edit = |account: &mut Account| {
        account.email = email.into();
        Edit::Write(())
    };
    store.update_account(account.id, edit).await.unwrap().unwrap()
}

pub(super) async fn name_and_address_are_one_identity(store: Arc<Store>) {
    let alice = account("Alice");
    store.create_account(&alice).await.unwrap().unwrap();
    for login in ["alice", "ALICE", " alice ", "Alice@Internal.Example", "ａｌｉｃｅ"] {
        assert_eq!(store.account_by_login(login).await.unwrap().unwrap().id, alice.id, "{login}");
    }
    assert!(store.account_by_login("").await.unwrap().is_none());
    moves_to(&store, &alice, "new@internal.example").await.unwrap();
    assert!(store.account_by_login("alice@internal.example").await.unwrap().is_none());
    assert!(store.account_by_login("new@internal.example").await.unwrap().is_some());
    assert!(store.delete_account(alice.id).await.unwrap());
    assert!(store.account_by_login("alice").await.unwrap().is_none());
    assert!(store.account_by_login("new@internal.example").await.unwrap().is_none());
}

pub(super) async fn a_taken_name_is_refused_and_changes_nothing(store: Arc<Store>) {
    let (alice, bob) = (account("alice"), account("bob"));
    store.create_account(&alice).await.unwrap().unwrap();
    store.create_account(&bob).await.unwrap().unwrap();
    assert_eq!(store.create_account(&account("ALICE")).await.unwrap(), Err(Conflict::Login("ALICE".into())));
    for taken in ["alice@internal.example", "alice"] {
        assert_eq!(moves_to(&store, &bob, taken).await, Err(Conflict::Login(taken.into())));
    }
    assert_eq!(store.account(bob.id).await.unwrap().unwrap().email, "bob@internal.example");
}

pub(super) async fn of_fifty_uses_of_a_code_one_wins(store: Arc<Store>) {
    let mut alice = account("alice");
    alice.recovery.push(RecoveryCode { salt: String::new(), hash: String::new(), used: None });
    store.create_account(&alice).await.unwrap().unwrap();
    let wins = race(50, || {
        let store = store.clone();
        async move {
            let take = |a: &mut Account| match a.recovery.first_mut() {
                Some(code) if code.used.is_none() => {
                    code.used = Some(Time::from_secs(1));
                    Edit::Write(true)
                }
                _ => Edit::Leave(false),
            };
            store.update_account(alice.id, take).await.unwrap().unwrap().unwrap()
        }
    });
    assert_eq!(wins.await.into_iter().filter(|won| *won).count(), 1);
}

pub(super) async fn an_import_is_all_or_nothing(store: Arc<Store>) {
    store.create_account(&account("carol")).await.unwrap().unwrap();
    let batch = [account("alice"), account("bob"), account("Carol")];
    assert_eq!(store.create_accounts(&batch).await.unwrap(), Err(Conflict::Login("Carol".into())));
    assert!(store.account_by_login("alice").await.unwrap().is_none());
    store.create_accounts(&batch[..2]).await.unwrap().unwrap();
    assert_eq!(store.all_accounts().await.unwrap().len(), 3);
}

pub(super) async fn a_factor_belongs_to_one_account(store: Arc<Store>) {
    let (alice, bob) = (account("alice"), account("bob"));
    store.create_accounts(&[alice.clone(), bob.clone()]).await.unwrap().unwrap();
    let key = WebauthnEnrolment {
        id: "abc".into(),
        name: "key".into(),
        passkey: serde_json::Value::Null,
        added: Time::default(),
        last_used: None,
    };
    let add = |a: &mut Account| {
        a.webauthn.push(key.clone());
        Edit::Write(())
    };
    store.update_account(alice.id, add).await.unwrap().unwrap().unwrap();
    assert_eq!(store.update_account(bob.id, add).await.unwrap().unwrap(), Err(Conflict::Factor));
    assert_eq!(store.account_by_credential("abc").await.unwrap().unwrap().id, alice.id);
    let remove = |a: &mut Account| {
        a.webauthn.clear();
        Edit::Write(())
    };
    store.update_account(alice.id, remove).await.unwrap().unwrap().unwrap();
    store.update_account(bob.id, add).await.unwrap().unwrap().unwrap();
}
