"""A callback for Keras' `model.fit`, whichever its backend."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

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

    One row an epoch, at step 0, 1, …: `loss`, `val_loss`, `learning_rate` and what else was compiled. With `batches=True` also
    one row a batch, as metrics `batch/loss` and so on, whose step counts the batches of all epochs; with a number, one row each
    so many batches. Numbers alone are logged; other values that Keras passes are left out.

    The params are those of `fit` (`epochs`, `steps`) and the optimizer's as `optimizer.<key>`. `run` is the run's id; without
    it the store makes one. Where training is broken off Keras tells nobody: the run is marked failed when the callback goes or
    the interpreter ends, and at once if the callback is used in a `with`:

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
        # Open still: an earlier training that was broken off.
        self._session.end("failed")
        self._batch = 0
        given = params({name: value for name, value in (self.params or {}).items() if name != "verbose"})
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            config = {name: value for name, value in optimizer.get_config().items() if value is not None}
            given.update(params(config, "optimizer."))
        self._session.run().set_params(given)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch's row."""
        row = numbers(logs or {})
        rate = self._learning_rate()
        if rate is not None:
            row.setdefault("learning_rate", rate)
        if row:
            self._session.run().log(row, step=epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the batch's row, where rows of batches are wanted."""
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
        self._session.end("failed" if exc_type is not None else "finished")

    def _learning_rate(self) -> float | int | None:
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is None:
            return None
        # A variable of the backend: on a device, perhaps.
        return number(need("keras", "TidaliteCallback").ops.convert_to_numpy(rate))
