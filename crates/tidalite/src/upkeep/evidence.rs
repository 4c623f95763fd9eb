//! Logs that are kept as evidence of damage.

use tidalite_log::{LogFinding, LogFindingKind};

/// Whether a finding makes a log evidence that must not be deleted: damage does, the torn tail of a crash does not.
pub(super) fn is_evidence(finding: &LogFinding) -> bool {
    !matches!(finding.kind, LogFindingKind::TornTail | LogFindingKind::OrphanTail)
}
