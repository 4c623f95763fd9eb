//! Which names are similar to one that does not exist, for messages.

use std::collections::BTreeSet;

/// The most names that are returned.
const NAMES_MAX: usize = 5;
/// A longer name is compared only by whether one holds the other, since the edit distance takes the product of lengths.
const CHARS_MAX: usize = 200;

/// The names most similar to `wanted`, best first, five at most: those that hold its text or are held by it, then
/// those that differ in few letters, as a whole or in what follows their last slash. Case and the special characters
/// of globs do not count.
///
/// ```
/// let names = ["train/loss", "val/loss", "lr"];
/// assert_eq!(tidalite_query::similar_names("los", names), ["train/loss", "val/loss"]);
/// ```
pub fn similar_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: String =
        wanted.chars().filter(|c| !"*?[]{}\\".contains(*c)).flat_map(char::to_lowercase).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let letters = wanted.chars().count();
    // One letter is like no other, and a name that has it somewhere is not meant.
    let most = if letters == 1 { 0 } else { (letters / 3).max(1) };
    let mut ranked: BTreeSet<(usize, &str)> = BTreeSet::new();
    for name in names {
        let lower = name.to_lowercase();
        let last = lower.rsplit('/').next().unwrap_or(&lower);
        let within = match letters {
            1 | 2 => lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == wanted),
            _ => lower.contains(&wanted) || (lower.len() > 2 && wanted.contains(&lower)),
        };
        let differ = || {
            let far = |name: &str| (letters <= CHARS_MAX).then(|| distance(&wanted, name, most)).flatten();
            far(&lower).into_iter().chain(far(last)).min()
        };
        if let Some(rank) = if within { Some(0) } else { differ() } {
            ranked.insert((rank, name));
            if ranked.len() > NAMES_MAX {
                ranked.pop_last();
            }
        }
    }
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// The edit distance, if it is `most` or less: letters to insert, delete or replace (V. Levenshtein, 1965).
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().take(CHARS_MAX + CHARS_MAX / 2).collect();
    if a.chars().count().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
        // The distance never falls below the least of a row.
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
    }
    Some(row[b.len()]).filter(|differ| *differ <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_similar_names() {
        let names = ["train/loss", "val/loss", "lr", "accuracy", "grad_norm"];
        assert_eq!(similar_names("los", names), ["train/loss", "val/loss"]);
        assert_eq!(similar_names("acuracy", names), ["accuracy"]);
        assert_eq!(similar_names("Grad*", names), ["grad_norm"]);
        assert_eq!(similar_names("vla/loss", names), ["val/loss"]);
        assert!(similar_names("*", names).is_empty() && similar_names("qqq", names).is_empty());
    }

    #[test]
    fn one_or_two_letters_are_like_few_names() {
        let names = ["run-01a2", "n", "norm/n", "lr", "opt.lr", "nan"];
        assert_eq!(similar_names("n", names), ["n", "norm/n"]);
        assert_eq!(similar_names("lr", names), ["lr", "opt.lr"]);
        assert_eq!(similar_names("lt", names), ["lr"]);
        assert!(similar_names("x", names).is_empty());
    }

    #[test]
    fn the_best_five_are_named() {
        let names: Vec<String> = (0..40).map(|i| format!("run-{i:02}")).collect();
        assert_eq!(similar_names("run-2", names.iter().map(String::as_str)).len(), 5);
        assert_eq!(similar_names("run-7", ["run-77", "run-6", "run-7b"]), ["run-77", "run-7b", "run-6"]);
    }

    #[test]
    fn the_edit_distance_counts_letters_up_to_a_bound() {
        assert_eq!(
            [distance("", "abc", 3), distance("kitten", "sitting", 3), distance("a", "a", 0)],
            [Some(3), Some(3), Some(0)]
        );
        assert_eq!([distance("kitten", "sitting", 2), distance("", "abc", 2)], [None, None]);
        let long = "x".repeat(4000);
        assert_eq!(similar_names(&long, [long.as_str(), "y"]), [long.as_str()]);
    }
}
