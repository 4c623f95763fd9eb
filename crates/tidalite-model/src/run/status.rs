//! The status of a run or of one participant.

/// The status of a run or of one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// A participant is still writing.
    Running,
    /// It ended successfully.
    Finished,
    /// It ended with a failure.
    Failed,
    /// Its process is gone and recorded no end: it was killed, or the machine went down.
    Lost,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 4] = [Status::Running, Status::Finished, Status::Failed, Status::Lost];

    /// The status as a word, for messages and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Failed => "failed",
            Status::Lost => "lost",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Option<Status> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}
