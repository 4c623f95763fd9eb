"""A job keeps to its memory: the peak of a process is the memory option, 32 MiB, and what any process takes."""

import subprocess
import sys

import numpy as np
import pytest
import tidalite

IDLE_MIB = 24
# Prints the peak of a command in MiB. A process counts the memory of the one that started it, so a small one does.
PEAK = """
import os, subprocess, sys
command = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(command.pid, 0)
command.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss >> 10)
sys.exit(command.returncode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs")
def test_a_compaction_reads_of_long_rows_only_what_a_tile_needs(tmp_path):
    path = str(tmp_path / "m")
    n = 60_000
    with tidalite.open(path, background=False) as store:
        for i in range(100):
            # The steps of the two batches of a series interleave, so that every point is merged.
            steps = 2 * np.arange(n) + i // 50
            store.append(
                {
                    "run": "a",
                    "metric": f"m{i % 50}",
                    "step": steps,
                    "time": np.datetime64("2026-01-01", "us") + steps.astype("timedelta64[s]"),
                    "value": np.sin(steps),
                }
            )
    command = ["tidalite", "--memory", "32MiB", "compact", path]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 32 + 32 + IDLE_MIB
