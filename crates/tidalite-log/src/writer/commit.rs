//! Who syncs now, and what is durable.

use tidalite_model::{Error, ErrorKind};

/// Whether a sync is running, and how much is durable.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// A thread is syncing.
    pub(super) syncing: bool,
    /// The folder of writers was synced, so this writer's folder is durable.
    pub(super) folder_durable: bool,
    pub(super) durable: Durable,
    pub(super) failed: Option<Error>,
}

/// The stream is durable below `position`, which is right after the unit `ordinal`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Durable {
    pub(super) position: u64,
    pub(super) ordinal: Option<u64>,
}

impl Durable {
    pub(super) fn covers(&self, ordinal: u64) -> bool {
        self.ordinal.is_some_and(|durable| durable >= ordinal)
    }
}

/// The error of every call after a failure that ended the writer.
pub(super) fn poisoned(first: &Error) -> Error {
    // The store is gone, and says so itself.
    if first.kind() == ErrorKind::Poisoned {
        return first.duplicate();
    }
    Error::new(
        ErrorKind::Poisoned,
        "write to log",
        format!("an earlier failure ended this writer ({first})"),
        "call `reopen` of the store, which also saves and tells what was accepted and not yet durable, or open it again",
    )
}

#[cfg(test)]
mod tests {
    use super::Durable;

    /// A row that is appended while a sync runs begins where the durable part ends. It is not durable.
    #[test]
    fn durable_covers_its_last_unit_and_not_the_next_one() {
        let durable = Durable { position: 128, ordinal: Some(5) };
        assert_eq!([4, 5, 6].map(|ordinal| durable.covers(ordinal)), [true, true, false]);
        assert!(!Durable::default().covers(0), "nothing is durable before the first sync");
    }
}
