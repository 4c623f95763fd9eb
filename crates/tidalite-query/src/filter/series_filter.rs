//! Which series a query takes: by run, by metric and by labels.

use super::glob::{Glob, shown};
use super::pattern::Pattern;
use regex::{Regex, RegexSet};
use tidalite_model::{Error, Labels, Result, SeriesKey};

/// Takes the names that equal one of a list or match one of a list of globs. The default takes every name.
///
/// In a glob `*` stands for any characters (`/` too), `?` for one character, `[a-c]` and `[!a-c]` for one of a class
/// or one outside it, `{a,b}` for one of several patterns; `\` makes the next character stand for itself.
///
/// ```
/// use tidalite_query::NameMatcher;
/// let metrics = NameMatcher::new(&["loss", "val/*"])?;
/// assert!(metrics.is_match("loss") && metrics.is_match("val/acc/top1") && !metrics.is_match("lr"));
/// assert_eq!(NameMatcher::new(&["b", "a"])?.as_exact(), Some(&["a".to_string(), "b".to_string()][..]));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct NameMatcher {
    /// `None` takes every name.
    taken: Option<NamePatterns>,
    /// Names that any of these takes are left out.
    excluded: Vec<NameMatcher>,
}

#[derive(Debug, Clone)]
struct NamePatterns {
    /// Ascending, each once.
    exact: Vec<String>,
    /// The patterns that are not plain names.
    patterns: Option<RegexSet>,
}

impl NameMatcher {
    /// Takes what any of these globs takes; without globs, nothing.
    ///
    /// # Errors
    /// `Invalid` where a glob is malformed; the message gives the byte.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self> {
        let globs: Vec<Pattern> = globs.iter().map(|g| Pattern::glob(g.as_ref())).collect();
        Self::resolve(&globs, |_| Ok(false))
    }

    /// Takes what any of the patterns takes; without patterns, nothing. A text is a name where `exists` says that
    /// something bears it, and otherwise a glob. `exists` is asked only about texts that differ as name and as glob.
    ///
    /// ```
    /// use tidalite_query::{NameMatcher, Pattern};
    /// let patterns = [Pattern::from("x[0]"), Pattern::regex("^layer[0-9]+/")];
    /// let there = NameMatcher::resolve(&patterns, |name| Ok(name == "x[0]"))?;
    /// assert!(there.is_match("x[0]") && !there.is_match("x0") && there.is_match("layer12/norm"));
    /// let absent = NameMatcher::resolve(&patterns, |_| Ok(false))?;
    /// assert!(absent.is_match("x0") && !absent.is_match("x[0]"));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where a glob or a regular expression is malformed, and where a text is neither a name that exists nor
    /// a glob; otherwise those of `exists`.
    pub fn resolve(patterns: &[Pattern], mut exists: impl FnMut(&str) -> Result<bool>) -> Result<Self> {
        let (mut exact, mut all) = (Vec::new(), Vec::new());
        let mut take = |glob| match glob {
            Glob::Exact(name) => exact.push(name),
            Glob::Regex(regex) => all.push(regex),
        };
        for pattern in patterns {
            match pattern {
                Pattern::Exact(name) => take(Glob::Exact(name.clone())),
                Pattern::Glob(glob) => take(Glob::parse(glob)?),
                Pattern::Regex(regex) => {
                    Regex::new(regex).map_err(|e| wrong_regex(regex, &e))?;
                    take(Glob::Regex(regex.clone()));
                }
                Pattern::Text(text) => match Glob::parse(text) {
                    Ok(Glob::Exact(name)) if name == *text => take(Glob::Exact(name)),
                    _ if exists(text)? => take(Glob::Exact(text.clone())),
                    glob => take(glob?),
                },
            }
        }
        let patterns = if all.is_empty() { None } else { Some(compile(&all, patterns)?) };
        Ok(Self::of(exact, patterns))
    }

    /// Takes exactly these names; no character has a special meaning.
    pub fn exact<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::of(names.into_iter().map(Into::into).collect(), None)
    }

    /// Takes every name.
    pub fn all() -> Self {
        NameMatcher { taken: None, excluded: Vec::new() }
    }

    /// Takes the names that this takes and `others` does not.
    ///
    /// ```
    /// use tidalite_query::NameMatcher;
    /// let metrics = NameMatcher::all().excluding(NameMatcher::new(&["system/*"])?);
    /// assert!(metrics.is_match("loss") && !metrics.is_match("system/cpu"));
    /// let exact = NameMatcher::exact(["a", "b"]).excluding(NameMatcher::exact(["b"]));
    /// assert_eq!(exact.as_exact(), Some(&["a".to_string()][..]));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    pub fn excluding(mut self, others: NameMatcher) -> Self {
        match &mut self.taken {
            Some(NamePatterns { exact, patterns: None }) => exact.retain(|name| !others.is_match(name)),
            _ => self.excluded.push(others),
        }
        self
    }

    fn of(mut exact: Vec<String>, patterns: Option<RegexSet>) -> Self {
        exact.sort_unstable();
        exact.dedup();
        NameMatcher { taken: Some(NamePatterns { exact, patterns }), excluded: Vec::new() }
    }

    /// Whether it takes every name.
    pub fn is_all(&self) -> bool {
        self.taken.is_none() && self.excluded.is_empty()
    }

    /// Whether it takes this name.
    pub fn is_match(&self, name: &str) -> bool {
        let taken = self.taken.as_ref().is_none_or(|names| {
            names.exact.binary_search_by(|e| e.as_str().cmp(name)).is_ok()
                || names.patterns.as_ref().is_some_and(|p| p.is_match(name))
        });
        taken && !self.excluded.iter().any(|others| others.is_match(name))
    }

    /// The names it takes, ascending; `None` where there are patterns. A caller looks these up instead of testing
    /// each name.
    pub fn as_exact(&self) -> Option<&[String]> {
        self.taken.as_ref().filter(|n| n.patterns.is_none()).map(|n| n.exact.as_slice())
    }
}

