//! Reading and writing a value by a table of words.

use std::fmt;
use tidalite_model::{Error, Result};

/// Characters of an unknown word that a message shows.
const SHOWN_MAX: usize = 40;

/// The value of a word; `Invalid`, with the known words, where the table lacks it.
pub(crate) fn read_word<T: Clone>(doing: &str, words: &[(&str, T)], word: &str) -> Result<T> {
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|w| w.0).collect();
        unknown_word(doing, word, &known.join(", "))
    })
}

/// The error for a word that is not one of the `known`.
pub(crate) fn unknown_word(doing: &str, word: &str, known: &str) -> Error {
    Error::invalid(doing, format!("the word `{}` is not known", shown(word)), format!("use any of {known}"))
}

/// The start of a word, for a message.
pub(crate) fn shown(word: &str) -> String {
    word.chars().take(SHOWN_MAX).collect()
}

/// Writes the word of a value. Panics where the table lacks it.
pub(crate) fn write_word<T: PartialEq>(
    f: &mut fmt::Formatter<'_>,
    words: &[(&str, T)],
    value: &T,
) -> fmt::Result {
    let word = words.iter().find(|(_, known)| known == value).map(|w| w.0);
    f.write_str(word.expect("each value has a word"))
}
