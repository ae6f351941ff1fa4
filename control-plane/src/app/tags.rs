//! Tags: for people and filters, never for engines.

use std::collections::BTreeMap;

use workmanager_core_domain::Worker;

use super::{App, Change, Condition, Error, Problems, View, change::patched, check};

/// What a merge patch says about tags.
pub(super) type Patch = Change<BTreeMap<String, Option<String>>>;

impl App {
    /// Changes a worker's tags by a merge patch whose root is the tags.
    ///
    /// # Errors
    /// What is wrong with them, all of it.
    pub async fn patch_tags(
        &self,
        reference: &str,
        patch: BTreeMap<String, Option<String>>,
        found: Problems,
        condition: Condition,
    ) -> Result<View, Error> {
        self.edit_tags(reference, Change::Set(patch), found, condition).await
    }

    /// Replaces a worker's tags.
    ///
    /// # Errors
    /// What is wrong with them, all of it.
    pub async fn set_tags(
        &self,
        reference: &str,
        tags: BTreeMap<String, String>,
        found: Problems,
        condition: Condition,
    ) -> Result<View, Error> {
        let id = self.get(reference).await?.worker.id;
        let mut problems = found;
        check::tags_at(&tags, "", &mut problems);
        problems.none_or(Some(()))?;
        let app = self.clone();
        self.to_the_end(async move {
            let edit = |worker: &Worker| Ok(Worker { tags: tags.clone(), ..worker.clone() });
            let member = app.update(id, &condition, edit).await?;
            Ok(app.view(&member).await)
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NoTag`.
    pub async fn remove_tag(&self, reference: &str, key: &str, condition: Condition) -> Result<View, Error> {
        self.tag(reference, key).await?;
        let patch = BTreeMap::from([(key.to_owned(), None)]);
        self.edit_tags(reference, Change::Set(patch), Problems::default(), condition).await
    }

    /// The value of a tag.
    ///
    /// # Errors
    /// `NoTag`.
    pub async fn tag(&self, reference: &str, key: &str) -> Result<String, Error> {
        let worker = &self.get(reference).await?.worker;
        let missing = || Error::NoTag { worker: worker.name.to_string(), key: key.to_owned() };
        worker.tags.get(key).cloned().ok_or_else(missing)
    }

    async fn edit_tags(
        &self,
        reference: &str,
        patch: Patch,
        found: Problems,
        condition: Condition,
    ) -> Result<View, Error> {
        let id = self.get(reference).await?.worker.id;
        found.none_or(Some(()))?;
        let app = self.clone();
        self.to_the_end(async move {
            let edit = |worker: &Worker| {
                let tags = patched(&worker.tags, &patch);
                let mut problems = Problems::default();
                check::tags_at(&tags, "", &mut problems);
                problems.none_or(Some(Worker { tags, ..worker.clone() }))
            };
            let member = app.update(id, &condition, edit).await?;
            Ok(app.view(&member).await)
        })
        .await
    }
}