fn wrong_regex(regex: &str, error: &regex::Error) -> Error {
    // The message spreads the expression over several lines; the last one says what is wrong.
    let text = error.to_string();
    let wrong = text.lines().last().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong).to_string();
    Error::invalid(
        "read regular expression",
        format!("in `{}`: {wrong}", shown(regex)),
        "write it in the syntax of the crate regex, without look-around and back-references",
    )
}

fn compile(regexes: &[String], patterns: &[Pattern]) -> Result<RegexSet> {
    RegexSet::new(regexes).map_err(|_| {
        let longest = patterns.iter().map(Pattern::to_string).max_by_key(String::len).unwrap_or_default();
        Error::invalid(
            "read pattern",
            format!("`{}` and the other patterns are too large or too deeply nested", shown(&longest)),
            "use fewer or simpler patterns, or list the names",
        )
    })
}

/// Takes the label sets that hold each of a list of keys with a value that is taken. The default takes every set.
///
/// ```
/// use tidalite_model::Labels;
/// use tidalite_query::{LabelMatcher, NameMatcher};
/// let host = NameMatcher::new(&["node-*"])?;
/// let labels = LabelMatcher::new([("rank", NameMatcher::exact(["3", "4"])), ("host", host)]);
/// assert!(labels.is_match(&Labels::parse("gpu=0,host=node-7,rank=3")?));
/// assert!(!labels.is_match(&Labels::parse("rank=3")?));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LabelMatcher {
    taken: Vec<(String, NameMatcher)>,
    excluded: Vec<(String, NameMatcher)>,
}

impl LabelMatcher {
    /// Takes the label sets that hold each of these keys with a value that its matcher takes.
    pub fn new<K: Into<String>>(pairs: impl IntoIterator<Item = (K, NameMatcher)>) -> Self {
        LabelMatcher { taken: with_keys(pairs), excluded: Vec::new() }
    }

