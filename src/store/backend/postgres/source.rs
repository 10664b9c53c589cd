//! Where the database is, looked up again for each new connection: the file that `store.url_file` names, and that of `sslrootcert`, may change
//! while the gateway runs. Guarantees that another database is never taken for this one, and that what cannot be read changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::settings::Settings;
use crate::base::Secret;
use crate::config::read_secret_file;
use crate::store::StoreError;

/// The URL, or the file that has it.
pub struct Source {
    file: Option<PathBuf>,
    url: Secret,
    now: ArcSwap<Settings>,
}

impl Source {
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(file: Option<PathBuf>, url: &Secret) -> Result<Self, StoreError> {
        Ok(Self { file, url: url.clone(), now: ArcSwap::from_pointee(Settings::read(url)?) })
    }

    /// How the database is reached now.
    pub async fn settings(&self) -> Arc<Settings> {
        let (file, url) = (self.file.clone(), self.url.clone());
        let read = tokio::task::spawn_blocking(move || {
            let url = file.map_or(Ok(url), |file| read_secret_file(&file))?;
            Settings::read(&url).map_err(|e| e.to_string())
        });
        match read.await {
            Ok(Ok(settings)) if settings.config.get_dbname() == self.now.load().config.get_dbname() => self.now.store(Arc::new(settings)),
            Ok(Ok(_)) => tracing::warn!("store.url_file names another database, which counts from the next start on; it is left alone"),
            Ok(Err(error)) => tracing::warn!(error, "how the database is reached cannot be read again; it goes on as before"),
            Err(_) => {}
        }
        self.now.load_full()
    }
}
