//! (temporary until the command line is merged)
pub mod demo;
pub mod serve;
pub mod control {
    use std::sync::Arc;
    use crate::app::App;
    pub type Reload = Arc<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;
    pub fn serve(_: Arc<App>, _: Reload, _: &std::path::Path) -> anyhow::Result<()> { Ok(()) }
}
pub mod source {
    pub struct ConfigSource;
    impl ConfigSource { pub fn load(&self) -> Result<crate::config::Loaded, crate::config::Problems> { Err(crate::config::Problems(vec![])) } }
}
pub async fn until_interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    Ok(())
}