    /// Takes the label sets that this takes and that hold none of these keys with a value that its matcher takes. A set without
    /// such a key is not excluded.
    ///
    /// ```
    /// use tidalite_model::Labels;
    /// use tidalite_query::{LabelMatcher, NameMatcher};
    /// let labels = LabelMatcher::all().excluding([("rank", NameMatcher::exact(["0"]))]);
    /// assert!(labels.is_match(&Labels::parse("rank=1")?) && labels.is_match(&Labels::none()));
    /// assert!(!labels.is_match(&Labels::parse("gpu=3,rank=0")?));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    pub fn excluding<K: Into<String>>(mut self, pairs: impl IntoIterator<Item = (K, NameMatcher)>) -> Self {
        self.excluded.extend(with_keys(pairs));
        self
    }

    /// Takes every label set.
    pub fn all() -> Self {
        LabelMatcher::default()
    }

    /// Whether it takes every label set.
    pub fn is_all(&self) -> bool {
        self.taken.is_empty() && self.excluded.is_empty()
    }

    /// Whether it takes this label set.
    pub fn is_match(&self, labels: &Labels) -> bool {
        if labels.is_empty() {
            return self.taken.is_empty();
        }
        let holds =
            |(key, values): &(String, NameMatcher)| labels.get(key).is_some_and(|v| values.is_match(&v));
        self.taken.iter().all(holds) && !self.excluded.iter().any(holds)
    }
}

fn with_keys<K: Into<String>>(
    pairs: impl IntoIterator<Item = (K, NameMatcher)>,
) -> Vec<(String, NameMatcher)> {
    pairs.into_iter().map(|(key, values)| (key.into(), values)).collect()
}

/// Takes the series whose run, metric and labels are all taken. The default takes every series.
///
/// ```
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{NameMatcher, SeriesFilter};
/// let filter = SeriesFilter { metrics: NameMatcher::new(&["val/*"])?, ..SeriesFilter::default() };
/// assert!(filter.matches(&SeriesKey::new("run-1", "val/loss", Labels::none())));
/// assert!(!filter.matches(&SeriesKey::new("run-1", "loss", Labels::none())));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SeriesFilter {
    /// By the run's id.
    pub runs: NameMatcher,
    /// By the metric's name.
    pub metrics: NameMatcher,
    /// By the labels.
    pub labels: LabelMatcher,
}

impl SeriesFilter {
    /// Whether it takes this series.
    pub fn matches(&self, key: &SeriesKey) -> bool {
        self.metrics.is_match(&key.metric)
            && self.runs.is_match(&key.run)
            && self.labels.is_match(&key.labels)
    }

