"""A callback for Keras' `model.fit`, on any backend."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _outcome
from .._optional import need
from ._session import Session, StoreOrPath
from ._values import number, numbers, params

if TYPE_CHECKING:
    _Callback = Any
else:
    _Callback = need("keras", "TidaliteCallback").callbacks.Callback


class TidaliteCallback(_Callback):  # type: ignore[misc]
    """Logs what `model.fit` reports to a run of a store.

    >>> from tidalite.loggers.keras import TidaliteCallback
    >>> model.fit(x, y, epochs=10, validation_split=0.2, callbacks=[TidaliteCallback("metrics", "mnist-42")])
    >>> tidalite.open("metrics", "r").select("val_loss").to_pandas()

    Each epoch is one row, at steps 0, 1, …: `loss`, `val_loss`, `learning_rate` and the compiled metrics. With `batches=True` each
    batch is a row too, with metrics such as `batch/loss`, and steps that count the batches of all epochs; with `batches=n`, every n-th
    batch. Values that are not numbers are left out.

    The params are those of `fit` (`epochs`, `steps`) and those of the optimizer as `optimizer.<key>`. `run` is the run's id; by
    default it is generated. Keras does not report an interrupted training. Its run is marked failed when the callback is
    garbage-collected or the interpreter ends, or at once if the callback is used in a `with`:

    >>> with TidaliteCallback("metrics") as callback:
    ...     model.fit(x, y, callbacks=[callback])
    """

    def __init__(
        self,
        store: StoreOrPath,
        run: str | None = None,
        *,
        batches: bool | int = False,
        tags: Sequence[str] | None = None,
        labels: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self._session = Session(store, run, tags=tags, labels=labels, must_end=True)
        self._every = int(batches)
        self._batch = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begins the run, and sets its params."""
        # A run that is still open belongs to an interrupted training.
        self._session.end("failed")
        self._batch = 0
        given = params({name: value for name, value in (self.params or {}).items() if name != "verbose"})
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            config = {name: value for name, value in optimizer.get_config().items() if value is not None}
            given.update(params(config, "optimizer."))
        self._session.run().set_params(given)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the row of an epoch."""
        row = numbers(logs or {})
        rate = self._learning_rate()
        if rate is not None:
            row.setdefault("learning_rate", rate)
        if row:
            self._session.run().log(row, step=epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the row of a batch, if `batches` is set."""
        if self._every and self._batch % self._every == 0:
            row = numbers(logs or {}, "batch/")
            if row:
                self._session.run().log(row, step=self._batch)
        self._batch += 1

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Ends the run."""
        self._session.end()

    def __enter__(self) -> TidaliteCallback:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.end("failed" if exc is not None and _outcome.of(exc) is not None else "finished")

    def _learning_rate(self) -> float | int | None:
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is None:
            return None
        # The rate is a variable of the backend, possibly on a device.
        return number(need("keras", "TidaliteCallback").ops.convert_to_numpy(rate))
