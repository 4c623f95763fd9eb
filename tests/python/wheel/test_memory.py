"""A job keeps to its memory: a process grows by at most the memory option and 32 MiB while it works."""

import subprocess
import sys

import numpy as np
import pytest
import tidalite

MEMORY_MIB = 32
# Compacts a store and prints by how many KiB the peak of the process grew. VmHWM belongs to this process alone;
# `ru_maxrss` would count the process that started it too.
COMPACT = """
import sys
import tidalite

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

with tidalite.open(sys.argv[1], memory_bytes=int(sys.argv[2]), background=False) as store:
    before = peak()
    store.compact()
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
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
    done = subprocess.run(
        [sys.executable, "-c", COMPACT, path, str(MEMORY_MIB << 20)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >> 10 <= MEMORY_MIB + 32
