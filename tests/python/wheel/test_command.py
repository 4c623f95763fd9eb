"""`python -m tidalite` is the command: the same answers, exit codes, and ways to end as the program of that name."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import tidalite

COMMAND = [sys.executable, "-m", "tidalite"]


@pytest.fixture
def full(path):
    """The path of a store with two runs of 40,000 points each."""
    with tidalite.open(path) as store:
        for name in ("a", "b"):
            with store.run(name, params={"lr": 0.1}) as run:
                for step in range(40_000):
                    run.log({"loss": 1 / (step + 1)}, step=step)
    return path


def command(*args, **options):
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=60, **options)


def answer(*args):
    done = command(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_version_is_that_of_the_package():
    assert answer("--version") == f"tidalite {tidalite.__version__}\n"


def test_its_help_is_that_of_the_program():
    program = os.environ.get("TIDALITE_BIN")
    if not program:
        pytest.skip("TIDALITE_BIN names no program to compare with")
    for args in (["--help"], ["query", "--help"]):
        assert answer(*args) == subprocess.run([program, *args], capture_output=True, text=True, check=True).stdout


def test_listings_queries_and_checks_answer(full):
    runs = [json.loads(line) for line in answer("runs", full, "--format", "json").splitlines()]
    assert [run["run"] for run in runs] == ["a", "b"]
    assert json.loads(answer("info", full, "--format", "json"))["points"] == 80_000
    counted = answer("query", full, "--aggregate", "count", "--by", "run", "--format", "csv")
    assert counted == "run,count\na,40000\nb,40000\n"
    assert "40000" in answer("query", full, "--aggregate", "count", "--by", "run")
    assert json.loads(answer("verify", full, "--format", "json"))["points"] == 80_000


def test_an_export_is_imported(full, tmp_path):
    file, other = tmp_path / "points.csv", tmp_path / "other"
    answer("export", full, "--output", file, "--run", "a", "--quiet")
    answer("import", other, file, "--quiet")
    with tidalite.open(other, "r") as store:
        assert len(store.select("loss", runs="a").points()) == 40_000


def test_wrong_usage_exits_with_2(full):
    for args in ([], ["no-such-command"], ["query", full, "--no-such-flag"], ["query", full, "--format", "parquet"]):
        done = command(*args)
        assert (done.returncode, done.stdout) == (2, ""), args
        assert "Usage" in done.stderr or "--help" in done.stderr


def test_failures_have_exit_codes(full, tmp_path):
    absent = command("runs", tmp_path / "absent")
    assert absent.returncode == 1 and absent.stderr.startswith("error: "), absent.stderr
    assert command("query", full, "-m", "no-such-metric").returncode == 3


def test_damage_exits_with_4(full):
    answer("flush", full)
    part = next((full / "parts").glob("*.parquet"))
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    done = command("verify", full)
    assert done.returncode == 4 and part.name in done.stdout + done.stderr


@pytest.mark.parametrize("format", ["table", "csv", "json", "arrow"])
def test_a_closed_pipe_ends_it_quietly(full, format):
    # The shell gives the exit code of the command, not that of `head`.
    line = '{ "$0" -m tidalite query "$1" --limit 0 --format "$2"; echo "code $?" >&2; } | head -c 50'
    done = subprocess.run(["sh", "-c", line, sys.executable, full, format], capture_output=True, timeout=60)
    assert done.stderr == b"code 0\n"
    assert len(done.stdout) == 50


def started(*args):
    return subprocess.Popen([*COMMAND, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_ends_a_follower_which_says_how_to_go_on(full):
    process = started("follow", full, "--from-start", "--run", "a", "--format", "csv")
    for _ in range(40_001):
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130, said
    assert said.startswith("interrupted; continue with --cursor '"), said
    rest = answer("follow", full, "--cursor", said.split("'")[1], "--idle-exit", "0.1", "--format", "json", "--run", "a")
    assert rest == ""


def test_ctrl_c_ends_a_query_at_once_as_a_signal_does(full):
    # Nobody reads the pipe, so the query waits once it is full.
    process = started("query", full, "--limit", "0", "--format", "csv")
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in process.stderr.read()


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it(full):
    line = 'trap "" INT; exec "$0" -m tidalite query "$1" --limit 0 --format csv'
    process = subprocess.Popen(["sh", "-c", line, sys.executable, full], stdout=subprocess.PIPE, text=True)
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert len(process.stdout.read().splitlines()) == 80_001
    assert process.wait(timeout=20) == 0


def test_a_closed_stream_is_no_file_of_the_store(full):
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        line = f'"$0" -m tidalite flush "$1" {closed}'
        done = subprocess.run(["sh", "-c", line, sys.executable, full], capture_output=True, timeout=60)
        assert done.returncode == 0, closed
    assert json.loads(answer("verify", full, "--format", "json"))["points"] == 80_000


def test_names_that_are_no_utf8_arrive(full, tmp_path):
    moved = os.path.join(os.fsencode(tmp_path), b"met\xffrics")
    os.rename(full, moved)
    done = subprocess.run([*map(os.fsencode, COMMAND), b"runs", moved, b"--format", b"csv"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 3


def test_the_demo_starts_itself_again(tmp_path):
    done = command("demo", tmp_path / "demo", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert "python -m tidalite chart" in done.stdout
