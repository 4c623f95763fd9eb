//! How far the disk is: who syncs now, and what is durable.

use tidalite_model::{Error, ErrorKind};

/// Who syncs, and how far the disk is.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// Somebody is syncing.
    pub(super) syncing: bool,
    /// The folder of writers is synced, so this writer's folder stays.
    pub(super) folder_durable: bool,
    pub(super) durable: Durable,
    pub(super) failed: Option<Error>,
}

/// All of the stream below a position is durable, and that position is behind this unit.
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

/// What every call gets after a failure that ended the writer.
pub(super) fn poisoned(first: &Error) -> Error {
    Error::new(
        ErrorKind::Poisoned,
        "write to log",
        format!("an earlier failure ended this writer ({first})"),
        "open the store again to go on; what was accepted before can still be read",
    )
}

#[cfg(test)]
mod tests {
    use super::Durable;

    /// A row that was appended while a sync ran stands right behind what that sync made durable, and is not part of it.
    #[test]
    fn what_is_durable_covers_its_last_unit_and_not_the_one_behind_it() {
        let durable = Durable { position: 128, ordinal: Some(5) };
        assert_eq!([4, 5, 6].map(|ordinal| durable.covers(ordinal)), [true, true, false]);
        assert!(!Durable::default().covers(0), "before the first sync nothing is");
    }
}
