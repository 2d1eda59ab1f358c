//! Told: what the log says of a run, one line per raw object and one per gold table that does not stand as it should.

use crate::ingest::{Progress, Summary};
use crate::receipt::{GoldEntry, GoldStatus, Receipt, Status};

/// A line for each object as soon as it is finished. Those that failed get theirs from [`tell`], with the kind of failure.
pub(super) struct Lines;

impl Progress for Lines {
    fn expect(&self, _: usize) {}

    fn finish(&self, receipt: &Receipt) {
        if receipt.status == Status::Failed {
            return;
        }
        tracing::info!(
            key = receipt.key,
            version = receipt.version,
            source = receipt.source,
            status = text(&receipt.status),
            records = receipt.records,
            accepted = receipt.accepted,
            quarantined = receipt.quarantined,
            bytes = receipt.bytes,
            durationMs = receipt.duration_ms,
            reason = receipt.error,
            "raw object"
        );
    }
}

/// The lines that are known when a run is over.
pub(super) fn tell(summary: &Summary) {
    for trouble in &summary.troubles {
        let error_type = format!("{:?}.{}", trouble.class, trouble.kind);
        tracing::error!(
            key = trouble.key,
            status = "failed",
            errorType = error_type,
            error = trouble.reason,
            "raw object"
        );
    }
    for entry in &summary.gold {
        let GoldEntry { table, version, status, reason, .. } = entry;
        if matches!(status, GoldStatus::Withheld | GoldStatus::Failed) {
            tracing::warn!(table, version, status = text(status), reason, "gold table");
        }
    }
}

/// The word that receipts have for it.
fn text(status: &impl std::fmt::Debug) -> String {
    format!("{status:?}").to_lowercase()
}
