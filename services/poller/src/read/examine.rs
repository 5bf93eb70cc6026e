//! First contact with an account.

use expensify_client::ClientError;
use tracing::{info, warn};

use crate::{
    account::Account,
    error::{ReadError, chain},
};

/// Asks the upstream's template engine about itself. What it answers is for the log alone: it explains an export that cannot
/// be read, and decides nothing. But when the account itself is refused, nothing is gained by asking for more.
pub(super) async fn examine(account: &Account) -> Result<(), ReadError> {
    let name = account.name();
    match account.client.doctor().await {
        Ok(engine) => {
            let (version, locale) = (&engine.engine, &engine.locale);
            let (failures, escaping) = (&engine.failures, &engine.escaping);
            info!(account = %name, version, locale, ?failures, ?escaping, "the upstream's template engine");
            for concern in &engine.concerns {
                warn!(account = %name, concern, "the upstream's template engine may garble exports");
            }
        }
        Err(error @ ClientError::GateClosed { .. }) => return Err(error.into()),
        Err(error) if matches!(error.code(), Some(403 | 404 | 429)) => return Err(error.into()),
        Err(error) => {
            warn!(account = %name, error = %chain(&error), "the upstream's template engine told nothing of itself")
        }
    }
    Ok(())
}
