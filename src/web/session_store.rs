//! The session store behind actix-session, which looks after the cookie.
//!
//! Sessions are rows of the database that are made and ended inside the transactions of `credentials::sessions`,
//! together with their audit entries. So this store keeps nothing of its own: the key in the signed cookie *is* the
//! session token, and the row is read once per request on the blocking thread that needs it. A token whose row is
//! gone is dead whatever the cookie says.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

/// The one entry of a session's state.
pub(super) const TOKEN: &str = "token";

/// See the module.
pub(super) struct TokenStore;

type State = HashMap<String, String>;

fn key_of(state: &State) -> Result<SessionKey, anyhow::Error> {
    let json = state
        .get(TOKEN)
        .ok_or_else(|| anyhow::anyhow!("a session without a token"))?;
    let token: String = serde_json::from_str(json)?;
    Ok(SessionKey::try_from(token)?)
}

impl SessionStore for TokenStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let json = serde_json::to_string(key.as_ref()).map_err(|e| LoadError::Other(e.into()))?;
        Ok(Some(State::from([(TOKEN.to_owned(), json)])))
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        key_of(&state).map_err(SaveError::Other)
    }

    async fn update(
        &self,
        _: SessionKey,
        state: State,
        _: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        key_of(&state).map_err(UpdateError::Other)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(())
    }
}
