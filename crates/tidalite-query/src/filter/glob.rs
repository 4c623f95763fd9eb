//! Globs over names: the meaning of each special character, and the translation to a regular expression.
//!
//! Names are text, not paths: `*` matches `/` too, `?` is one character of any length in bytes, and case counts. A
//! pattern without special characters is a name. Matching is linear in the name for every pattern.

use tidalite_model::{Error, Result};

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Glob {
    /// A plain name.
    Exact(String),
    /// A regular expression for the whole name.
    Regex(String),
}

impl Glob {
    /// Parses a pattern.
    pub(crate) fn parse(pattern: &str) -> Result<Self> {
        let mut reader = GlobReader {
            pattern,
            rest: pattern.char_indices().peekable(),
            regex: String::from(r"\A(?s:"),
            name: String::new(),
            exact: true,
            open: Vec::new(),
        };
        reader.read()?;
        if reader.exact {
            return Ok(Glob::Exact(reader.name));
        }
        reader.regex.push_str(r")\z");
        Ok(Glob::Regex(reader.regex))
    }
}

struct GlobReader<'a> {
    pattern: &'a str,
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    regex: String,
    name: String,
    exact: bool,
    /// The byte of each `{` that is still open.
    open: Vec<usize>,
}

impl GlobReader<'_> {
    fn read(&mut self) -> Result<()> {
        while let Some((at, c)) = self.rest.next() {
            match c {
                '*' => {
                    // Several in a row mean the same as one.
                    while self.rest.next_if(|&(_, c)| c == '*').is_some() {}
                    self.special(".*");
                }
                '?' => self.special("."),
                '[' => self.class(at)?,
                '{' => {
                    self.open.push(at);
                    self.special("(?:");
                }
                ',' if !self.open.is_empty() => self.special("|"),
                '}' if self.open.pop().is_some() => self.special(")"),
                '\\' => {
                    let Some((_, c)) = self.rest.next() else {
                        return Err(self.wrong(
                            at,
                            "`\\` is the last character",
                            "write `\\\\` for the character",
                        ));
                    };
                    self.literal(c);
                }
                c => self.literal(c),
            }
        }
        match self.open.pop() {
            Some(at) => {
                Err(self.wrong(at, "`{` is never closed", "close it, or write `\\{` for the character"))
            }
            None => Ok(()),
        }
    }

    fn special(&mut self, regex: &str) {
        self.exact = false;
        self.regex.push_str(regex);
    }

    fn literal(&mut self, c: char) {
        self.name.push(c);
        push_char(&mut self.regex, c);
    }

    /// The rest of `[..]`: characters and ranges; after `!` or `^`, all characters but these. A `]` at the very start
    /// is a character.
    fn class(&mut self, start: usize) -> Result<()> {
        self.special("[");
        if self.rest.next_if(|&(_, c)| matches!(c, '!' | '^')).is_some() {
            self.regex.push('^');
        }
        let mut first = true;
        loop {
            let lo = match self.class_char(start)? {
                (']', false) if !first => break,
                (c, _) => c,
            };
            first = false;
            push_char(&mut self.regex, lo);
            let mut ahead = self.rest.clone();
            let dash = ahead.next().is_some_and(|(_, c)| c == '-');
            if !dash || ahead.next().is_none_or(|(_, c)| c == ']') {
                continue;
            }
            self.rest.next();
            let (hi, _) = self.class_char(start)?;
            if hi < lo {
                let wrong = format!("the range {lo}-{hi} runs backwards");
                return Err(self.wrong(start, &wrong, "put the lesser character first"));
            }
            self.regex.push('-');
            push_char(&mut self.regex, hi);
        }
        self.regex.push(']');
        Ok(())
    }

    /// The next character of a class, and whether `\` escaped it.
    fn class_char(&mut self, start: usize) -> Result<(char, bool)> {
        let next = match self.rest.next() {
            Some((_, '\\')) => self.rest.next().map(|(_, c)| (c, true)),
            other => other.map(|(_, c)| (c, false)),
        };
        next.ok_or_else(|| {
            self.wrong(start, "`[` is never closed", "close it, or write `\\[` for the character")
        })
    }

    fn wrong(&self, at: usize, wrong: &str, remedy: &str) -> Error {
        Error::invalid("read pattern", format!("in `{}`, at byte {at}, {wrong}", shown(self.pattern)), remedy)
    }
}

