"""What a run is run with: kept at its start, found by filters, and without secrets."""
import json
import subprocess
import sys

import pytest

import tidalite

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def environment(store, id):
    return store.run_info(id).environment


def test_a_run_keeps_what_it_is_run_with(store):
    store.run("a", capture=True).finish()
    store.run("by default").finish()
    found = environment(store, "a")
    assert environment(store, "by default") == {field: value for field, value in found.items() if field != "packages"}
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["pytest"] == pytest.__version__ and found["packages"]["tidalite"] == tidalite.__version__
    assert found["cpu"]["count"] >= 1 and found["memory_bytes"] > 1 << 20 and found["os"].startswith("linux")
    assert "pytest" in " ".join(found["command"])
    assert store.runs("has environment.packages.pytest and environment.cpu.count > 0").ids == ["a"]
    assert store.runs(f"environment.python = '{found['python']}'").ids == ["a", "by default"]
    assert store.runs("environment.python = '2.7.18'").ids == []


def test_what_is_captured_can_be_chosen(store):
    store.run("none", capture=False).finish()
    store.run("some", capture=["python", "cpu"]).finish()
    store.run("one", capture="python").finish()
    assert environment(store, "none") == {}
    assert sorted(environment(store, "some")) == ["cpu", "python"]
    assert list(environment(store, "one")) == ["python"]
    with pytest.raises(TypeError, match="capture is of type int; give True, False, or a list"):
        store.run("wrong", capture=1)
    assert store.runs("id = 'wrong'").ids == []


def test_the_first_rank_tells_for_all_unless_a_rank_is_asked(store, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    store.run("job", labels={"rank": 3}).finish()
    assert environment(store, "job") == {}
    store.run("asked", capture=True).finish()
    assert environment(store, "asked")["launcher"] == {"rank": 3, "world_size": 8}
    monkeypatch.setenv("RANK", "0")
    store.run("job", labels={"rank": 0}).finish()
    assert environment(store, "job")["launcher"] == {"rank": 0, "world_size": 8}


def test_a_run_begins_where_its_environment_cannot_be_told(store, monkeypatch):
    monkeypatch.setattr("tidalite._capture.python_environment", lambda: 1 / 0)
    store.run("a").log({"loss": 1.0})
    assert "python" not in environment(store, "a") and "command" in environment(store, "a")


def test_no_variable_is_kept_that_is_not_listed(store, monkeypatch):
    monkeypatch.setenv("API_KEY", "swordfish")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    store.run("a").finish()
    found = environment(store, "a")
    assert found["scheduler"]["slurm_job_id"] == "4711" and "swordfish" not in str(found)


SCRIPT = """
import sys, tidalite
with tidalite.open(sys.argv[1]) as store:
    with store.run("a") as run:
        run.log({"loss": 1.0})
"""


def test_the_commit_is_that_of_the_repository_around_the_script(tmp_path):
    repository = tmp_path / "repository"
    (repository / ".git/refs/heads").mkdir(parents=True)
    (repository / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (repository / ".git/refs/heads/main").write_text(COMMIT + "\n")
    (repository / ".git/config").write_text('[remote "origin"]\n\turl = https://me:token@host/team/repo.git\n')
    (repository / "train.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "train.py", str(tmp_path / "metrics"), "--lr", "0.1"], cwd=repository, check=True)
    with tidalite.open(tmp_path / "metrics", mode="r") as store:
        [run] = store.runs(f"environment.git.commit like '{COMMIT[:7]}*'")
        assert run.environment["git"] == {"branch": "main", "commit": COMMIT, "remote": "https://host/team/repo.git"}
        assert run.environment["script"] == str(repository / "train.py")
        assert run.environment["command"][-2:] == ["--lr", "0.1"]
        assert COMMIT[:8] in store.runs()._repr_html_()


def test_the_command_shows_the_environment(store):
    store.run("a", capture=["python"]).finish()
    store.close()
    shown = [sys.executable, "-m", "tidalite", "runs", str(store.path), "--format", "json"]
    row = json.loads(subprocess.run(shown, capture_output=True, check=True, text=True).stdout)
    assert list(row["environment"]) == ["python"]
