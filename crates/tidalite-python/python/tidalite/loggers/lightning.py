"""A logger for Lightning's `Trainer`, from `lightning.pytorch` or `pytorch_lightning`."""
from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import tidalite

from .._optional import need
from ._session import Session, StoreOrPath
from ._values import numbers, params

# Each package has its own Logger class, and its Trainer accepts no other. The package that the program has imported decides.
_PACKAGE = "pytorch_lightning" if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules else "lightning.pytorch"
try:
    _loggers = need(f"{_PACKAGE}.loggers.logger", "TidaliteLogger", install="lightning")
except ImportError:
    _PACKAGE = "pytorch_lightning"
    _loggers = need(f"{_PACKAGE}.loggers.logger", "TidaliteLogger", install="lightning")
_rank_zero = import_module(f"{_PACKAGE}.utilities.rank_zero")

if TYPE_CHECKING:
    _Logger = Any
else:
    _Logger = _loggers.Logger


class TidaliteLogger(_Logger):  # type: ignore[misc]
    """Logs what a Lightning module logs to a run of a store.

    >>> from tidalite.loggers.lightning import TidaliteLogger
    >>> trainer = Trainer(logger=TidaliteLogger("metrics", name="resnet"), max_epochs=3)
    >>> trainer.fit(model)
    >>> tidalite.open("metrics", "r").runs()

    The run's id is `<name>/<version>`; the default version is the time and four random digits. The module's `hparams` become the
    run's params. The run ends with each `fit`, `test`, …: as failed after an exception or Ctrl-C, else as finished. The next call
    joins it again.

    Only the process of rank zero logs, as with Lightning's own loggers. `save_dir` is the folder for Lightning's checkpoints of this
    run, by default the trainer's `default_root_dir`. `prefix` and a slash are put before each metric's name.
    """

    def __init__(
        self,
        store: StoreOrPath,
        name: str = "lightning",
        version: int | str | None = None,
        *,
        save_dir: str | os.PathLike[str] | None = None,
        prefix: str = "",
        tags: Sequence[str] | None = None,
        labels: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        # Made here, so that every process with a copy of the logger uses the same run.
        self._version = version if version is not None else time.strftime("%Y%m%d-%H%M%S-") + os.urandom(2).hex()
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._prefix = prefix + "/" if prefix else ""
        self._session = Session(store, f"{name}/{self._version}", tags=tags, labels=labels)

    @property
    def name(self) -> str:
        """The first part of the run's id."""
        return self._name

    @property
    def version(self) -> int | str:
        """The second part of the run's id."""
        return self._version

    @property
    def save_dir(self) -> str | None:
        """The folder for checkpoints; `None` means the trainer's default."""
        return self._save_dir

    @property
    def experiment(self) -> tidalite.Run:
        """The run; on ranks other than zero a stand-in whose methods do nothing."""
        if _rank_zero.rank_zero_only.rank > 0:
            return _loggers.DummyExperiment()  # type: ignore[no-any-return]
        return self._session.run()

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs one row. Values that are not single numbers are left out, as by Lightning's own loggers."""
        row = numbers(metrics, self._prefix)
        if row:
            self.experiment.log(row, step=step)

    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *args: Any, **options: Any) -> None:
        """Sets params."""
        self.experiment.set_params(_plain(params))

    def save(self) -> None:
        """Waits until all rows are durable."""
        if self._session.is_open:
            self._session.store.sync()

    def finalize(self, status: str) -> None:
        """Ends the run: as failed if the status is `failed` or `aborted`."""
        self._session.end("failed" if status in ("failed", "aborted") else "finished")


def _plain(given: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    return params(vars(given) if isinstance(given, Namespace) else given)
