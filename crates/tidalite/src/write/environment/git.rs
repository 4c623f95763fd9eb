//! The commit, branch and remote of the repository around a folder, read from the files that git keeps
//! ([gitrepository-layout](https://git-scm.com/docs/gitrepository-layout)).

use super::fields::{read, text};
use std::path::{Path, PathBuf};
use tidalite_model::Params;

/// How many folders up a repository is looked for.
const PARENTS_MAX: usize = 64;
/// The most bytes of `HEAD`, of a branch, and of `.git` where that is a file.
const SMALL_BYTES_MAX: u64 = 4096;
/// The most bytes of the configuration, and of the packed branches.
const LARGE_BYTES_MAX: u64 = 4 << 20;

/// What is known of the repository around a folder; `None` where there is none.
pub(super) fn repository(folder: &Path) -> Option<Params> {
    let own = folder.ancestors().take(PARENTS_MAX).find_map(git_folder)?;
    let head = read(&own.join("HEAD"), SMALL_BYTES_MAX)?;
    // A worktree has a HEAD of its own, and shares the rest.
    let shared = read(&own.join("commondir"), SMALL_BYTES_MAX);
    let shared = shared.map_or_else(|| own.clone(), |path| own.join(path.trim()));
    let (commit, branch) = match head.trim().strip_prefix("ref:") {
        None => (Some(head.trim().to_string()), None),
        Some(name) => (commit_of(&own, &shared, name.trim()), name.trim().strip_prefix("refs/heads/")),
    };
    let mut found = Params::new();
    let fields = [
        ("commit", commit.filter(|commit| is_hash(commit))),
        ("branch", branch.map(str::to_string)),
        ("remote", read(&shared.join("config"), LARGE_BYTES_MAX).and_then(|config| remote(&config))),
    ];
    for (field, value) in fields {
        found.extend(value.map(|value| (field.to_string(), text(&value))));
    }
    Some(found)
}

/// The folder of the repository that is at a folder. Of a worktree or a submodule, a file says where it is.
fn git_folder(at: &Path) -> Option<PathBuf> {
    let git = at.join(".git");
    if git.join("HEAD").is_file() {
        return Some(git);
    }
    let link = read(&git, SMALL_BYTES_MAX)?;
    let path = at.join(link.trim().strip_prefix("gitdir:")?.trim());
    path.join("HEAD").is_file().then_some(path)
}

/// The commit of a branch: a file of its own, or a line among the packed ones.
fn commit_of(own: &Path, shared: &Path, name: &str) -> Option<String> {
    // The name becomes a path, which must not lead elsewhere.
    if !name.starts_with("refs/") || name.split('/').any(|part| part.is_empty() || part == "..") {
        return None;
    }
    let file = [own, shared].iter().find_map(|folder| read(&folder.join(name), SMALL_BYTES_MAX));
    file.map(|commit| commit.trim().to_string()).or_else(|| {
        let packed = read(&shared.join("packed-refs"), LARGE_BYTES_MAX)?;
        let line =
            packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, named)| named == name))?;
        Some(line.split_once(' ')?.0.to_string())
    })
}

fn is_hash(commit: &str) -> bool {
    matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The address of `origin`, or of the first remote.
fn remote(config: &str) -> Option<String> {
    let (mut section, mut first, mut origin) = (String::new(), None, None);
    for line in config.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']').to_string();
        } else if let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
            && section.starts_with("remote ")
        {
            let url = without_secrets(value.trim().trim_matches('"'));
            if section == "remote \"origin\"" {
                origin = origin.or(Some(url.clone()));
            }
            first = first.or(Some(url));
        }
    }
    origin.or(first)
}

/// An address without user, password and query: any of them may be a token.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test lays out a repository")]
mod tests {
    use super::*;
    use std::fs;
    use tidalite_model::Param;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn write(folder: &Path, name: &str, content: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn field(folder: &Path, name: &str) -> Option<String> {
        match repository(folder)?.remove(name) {
            Some(Param::Text(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn commit_branch_and_remote_are_those_of_the_repository_around_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (root, below) = (dir.path(), dir.path().join("src/model"));
        fs::create_dir_all(&below).unwrap();
        write(root, ".git/HEAD", "ref: refs/heads/fix/loss\n");
        write(root, ".git/refs/heads/fix/loss", &format!("{COMMIT}\n"));
        write(
            root,
            ".git/config",
            "[core]\n\tbare = false\n[remote \"fork\"]\n\turl = ssh://git@host/fork.git\n[remote \"origin\"]\n\turl = \
             https://user:token@host:8443/team/repo.git?key=secret\n",
        );
        assert_eq!(field(&below, "commit").as_deref(), Some(COMMIT));
        assert_eq!(field(&below, "branch").as_deref(), Some("fix/loss"));
        assert_eq!(field(&below, "remote").as_deref(), Some("https://host:8443/team/repo.git"));
        // Packed, then detached.
        fs::remove_file(root.join(".git/refs/heads/fix/loss")).unwrap();
        assert_eq!(field(root, "commit"), None);
        write(root, ".git/packed-refs", &format!("# pack-refs\n{COMMIT} refs/heads/fix/loss\n^{COMMIT}\n"));
        assert_eq!(field(root, "commit").as_deref(), Some(COMMIT));
        write(root, ".git/HEAD", COMMIT);
        assert_eq!((field(root, "commit").as_deref(), field(root, "branch")), (Some(COMMIT), None));
    }

    #[test]
    fn a_worktree_has_its_own_head_and_the_branches_of_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let (main, tree) = (dir.path().join("main"), dir.path().join("tree"));
        write(&main, ".git/HEAD", "ref: refs/heads/main\n");
        write(&main, ".git/refs/heads/trial", COMMIT);
        write(&main, ".git/worktrees/tree/HEAD", "ref: refs/heads/trial\n");
        write(&main, ".git/worktrees/tree/commondir", "../..\n");
        write(&tree, ".git", &format!("gitdir: {}\n", main.join(".git/worktrees/tree").display()));
        assert_eq!(field(&tree, "commit").as_deref(), Some(COMMIT));
        assert_eq!(field(&tree, "branch").as_deref(), Some("trial"));
    }

    #[test]
    fn what_is_no_repository_or_a_strange_one_gives_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".git/HEAD", "ref: ../../etc/passwd\n");
        assert_eq!(field(dir.path(), "commit"), None);
        write(dir.path(), ".git/HEAD", "no hash\n");
        assert_eq!(repository(dir.path()), Some(Params::new()));
        let empty = tempfile::tempdir().unwrap();
        write(empty.path(), ".git", "gitdir: nowhere\n");
        assert_eq!(git_folder(empty.path()), None);
    }

    #[test]
    fn addresses_lose_what_may_be_secret() {
        for (url, kept) in [
            ("git@host:team/repo.git", "git@host:team/repo.git"),
            ("https://x:y@host/a@b.git", "https://host/a@b.git"),
            ("https://host", "https://host"),
            ("/srv/repo.git", "/srv/repo.git"),
        ] {
            assert_eq!(without_secrets(url), kept);
        }
    }
}