    /// Whether it takes every series.
    pub fn is_all(&self) -> bool {
        self.runs.is_all() && self.metrics.is_all() && self.labels.is_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::ErrorKind;

    #[test]
    fn no_patterns_take_nothing_and_all_takes_everything() {
        assert!(!NameMatcher::new::<&str>(&[]).unwrap().is_match("a"));
        assert!(NameMatcher::all().is_match("a") && NameMatcher::default().is_all());
        assert_eq!(NameMatcher::all().as_exact(), None);
        assert_eq!(NameMatcher::new(&["a", "b*"]).unwrap().as_exact(), None);
    }

    #[test]
    fn exact_names_may_hold_special_characters() {
        let names = NameMatcher::exact(["run[1]", "*", "run[1]"]);
        assert_eq!(names.as_exact().map(<[String]>::len), Some(2));
        assert!(names.is_match("run[1]") && names.is_match("*") && !names.is_match("run1"));
    }

    #[test]
    fn names_and_patterns_mix() {
        let names = NameMatcher::new(&["z", "a*", "m?", "a"]).unwrap();
        for yes in ["z", "a", "abc", "m🌊"] {
            assert!(names.is_match(yes), "{yes}");
        }
        assert!(!names.is_match("m") && !names.is_match("zz"));
    }

    #[test]
    fn regular_expressions_match_anywhere_and_malformed_ones_are_refused() {
        let resolve = |patterns: &[Pattern]| NameMatcher::resolve(patterns, |_| Ok(false));
        let [loss, acc] = ["loss$", "(?i)^ACC"].map(Pattern::regex);
        let names = resolve(&[Pattern::exact("a"), Pattern::glob("x*"), loss, acc]).unwrap();
        for yes in ["a", "xyz", "train/loss", "acc/top1"] {
            assert!(names.is_match(yes), "{yes}");
        }
        assert!(!names.is_match("loss/train") && !names.is_match("b") && names.as_exact().is_none());
        let text = resolve(&[Pattern::regex("lo(ss")]).unwrap_err().to_string();
        assert!(text.contains("`lo(ss`: unclosed group") && !text.contains('\n'), "{text}");
        assert!(resolve(&[Pattern::regex("(?=a)")]).is_err());
        assert!(resolve(&[Pattern::regex("a{9999}{9999}")]).is_err());
    }

    #[test]
    fn a_pattern_too_large_to_compile_is_refused() {
        let deep = "{a".repeat(5000) + &"}".repeat(5000);
        assert_eq!(NameMatcher::new(&[deep]).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(NameMatcher::new(&["["]).is_err());
    }

    #[test]
    fn a_text_is_the_name_that_exists_and_a_glob_otherwise() {
        let there = ["x[0]", "x0", "*", "a\\*", "open[", "plain"];
        let mut asked = Vec::new();
        let mut takes = |pattern: Pattern| {
            let names = NameMatcher::resolve(&[pattern], |name| {
                asked.push(name.to_string());
                Ok(there.contains(&name))
            });
            names.map(|n| there.iter().copied().filter(|name| n.is_match(name)).collect::<Vec<_>>())
        };
        assert_eq!(takes("x[0]".into()).unwrap(), ["x[0]"]);
        assert_eq!(takes(Pattern::glob("x[0]")).unwrap(), ["x0"]);
        assert_eq!(takes("*".into()).unwrap(), ["*"]);
        assert_eq!(takes("**".into()).unwrap(), there);
        assert_eq!(takes("a\\*".into()).unwrap(), ["a\\*"]);
        assert_eq!(takes("open[".into()).unwrap(), ["open["]);
        assert_eq!(takes("closed[".into()).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(takes(Pattern::glob("open[")).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(takes(Pattern::exact("closed[")).unwrap(), Vec::<&str>::new());
        assert_eq!(takes("plain".into()).unwrap(), ["plain"]);
        assert_eq!(asked, ["x[0]", "*", "**", "a\\*", "open[", "closed["], "only where the answer matters");
        let failing = |_: &str| Err(Error::invalid("look up", "unreadable", "restore"));
        assert!(NameMatcher::resolve(&["x[0]".into()], failing).is_err());
    }

    #[test]
    fn a_series_must_pass_each_of_the_three() {
        let filter = SeriesFilter {
            runs: NameMatcher::new(&["resnet-*"]).unwrap(),
            metrics: NameMatcher::new(&["loss"]).unwrap(),
            labels: LabelMatcher::new([("rank", NameMatcher::new(&["*"]).unwrap())]),
        };
        let key = |run, metric, labels| SeriesKey::new(run, metric, Labels::parse(labels).unwrap());
        assert!(filter.matches(&key("resnet-1", "loss", "host=a,rank=0")));
        assert!(!filter.matches(&key("vit-1", "loss", "rank=0")));
        assert!(!filter.matches(&key("resnet-1", "lr", "rank=0")));
        assert!(!filter.matches(&key("resnet-1", "loss", "host=a")));
        assert!(SeriesFilter::default().is_all() && SeriesFilter::default().matches(&key("a", "b", "")));
    }
}
