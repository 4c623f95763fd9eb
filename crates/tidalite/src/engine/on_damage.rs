//! What an answer does about damage, and the report of what it left out.

use crate::files::finding::Finding;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Error, Result};

/// What becomes of an answer that could have held rows of a damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDamage {
    /// It is an error that names the place.
    #[default]
    Error,
    /// It is given without what the place held, and the place is reported with it.
    Report,
}

impl OnDamage {
    /// All values.
    pub const ALL: [OnDamage; 2] = [OnDamage::Error, OnDamage::Report];
}

impl fmt::Display for OnDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Report => "report",
        })
    }
}

impl FromStr for OnDamage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|what| what.to_string() == text).ok_or_else(|| {
            let wrong = format!("{text:?} is not a way to treat damage");
            Error::invalid("read on_damage", wrong, "use `error` or `report`")
        })
    }
}

/// What to do on damage, and what was left out so far. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct DamageReport(Option<Arc<Mutex<Vec<Finding>>>>);

/// The most places that a report lists one by one.
const REPORTED_MAX: usize = 10_000;

impl DamageReport {
    pub(crate) fn new(what: OnDamage) -> DamageReport {
        DamageReport((what == OnDamage::Report).then(Arc::default))
    }

    /// A report of its own for other answers.
    pub(crate) fn anew(&self) -> DamageReport {
        DamageReport(self.0.as_ref().map(|_| Arc::default()))
    }

    /// Whether damage is reported. If not, it is an error.
    pub(crate) fn reports(&self) -> bool {
        self.0.is_some()
    }

    /// Takes note of a damaged place that an answer could need: as an error, or in the report.
    ///
    /// # Errors
    /// `error`, unless damage is reported.
    pub(crate) fn meet(
        &self,
        finding: impl FnOnce() -> Finding,
        error: impl FnOnce() -> Error,
    ) -> Result<()> {
        let Some(all) = &self.0 else { return Err(error()) };
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let finding = finding();
        if all.len() < REPORTED_MAX && !all.contains(&finding) {
            all.push(finding);
        }
        Ok(())
    }

    /// What was left out so far.
    pub(crate) fn found(&self) -> Vec<Finding> {
        let all = self.0.as_ref().map(|all| all.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.unwrap_or_default()
    }
}
