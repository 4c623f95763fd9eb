"""What the package's tests share: an empty store, and scripts run in a process of their own."""
import subprocess
import sys
import textwrap

import pytest

import tidalite


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics"


@pytest.fixture
def store(path):
    with tidalite.open(path) as store:
        yield store


@pytest.fixture
def script(tmp_path):
    """Runs Python text in a process of its own; gives the finished process."""

    def run(text, *args, check=True, timeout=60):
        file = tmp_path / "script.py"
        file.write_text(textwrap.dedent(text))
        done = subprocess.run([sys.executable, file, *map(str, args)], capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"exit {done.returncode}: {done.stderr}")
        return done

    return run
