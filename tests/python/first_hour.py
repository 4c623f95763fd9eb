"""The first hour with the package and nothing else: a fresh interpreter that has no other package logs, reads, and runs the command.

`cargo xtask test` runs it with the debug build, `cargo xtask wheel` with the wheel that it built. The one argument is an empty folder.
The script is a chain of claims: the first one that does not hold ends it with a traceback.
"""
import json
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(sys.argv[1])


def nothing_else_is_installed():
    for name in ("numpy", "pandas", "pyarrow", "polars", "matplotlib"):
        assert find_spec(name) is None, f"{name} is installed, so this shows nothing"
    others = {d.metadata["Name"].lower() for d in distributions()} - {"pip", "setuptools", "wheel", "tidalite"}
    assert not others, f"other packages are installed: {sorted(others)}"


def log_and_read():
    import tidalite

    with tidalite.open(FOLDER / "store") as store:
        for lr in (0.1, 0.01):
            with store.run(f"lr-{lr}", params={"lr": lr}, labels={"rank": 0}) as run:
                for step in range(1000):
                    run.log({"loss": lr / (step + 1), "acc": step / 1000}, step=step)
        table = store.select("loss", runs="lr-0.1").points()
        assert len(table) == 1000 and table[0]["value"] == 0.1 and table[-1]["step"] == 999
        assert table["value"].to_list() == [0.1 / (step + 1) for step in range(1000)]
        assert sum(memoryview(table["step"])) == 499_500
        assert [row["step"] for row in table[10:12]] == [10, 11]
        assert table.to_csv().count("\n") == 1001 and len(json.loads(table.to_json())) == 1000 and table.to_ipc()
        best = store.select("loss").aggregate("min", "argmin", by="run").sort("min")
        assert best.to_dicts()[0] == {"run": "lr-0.01", "min": 0.01 / 1000, "argmin": 999}
        assert "lr-0.01" in repr(best) and "<table" in best._repr_html_()
        assert store.select("acc").summaries()[0]["mean"] == 0.4995
        assert store.labels() == {"rank": {"0": 4}}
        info = store.run_info("lr-0.1", totals=True)
        assert (info.status, info.points, info.last_step) == ("finished", 2000, 999)
        assert [run.points for run in store.runs(totals=True)] == [2000, 2000]


def what_is_missing_says_what_to_install():
    import tidalite

    with tidalite.open(FOLDER / "store", "r") as store:
        selection = store.select("loss")
        for method, name in [("plot", "matplotlib"), ("to_pandas", "pandas"), ("to_polars", "polars"), ("to_arrow", "pyarrow"), ("to_numpy", "numpy")]:
            try:
                getattr(selection, method)()
            except ImportError as e:
                assert "pip install" in str(e) and name in str(e), e
            else:
                raise AssertionError(f"{method}() works without {name}")


def command(*args, code=0):
    done = subprocess.run([sys.executable, "-m", "tidalite", *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (args, done.returncode, done.stderr)
    return done.stdout


def the_command_runs():
    import tidalite

    assert command("--version") == f"tidalite {tidalite.__version__}\n"
    runs = [json.loads(line) for line in command("runs", FOLDER / "store", "--format", "json").splitlines()]
    assert [(run["run"], run["points"]) for run in runs] == [("lr-0.01", 2000), ("lr-0.1", 2000)]
    assert json.loads(command("info", FOLDER / "store", "--format", "json"))["points"] == 4000
    assert "lr-0.1" in command("query", FOLDER / "store", "--aggregate", "min", "--by", "run")
    command("query", FOLDER / "absent", code=1)
    command("no-such-command", code=2)
    command("verify", FOLDER / "store")


def a_csv_is_imported():
    import tidalite

    file = FOLDER / "points.csv"
    file.write_text("run,metric,step,value\n" + "".join(f"from-csv,loss,{step},{1 / (step + 1)}\n" for step in range(100)))
    command("import", FOLDER / "store", file)
    with tidalite.open(FOLDER / "store", "r") as store:
        assert store.select("loss", runs="from-csv").points()["value"].to_list() == [1 / (step + 1) for step in range(100)]


def the_script_is_installed():
    """Only a wheel that pip installed has the script."""
    if not any(d.metadata["Name"] == "tidalite" for d in distributions()):
        return
    script = shutil.which("tidalite", path=sysconfig.get_path("scripts"))
    assert script, "pip made no script `tidalite`"
    done = subprocess.run([script, "runs", FOLDER / "store", "--format", "csv"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.count("\n") == 4, done.stderr
    usage = subprocess.run([script, "--no-such-flag"], capture_output=True, text=True, timeout=120)
    assert usage.returncode == 2 and "Usage: tidalite" in usage.stderr


for claim in (nothing_else_is_installed, log_and_read, what_is_missing_says_what_to_install, the_command_runs, a_csv_is_imported, the_script_is_installed):
    claim()
