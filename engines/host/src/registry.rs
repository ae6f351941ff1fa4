//! The engines of this process.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use workmanager_core_domain::{EngineInfo, MimeType};

use crate::{Engine, SpawnError};

/// Engines by what they run.
#[derive(Clone, Default)]
pub struct Registry {
    engines: Vec<Arc<dyn Engine>>,
    by_type: BTreeMap<MimeType, Arc<dyn Engine>>,
    /// The types that are left out on purpose.
    refused: Vec<MimeType>,
}

impl Registry {
    /// No engines yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an engine; it takes over the types of an earlier one.
    #[must_use]
    pub fn with(mut self, engine: Arc<dyn Engine>) -> Self {
        for mime_type in engine.mime_types() {
            self.by_type.insert(*mime_type, engine.clone());
        }
        self.engines.push(engine);
        self
    }

    /// The same with these types alone; engines that run none of them are not started.
    #[must_use]
    pub fn offering(mut self, types: &[MimeType]) -> Self {
        self.by_type.retain(|mime_type, _| types.contains(mime_type));
        self.engines.retain(|engine| engine.mime_types().iter().any(|mime_type| types.contains(mime_type)));
        self.refused = MimeType::ALL.into_iter().filter(|mime_type| !types.contains(mime_type)).collect();
        self
    }

    /// The engine that runs `mime_type`.
    #[must_use]
    pub fn get(&self, mime_type: MimeType) -> Option<&Arc<dyn Engine>> {
        self.by_type.get(&mime_type)
    }

    /// Every MIME type there is, and what runs it here.
    #[must_use]
    pub fn infos(&self) -> Vec<EngineInfo> {
        MimeType::ALL.into_iter().map(|mime_type| self.info(mime_type)).collect()
    }

    fn info(&self, mime_type: MimeType) -> EngineInfo {
        match self.get(mime_type) {
            Some(engine) => engine.info(mime_type),
            None => EngineInfo {
                mime_type,
                language: mime_type.language().to_owned(),
                runtime: None,
                available: false,
                reason: Some(self.reason(mime_type)),
                sandbox: Vec::new(),
            },
        }
    }

    /// Why nothing runs `mime_type` here.
    #[must_use]
    pub fn reason(&self, mime_type: MimeType) -> String {
        let why = if self.refused.contains(&mime_type) { ": `--engines` leaves it out" } else { "" };
        format!("this function has no engine for {mime_type}{why}")
    }

    /// Makes what every engine makes once on a machine.
    ///
    /// # Errors
    /// One cannot.
    pub async fn prepare(&self) -> Result<(), SpawnError> {
        for engine in &self.engines {
            engine.prepare().await?;
        }
        Ok(())
    }

    /// Starts every engine.
    pub async fn start(&self) {
        join_all(self.engines.iter().map(|engine| engine.start())).await;
    }

    /// Stops every engine.
    pub async fn stop(&self) {
        join_all(self.engines.iter().map(|engine| engine.stop())).await;
    }
}