/// Appends a character that stands for itself in a regular expression, inside a class or outside.
fn push_char(regex: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        regex.push_str(&format!(r"\x{{{:x}}}", u32::from(c)));
    } else {
        regex.push(c);
    }
}

/// The start of a pattern, for a message.
pub(crate) fn shown(pattern: &str) -> String {
    const CHARS_MAX: usize = 80;
    match pattern.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    fn is_match(pattern: &str, name: &str) -> bool {
        match Glob::parse(pattern).unwrap() {
            Glob::Exact(exact) => exact == name,
            Glob::Regex(regex) => Regex::new(&regex).unwrap().is_match(name),
        }
    }

    #[test]
    fn each_special_character_has_its_meaning() {
        for (pattern, yes, no) in [
            ("*", vec!["", "a", "a/b", "a\nb"], vec![]),
            ("train/*", vec!["train/loss", "train/", "train/a/b"], vec!["train", "xtrain/loss"]),
            ("a?c", vec!["abc", "a/c", "a🌊c", "aéc"], vec!["ac", "abbc"]),
            ("gpu[0-3]", vec!["gpu0", "gpu3"], vec!["gpu4", "gpu", "gpu01"]),
            ("gpu[!0-3]", vec!["gpu4", "gpu🌊"], vec!["gpu0"]),
            ("[^a-c]", vec!["d"], vec!["b"]),
            ("[]]", vec!["]"], vec!["["]),
            ("[!]]", vec!["["], vec!["]"]),
            ("[a-]", vec!["a", "-"], vec!["b"]),
            ("[α-γ]", vec!["β"], vec!["δ"]),
            ("[\\]\\\\]", vec!["]", "\\"], vec!["["]),
            ("{loss,acc/*}", vec!["loss", "acc/top1"], vec!["los", "acc"]),
            ("a{,b{c,d}}e", vec!["ae", "abce", "abde"], vec!["abe"]),
            ("a.b(c)|d*", vec!["a.b(c)|d", "a.b(c)|de"], vec!["axb(c)|d", "d"]),
            ("**/x", vec!["a/x", "a/b/x", "/x"], vec!["x"]),
            ("Loss*", vec!["Loss1"], vec!["loss1"]),
        ] {
            yes.iter().for_each(|name| assert!(is_match(pattern, name), "{pattern} takes {name}"));
            no.iter().for_each(|name| assert!(!is_match(pattern, name), "{pattern} does not take {name}"));
        }
    }

    #[test]
    fn a_pattern_without_special_characters_is_a_name() {
        for (pattern, name) in
            [("a,b}c]", "a,b}c]"), ("\\*\\\\", "*\\"), ("", ""), ("🌊-_/.^$+()|", "🌊-_/.^$+()|")]
        {
            assert_eq!(Glob::parse(pattern).unwrap(), Glob::Exact(name.to_string()));
        }
    }

    #[test]
    fn a_malformed_pattern_is_refused_with_the_byte() {
        for (pattern, place) in
            [("ab[c", "byte 2"), ("a{b,c", "byte 1"), ("abc\\", "byte 3"), ("é[z-a]", "byte 2")]
        {
            let text = Glob::parse(pattern).unwrap_err().to_string();
            assert!(text.contains(place) && text.contains(pattern), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_name_matches_itself_alone(name in ".{0,12}", other in ".{0,12}") {
            let mut pattern = String::new();
            for c in name.chars() {
                if "*?[]{},\\".contains(c) {
                    pattern.push('\\');
                }
                pattern.push(c);
            }
            prop_assert_eq!(Glob::parse(&pattern).unwrap(), Glob::Exact(name.clone()));
            pattern.push_str("{}");
            prop_assert!(is_match(&pattern, &name));
            prop_assert_eq!(is_match(&pattern, &other), name == other);
        }

        #[test]
        fn no_pattern_panics(pattern in r"[ab*?\[\]{},\\!^-]{0,16}", name in ".{0,8}") {
            if Glob::parse(&pattern).is_ok() {
                is_match(&pattern, &name);
            }
        }
    }
}
