"""Where figures were measured, in a sentence: processor, cores, memory, file system of the temporary folder, system, load, versions."""
import os
import platform
import tempfile
from importlib.metadata import version


def first(path: str, key: str) -> str:
    """The value of a key in a file of `key: value` lines."""
    with open(path) as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "unknown")


def file_system(folder: str) -> str:
    """The type of the mount that holds a folder."""
    with open("/proc/mounts") as file:
        mounts = [line.split()[1:3] for line in file]
    return max((m for m in mounts if os.path.realpath(folder).startswith(m[0])), key=lambda m: len(m[0]))[1]


memory = int(first("/proc/meminfo", "MemTotal").split()[0]) / 2**20
peers = ", ".join(f"{p} {version(p)}" for p in ("duckdb", "polars", "wandb", "trackio", "tensorboardX"))
print(
    f"Measured on a shared virtual machine: {os.cpu_count()} cores of {first('/proc/cpuinfo', 'model name')}, {memory:.0f} GiB,\n"
    f"{file_system(tempfile.gettempdir())}, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}; load average "
    f"before: {os.getloadavg()[0]:.1f}. Peers: {peers}."
)
