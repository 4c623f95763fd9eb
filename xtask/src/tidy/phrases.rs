//! Phrases that have to be decoded, with what to say instead. The list holds only phrases that plain English does not
//! need. This file is exempt, since it has to name them.

const THIS_FILE: &str = "xtask/src/tidy/phrases.rs";

/// A phrase, and what to say instead.
const PHRASES: [(&str, &str); 16] = [
    ("manieth", "say `the index of …` or `the n-th …`"),
    ("so many-th", "say `the n-th …` or `by index`"),
    ("forebear", "say `ancestor`"),
    ("heirs", "say `descendants`"),
    ("in the making", "say `being built`"),
    ("hostage", "state the property"),
    ("as ever", "leave it out"),
    ("for good", "say `permanently`"),
    ("it is no ", "say `it is not a …`"),
    ("that is no ", "say `that is not a …`"),
    ("what there is of", "name it"),
    ("goes over as it is", "say `is copied unchanged`"),
    ("go over as they are", "say `are copied unchanged`"),
    ("times a day", "say `per day`"),
    ("bytes a point", "say `bytes per point`"),
    ("a row a point", "say `one row per point`"),
];
/// Text in which a phrase above is plain English.
const PLAIN: [&str; 7] = [
    "for good in ",
    "for good reason",
    "for good measure",
    "is no longer",
    "is no more than",
    "is no less than",
    "as every",
];

/// A line for each banned phrase in `text`.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    if name == THIS_FILE {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = PLAIN.iter().fold(line.to_lowercase(), |line, plain| line.replace(plain, ""));
        for (phrase, instead) in PHRASES.iter().filter(|(phrase, _)| holds(&line, phrase)) {
            breaches.push(format!("{name}:{}: `{}`: {instead}", number + 1, phrase.trim()));
        }
    }
    breaches
}

/// Whether a line holds a phrase that does not begin or end within a word.
fn holds(line: &str, phrase: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + phrase.len()..].chars().next());
        // What is joined by a hyphen is part of a word of its own: `how-manieth`.
        !is_word(before) && (phrase.ends_with(' ') || !is_word(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_with_its_line_and_what_to_say_instead() {
        let found = check("a.rs", "//! Fine.\n// The how-manieth frame, gone for good; it is no page.\n");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("a.rs:2: `manieth`: say"), "{found:?}");
    }

    #[test]
    fn plain_english_is_left_alone() {
        let plain = "There is no page, for good reason; it is no longer there. Goes as every byte does, for goodness' sake.";
        assert!(check("a.md", plain).is_empty(), "{:?}", check("a.md", plain));
    }

    #[test]
    fn the_list_itself_is_where_it_says() {
        assert!(file!().replace('\\', "/").ends_with(THIS_FILE), "{}", file!());
    }
}
