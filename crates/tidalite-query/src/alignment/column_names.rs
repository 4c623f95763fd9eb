//! The names of series' columns: as short as tells the series apart.
//!
//! A name has those of run, metric and labels that differ between the series, in this order, joined by spaces, labels
//! in braces. Where nothing differs, or the metric alone, the name is the metric. A duplicate gets a number as its
//! suffix.

use std::collections::HashSet;
use tidalite_model::SeriesKey;

/// A name for each series; all are distinct and none is `taken`.
pub(crate) fn column_names(keys: &[SeriesKey], taken: &str) -> Vec<String> {
    let differs = |same: fn(&SeriesKey, &SeriesKey) -> bool| keys.windows(2).any(|w| !same(&w[0], &w[1]));
    let (runs, labels) = (differs(|a, b| a.run == b.run), differs(|a, b| a.labels == b.labels));
    let metrics = differs(|a, b| a.metric == b.metric) || !(runs || labels);
    let mut used: HashSet<String> = HashSet::from([taken.to_string()]);
    keys.iter()
        .map(|key| {
            let braced = format!("{{{}}}", key.labels.as_str());
            let parts = [(runs, &*key.run), (metrics, &*key.metric), (labels, &braced)];
            let shown: Vec<&str> = parts.iter().filter(|p| p.0).map(|p| p.1).collect();
            free(shown.join(" "), &mut used)
        })
        .collect()
}

/// The name, or the first of `name (2)`, `name (3)` and so on that is not used; adds it to the used ones.
pub(super) fn free(name: String, used: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|n: u64| format!("{name} ({n})"));
    let found = std::iter::once(name.clone()).chain(numbered).find(|n| !used.contains(n));
    let found = found.expect("there is always a greater number");
    used.insert(found.clone());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidalite_model::Labels;

    fn names(keys: &[(&str, &str, &str)]) -> Vec<String> {
        let key = |&(run, metric, labels): &(&str, &str, &str)| {
            SeriesKey::new(run, metric, Labels::parse(labels).unwrap())
        };
        column_names(&keys.iter().map(key).collect::<Vec<_>>(), "step")
    }

    #[test]
    fn a_name_has_only_what_differs() {
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&[("r", "loss", "rank=0")]), ["loss"]);
        assert_eq!(names(&[("r", "acc", ""), ("r", "loss", "")]), ["acc", "loss"]);
        assert_eq!(names(&[("a", "loss", ""), ("b", "loss", "")]), ["a", "b"]);
        assert_eq!(names(&[("a", "loss", ""), ("a", "loss", "rank=1")]), ["{}", "{rank=1}"]);
        assert_eq!(names(&[("a", "acc", ""), ("b", "loss", "")]), ["a acc", "b loss"]);
        let all = [("a", "acc", ""), ("a", "loss", "rank=0"), ("b", "loss", "rank=0")];
        assert_eq!(names(&all), ["a acc {}", "a loss {rank=0}", "b loss {rank=0}"]);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        assert_eq!(names(&[("r", "step", "")]), ["step (2)"]);
        assert_eq!(names(&[("a", "b c", ""), ("a b", "c", "")]), ["a b c", "a b c (2)"]);
        assert_eq!(names(&[("r", "step", ""), ("r", "step (2)", "")]), ["step (2)", "step (2) (2)"]);
    }

    proptest! {
        #[test]
        fn no_two_series_share_a_name(
            keys in prop::collection::btree_set(("[ a]{1,3}", "[ (2)a]{1,6}", "|k=[ a}]{1,2}"), 0..30),
        ) {
            let keys: Vec<(String, String, String)> = keys.into_iter().collect();
            let names = names(&keys.iter().map(|k| (&*k.0, &*k.1, &*k.2)).collect::<Vec<_>>());
            let distinct: HashSet<&String> = names.iter().collect();
            prop_assert!(distinct.len() == keys.len() && !names.contains(&"step".to_string()));
        }
    }
}
