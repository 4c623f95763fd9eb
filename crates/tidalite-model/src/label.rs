//! Labels: a small sorted map of text to text on a series, such as `rank=3` or `gpu=0,host=a`.
//!
//! Stored as its canonical text, which is also the content of the Parquet column `labels`: unique keys ascending by
//! bytes, and `k=v` pairs joined by `,`. Inside a key or a value, the characters `\`, `,` and `=` are preceded by a
//! `\`. No labels give the empty text. Two label sets are equal if and only if their texts are.

use crate::{Error, Result, check_name};
use std::fmt;
use std::sync::Arc;

/// An immutable label set. Cheap to clone.
///
/// In its canonical text, keys ascend by bytes, `k=v` pairs are joined by `,`, and a `\` precedes each `\`, `,` and
/// `=` inside a key or a value.
///
/// ```
/// use tidalite_model::Labels;
/// let labels = Labels::new([("rank", "3"), ("host", "a")])?;
/// assert_eq!(labels.as_str(), "host=a,rank=3");
/// assert_eq!(labels.get("rank").as_deref(), Some("3"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<str>);

/// The maximum number of pairs. Labels identify a series; they are not meant for data.
const PAIRS_MAX: usize = 64;

impl Labels {
    /// No labels.
    pub fn none() -> Self {
        Labels(Arc::from(""))
    }

    /// Labels from pairs in any order.
    ///
    /// # Errors
    /// `Invalid` if a key or value is not a valid name (see [`check_name`]), a key is repeated, or there are more
    /// than 64 pairs.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        let mut sorted: Vec<(K, V)> = pairs.into_iter().collect();
        sorted.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        if sorted.len() > PAIRS_MAX {
            return Err(Error::invalid(
                "make labels",
                format!("{} pairs were given", sorted.len()),
                format!("use at most {PAIRS_MAX} labels on a series"),
            ));
        }
        for w in sorted.windows(2) {
            if w[0].0.as_ref() == w[1].0.as_ref() {
                return Err(Error::invalid(
                    "make labels",
                    format!("the key {:?} is repeated", w[0].0.as_ref()),
                    "give each label key once",
                ));
            }
        }
        let mut text = String::new();
        for (key, value) in &sorted {
            check_name("label key", key.as_ref())?;
            check_name("label value", value.as_ref())?;
            if !text.is_empty() {
                text.push(',');
            }
            escape_into(&mut text, key.as_ref());
            text.push('=');
            escape_into(&mut text, value.as_ref());
        }
        Ok(Labels(text.into()))
    }

    /// Parses `k=v,k=v`, with keys in any order and escapes as in the canonical text.
    ///
    /// # Errors
    /// `Invalid` if the text is malformed. The message names the pair.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        let mut pairs = Vec::new();
        for pair in split_unescaped(text, ',') {
            let sides: Vec<&str> = split_unescaped(pair, '=').collect();
            let [key, value] = sides[..] else {
                return Err(Error::invalid(
                    "read labels",
                    format!("{pair:?} is not of the form key=value"),
                    "write labels as key=value,key=value, with \\ before , = or \\ inside them",
                ));
            };
            pairs.push((unescape(key), unescape(value)));
        }
        Self::new(pairs)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs, unescaped, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (String, String)> + '_ {
        split_unescaped(&self.0, ',').filter(|p| !p.is_empty()).map(|pair| {
            let mut sides = split_unescaped(pair, '=');
            let key = sides.next().unwrap_or_default();
            let value = sides.next().unwrap_or_default();
            (unescape(key), unescape(value))
        })
    }

    /// The value of one key.
    pub fn get(&self, key: &str) -> Option<String> {
        self.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// These labels overridden by `over`: a key in both takes the value of `over`.
    ///
    /// # Errors
    /// `Invalid` if the union has too many pairs.
    pub fn merged(&self, over: &Labels) -> Result<Labels> {
        if over.is_empty() {
            return Ok(self.clone());
        }
        if self.is_empty() {
            return Ok(over.clone());
        }
        let mut map: std::collections::BTreeMap<String, String> = self.iter().collect();
        map.extend(over.iter());
        Labels::new(map)
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({})", self.0)
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

/// Splits at each unescaped `at`.
fn split_unescaped(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let s = rest?;
        let mut escaped = false;
        for (i, c) in s.char_indices() {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == at {
                rest = Some(&s[i + c.len_utf8()..]);
                return Some(&s[..i]);
            }
        }
        rest = None;
        Some(s)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_canonical_and_reads_back() {
        let labels = Labels::new([("z", "a,b"), ("a=", "\\x"), ("m", "🌊")]).unwrap();
        assert_eq!(labels.as_str(), "a\\==\\\\x,m=🌊,z=a\\,b");
        assert_eq!(Labels::parse(labels.as_str()).unwrap(), labels);
        let pairs: Vec<_> = labels.iter().collect();
        assert_eq!(
            pairs,
            [("a=".into(), "\\x".into()), ("m".into(), "🌊".into()), ("z".into(), "a,b".into())]
        );
        assert_eq!(Labels::none().iter().count(), 0);
    }

    #[test]
    fn wrong_labels_are_refused() {
        assert!(Labels::new([("a", "1"), ("a", "2")]).is_err());
        assert!(Labels::new([("", "1")]).is_err());
        for bad in ["rank", "a=1=2", "a=1,,b=2"] {
            assert!(Labels::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn merging_overrides_the_first_with_the_second() {
        let a = Labels::parse("host=a,rank=0").unwrap();
        let b = Labels::parse("rank=3").unwrap();
        assert_eq!(a.merged(&b).unwrap().as_str(), "host=a,rank=3");
    }
}
