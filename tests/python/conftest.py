"""What the readers' tests share: the command, and a store made with it from data that pyarrow wrote."""
import math
import os
import random
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TIDALITE = os.environ.get("TIDALITE_BIN", "tidalite")


def tidalite(*args, check=True):
    """Runs the command and gives its output as bytes."""
    done = subprocess.run([TIDALITE, *map(str, args)], capture_output=True, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"tidalite {args}: exit {done.returncode}: {done.stderr.decode()}")
    return done


def points():
    """Rows with awkward values: NaN, infinities, signed zeros, extremes, labels, a run of a single row, names of any kind."""
    rng = random.Random(5)
    rows = []
    base = 1_780_000_000_000_000
    for run in ["run-a", "run-b", "ärün/🌊", "only-one"]:
        for metric, labels in [("loss", ""), ("loss", "rank=1"), ("acc", ""), ('odd "name",\n', "host=a\\,b,gpu=0")]:
            count = 1 if run == "only-one" else 3000
            for step in range(count):
                value = rng.gauss(0, 1) * 10 ** rng.randint(-3, 3)
                if metric == "loss" and step % 500 == 7:
                    value = rng.choice([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
                rows.append((run, metric, labels, step * 3 - 100, base + step * 1000, value))
    rows.append(("run-a", "extreme", "", -(2**63), -62_135_596_800_000_000, -0.0))
    rows.append(("run-a", "extreme", "", 2**63 - 1, 253_402_300_799_999_999, 0.0))
    run, metric, labels, step, time, value = map(list, zip(*rows))
    return pa.table(
        {
            "run": pa.array(run).dictionary_encode(),
            "metric": metric,
            "labels": labels,
            "step": pa.array(step, pa.int64()),
            "time": pa.array(time, pa.timestamp("us", "UTC")),
            "value": value,
        }
    )


@pytest.fixture(scope="session")
def table():
    return points()


@pytest.fixture(scope="session")
def store(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("interop")
    # In two halves, shuffled, so that the parts come out of a merge.
    order = list(range(table.num_rows))
    random.Random(1).shuffle(order)
    shuffled = table.take(order)
    for i, part in enumerate([shuffled.slice(0, 20_000), shuffled.slice(20_000)]):
        pq.write_table(part, folder / f"in-{i}.parquet")
        tidalite("import", folder / "store", folder / f"in-{i}.parquet")
        tidalite("flush", folder / "store")
    tidalite("compact", folder / "store")
    return folder / "store"


@pytest.fixture(scope="session")
def files(store):
    found = sorted(Path(store, "parts").glob("*.parquet"))
    assert found, "compaction left no part"
    return found
