//! Which logs are kept as evidence of damage.

use tidalite_log::{LogFinding, LogFindingKind};

/// Whether a log with this finding must not be deleted: true for damage, false for the torn tail of a crash.
pub(super) fn is_evidence(finding: &LogFinding) -> bool {
    !matches!(finding.kind, LogFindingKind::TornTail | LogFindingKind::OrphanTail)
}
