//! Words that have no place in code or text: plans (they live elsewhere), praise (give figures instead), and paths of
//! one machine. This file is exempt, since it has to name them.

const THIS_FILE: &str = "xtask/src/tidy/words.rs";
const PLANS: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
const PRAISE: [&str; 16] = [
    "blazing",
    "blazingly",
    "leverage",
    "leverages",
    "leveraging",
    "utilize",
    "utilizes",
    "utilizing",
    "seamless",
    "seamlessly",
    "effortless",
    "effortlessly",
    "cutting-edge",
    "world-class",
    "game-changing",
    "battle-tested",
];
const PATHS: [&str; 4] = ["/root/", "/home/", "/Users/", "C:\\Users"];

/// A line for each banned word in `text`.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    if name == THIS_FILE {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_') {
            if PLANS.contains(&word) {
                breaches.push(format!("{at}: `{word}`: do it, or plan it elsewhere"));
            }
            if PRAISE.iter().any(|p| p.eq_ignore_ascii_case(word)) {
                breaches.push(format!("{at}: `{word}`: say it plainly, or give a figure"));
            }
        }
        for path in PATHS.iter().filter(|p| line.contains(**p)) {
            breaches.push(format!("{at}: `{path}`: a path of one machine; use a relative one"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_praise_and_paths_are_found_with_their_line() {
        let text = "fine\n// TODO: later\nA Blazing, cutting-edge store in /home/me/x\n";
        let found = check("a.md", text);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("a.md:2: `TODO`"));
    }

    #[test]
    fn only_whole_words_count() {
        assert!(check("a.rs", "let todo_list = leveraged(\"TODOS\", xxx);").is_empty());
    }

    #[test]
    fn the_list_itself_is_where_it_says() {
        assert!(file!().replace('\\', "/").ends_with(THIS_FILE), "{}", file!());
    }
}
