"""Draws what the bench `soak` wrote: memory, descriptors, files, bytes and latency against time.

    pip install matplotlib
    python benches/soak_plot.py target/soak.csv docs/images/soak.png
"""
from __future__ import annotations

import csv
import sys

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

PANELS = [
    ("memory, MiB", ["reader_rss_mib", "follower_rss_mib", "writer_rss_mib"]),
    ("open descriptors", ["reader_fds", "follower_fds", "follower_threads"]),
    ("files of the store", ["files"]),
    ("store and logs on disk, MiB", ["store_mib", "log_mib"]),
    ("latency of a read, ms (median and worst of each second)", ["read_p50_ms", "read_max_ms"]),
    ("rows followed, and reads refused", ["rows_followed", "refused"]),
]


def main() -> None:
    source, target = sys.argv[1:]
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    minutes = [int(row["second"]) / 60 for row in rows]
    figure, axes = plt.subplots(3, 2, figsize=(12, 9), sharex=True, layout="constrained")
    for axis, (title, columns) in zip(axes.flat, PANELS):
        for column in columns:
            axis.plot(minutes, [float(row[column]) for row in rows], label=column, linewidth=0.9)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8, frameon=False)
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
