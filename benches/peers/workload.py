"""The data for all systems: the curves of an experiment tracker. Equal sizes give equal data.

Each run logs all its metrics once per step, about ten steps per second. Times are whole microseconds. Metrics have ten shapes in
turn, from noisy float32 losses to counters, percents and float64 values with all bits random: some compress, some do not.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

START_US = 1_780_000_000_000_000
# The time between the starts of two runs.
STAGGER_US = 60_000_000
STEP_US = 100_000

Array = np.ndarray[Any, Any]
Shape = Callable[[Array, int, np.random.Generator], Array]


def _single(values: Array) -> Array:
    """Rounded as by a framework that computes in 32 bits."""
    return values.astype("f4").astype("f8")


SHAPES: dict[str, Shape] = {
    "loss": lambda s, n, rng: _single(2 * np.exp(-3 * s / n) + 0.1 + 0.02 * rng.standard_normal(n)),
    "lr": lambda s, n, rng: 1.5e-4 * (1 + np.cos(np.pi * s / n)),
    "acc": lambda s, n, rng: np.clip(np.rint(512 * (1 - np.exp(-4 * s / n)) + rng.integers(-8, 8, n)), 0, 512) / 512,
    "grad_norm": lambda s, n, rng: _single(rng.lognormal(0, 0.5, n)),
    "tokens": lambda s, n, rng: np.cumsum(rng.integers(60_000, 65_536, n)).astype("f8"),
    "gpu_util": lambda s, n, rng: rng.integers(85, 101, n).astype("f8"),
    "gpu_temp": lambda s, n, rng: np.clip(65 + np.cumsum(rng.integers(-1, 2, n) * (rng.random(n) < 0.1)), 30, 95).astype("f8"),
    "mem_bytes": lambda s, n, rng: np.repeat(rng.integers(30_000_000_000, 31_000_000_000, n // 200 + 1), 200)[:n].astype("f8"),
    "w_mean": lambda s, n, rng: _single(np.cumsum(1e-4 * rng.standard_normal(n))),
    "throughput": lambda s, n, rng: 1000 / (0.1 + 0.005 * rng.standard_normal(n)),
}


def metric_names(metrics: int) -> list[str]:
    """`loss/0`, `lr/0`, …, `loss/1`, …"""
    names = list(SHAPES)
    return [f"{names[i % len(names)]}/{i // len(names)}" for i in range(metrics)]


def run_name(number: int) -> str:
    """The id of a run."""
    return f"run-{number:05}"


def runs(count: int, metrics: int, steps: int, seed: int = 7) -> Iterator[tuple[str, Array, Array]]:
    """The id, the times in µs and the values of each run, one row per metric."""
    shapes = list(SHAPES.values())
    step = np.arange(steps, dtype="f8")
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        times = START_US + number * STAGGER_US + np.cumsum(rng.normal(STEP_US, STEP_US / 20, steps).astype("i8"))
        yield run_name(number), times, np.stack([shapes[i % len(shapes)](step, steps, rng) for i in range(metrics)])


def batches(count: int, metrics: int, steps: int) -> Iterator[Any]:
    """The same as Arrow record batches, one per run: run, metric, step, time, value."""
    import pyarrow as pa

    names = pa.array(metric_names(metrics))
    metric = pa.DictionaryArray.from_arrays(pa.array(np.repeat(np.arange(metrics, dtype="i4"), steps)), names)
    step = pa.array(np.tile(np.arange(steps), metrics))
    for run, times, values in runs(count, metrics, steps):
        id = pa.DictionaryArray.from_arrays(pa.array(np.zeros(metrics * steps, "i4")), pa.array([run]))
        time = pa.array(np.tile(times, metrics)).cast(pa.timestamp("us", "UTC"))
        columns = {"run": id, "metric": metric, "step": step, "time": time, "value": pa.array(values.ravel())}
        yield pa.record_batch(columns)
