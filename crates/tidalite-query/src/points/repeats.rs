//! The rule for repeats: which of several points of a series at one step counts.

use crate::words::{read_word, write_word};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// Which of several points of a series at one step counts. A point whose step is automatic always counts.
///
/// ```
/// use tidalite_query::Repeats;
/// assert_eq!("first".parse::<Repeats>()?, Repeats::First);
/// assert_eq!(Repeats::default().to_string(), "last");
/// assert!("newest".parse::<Repeats>().unwrap_err().to_string().contains("last, first, all"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Repeats {
    /// The newest write: greatest clock, then greatest seq, then the later position; word `last`.
    #[default]
    Last,
    /// The oldest write: least clock, then least seq, then the earlier position; word `first`.
    First,
    /// All of them, in the order of writing; word `all`.
    All,
}

const WORDS: [(&str, Repeats); 3] =
    [("last", Repeats::Last), ("first", Repeats::First), ("all", Repeats::All)];

impl FromStr for Repeats {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        read_word("read rule for repeats", &WORDS, word)
    }
}

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(f, &WORDS, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_rule_reads_back_from_its_word(
            rule in prop::sample::select(vec![Repeats::Last, Repeats::First, Repeats::All]),
        ) {
            prop_assert_eq!(rule.to_string().parse::<Repeats>().unwrap(), rule);
        }
    }
}
