"""A replacement for TensorBoard's `SummaryWriter` that writes scalars to a store."""
from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, SupportsFloat, SupportsIndex

import tidalite

from ._session import Session, StoreOrPath
from ._values import microseconds, params

_IGNORED = (
    "add_audio",
    "add_custom_scalars",
    "add_custom_scalars_marginchart",
    "add_custom_scalars_multilinechart",
    "add_embedding",
    "add_figure",
    "add_graph",
    "add_histogram",
    "add_histogram_raw",
    "add_image",
    "add_image_with_boxes",
    "add_images",
    "add_mesh",
    "add_onnx_graph",
    "add_pr_curve",
    "add_pr_curve_raw",
    "add_tensor",
    "add_text",
    "add_video",
)


class SummaryWriter:
    """Accepts the calls of `torch.utils.tensorboard.SummaryWriter` and of tensorboardX's `SummaryWriter`.

    >>> from tidalite.loggers.tensorboard import SummaryWriter
    >>> with SummaryWriter("runs/resnet-42") as writer:
    ...     for step in range(100):
    ...         writer.add_scalar("train/loss", 1 / (step + 1), step)
    >>> tidalite.open("runs/tidalite", "r").select("train/loss", runs="resnet-42").to_pandas()

    The run's id is the last name in `log_dir`, and the store is the folder `tidalite` next to it. With `store=`, a path or an open
    store, the id is the whole of a relative `log_dir`. The default `log_dir` is `runs/` and the time, the host and `comment`.

    - A tag is a metric. A scalar without a `global_step` gets the next step of its tag, from 0.
    - `add_scalars` logs one row of this run with metrics `main_tag/tag`; TensorBoard makes one run per tag.
    - `add_hparams` sets params of this run and logs the metrics; with `run_name` it makes the run `<id>/<run_name>`.
    - Texts, images, histograms, graphs and other data that is not a number are ignored, with one warning per kind, so that code which
      adds them still runs.
    - `flush` returns once all added rows are durable. `close` ends the run; leaving a `with` by an exception ends it as failed.
    - `purge_step`, `max_queue`, `flush_secs` and `filename_suffix` have no effect, since there is no queue.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        store: StoreOrPath | None = None,
    ) -> None:
        if log_dir is None:
            started = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{started}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        written = os.path.normpath(self.log_dir)
        if store is None:
            parent, id = os.path.split(os.path.abspath(written))
            store = os.path.join(parent, "tidalite")
        else:
            id = os.path.basename(written) if os.path.isabs(written) else written.replace(os.sep, "/")
        self._session = Session(store, id)
        self._next_step: dict[str, int] = {}
        self._warned: set[str] = set()
        # The run begins at once, as TensorBoard's writer makes its folder at once.
        self._session.run()

    @property
    def run(self) -> tidalite.Run:
        """The run that this writer logs to."""
        return self._session.run()

    def get_logdir(self) -> str:
        """The `log_dir` that was given or made."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: SupportsFloat | SupportsIndex,
        global_step: SupportsIndex | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
        **ignored: Any,
    ) -> None:
        """Logs one value, always as a 64-bit float: `double_precision` has no effect. `walltime` is in seconds."""
        self._log(tag, {tag: scalar_value}, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, SupportsFloat | SupportsIndex],
        global_step: SupportsIndex | None = None,
        walltime: float | None = None,
    ) -> None:
        """Logs one row, with a metric `main_tag/tag` per tag."""
        self._log(main_tag, {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, SupportsFloat | SupportsIndex],
        hparam_domain_discrete: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        global_step: SupportsIndex | None = None,
    ) -> None:
        """Sets params, and logs the metrics as one row, at step 0 unless `global_step` is given."""
        step = 0 if global_step is None else global_step
        if run_name is None:
            self.run.set_params(params(hparam_dict))
            if metric_dict:
                self.run.log(metric_dict, step=step)
            return
        with self._session.store.run(f"{self.run.id}/{run_name}", params=params(hparam_dict), parent=self.run) as run:
            if metric_dict:
                run.log(metric_dict, step=step)

    def flush(self) -> None:
        """Waits until all added rows are durable. Readers see rows at once, flushed or not."""
        self._session.store.sync()

    def close(self) -> None:
        """Ends the run. A later `add_…` joins it again, as TensorBoard's writer opens another file."""
        self._session.end()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.end("failed" if exc_type is not None else "finished")

    def __getattr__(self, name: str) -> Any:
        if name in _IGNORED:
            return lambda *args, **options: self._leave_out(name)
        raise AttributeError(f"SummaryWriter has no {name}")

    def _log(
        self,
        counter: str,
        values: Mapping[str, SupportsFloat | SupportsIndex],
        step: SupportsIndex | None,
        walltime: float | None,
    ) -> None:
        at = self._next_step.get(counter, 0)
        self.run.log(values, step=at if step is None else step, time=None if walltime is None else microseconds(walltime))
        if step is None:
            self._next_step[counter] = at + 1

    def _leave_out(self, name: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(f"{name}: a tidalite store holds numbers only; this call is ignored", stacklevel=3)
