//! Logs that are kept as evidence of damage.

use tidalite_log::{Finding, FindingKind};

/// Whether a finding makes a log evidence that must not be deleted: damage does, the torn tail of a crash does not.
pub(super) fn is_evidence(finding: &Finding) -> bool {
    !matches!(finding.kind, FindingKind::TornTail | FindingKind::OrphanTail)
}
