"""The run that a logger keeps open between the calls of its library."""
from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tidalite

from .. import _outcome

StoreOrPath = str | os.PathLike[str] | tidalite.Store


class Session:
    """The store and the run of one logger.

    `run()` begins the run on the first call, and joins it again after `end`. With `must_end`, a run that is still open when the
    session is garbage-collected or the interpreter ends is marked as failed: some libraries report the end of a training to their
    loggers, but not its interruption.
    """

    def __init__(
        self,
        store: StoreOrPath,
        id: str | None = None,
        *,
        tags: Sequence[str] | None = None,
        labels: Mapping[str, object] | None = None,
        must_end: bool = False,
    ) -> None:
        self.id = id
        self._must_end = must_end
        self._given = store if isinstance(store, tidalite.Store) else None
        # Absolute, so that a later change of the current folder leads to no other store.
        self._path = Path(store.path if isinstance(store, tidalite.Store) else store).absolute()
        self._tags, self._labels = tags, labels
        self._store: tidalite.Store | None = self._given
        self._run: tidalite.Run | None = None
        self._fail_at_end: weakref.finalize[Any, Any] | None = None

    @property
    def store(self) -> tidalite.Store:
        """The store, opened on first use if a path was given."""
        if self._store is None:
            self._store = tidalite.open(self._path)
        return self._store

    @property
    def is_open(self) -> bool:
        """Whether a run has begun and not ended."""
        return self._run is not None

    def run(self) -> tidalite.Run:
        """The run; begins it if it is not open."""
        if self._run is None:
            self._run = self.store.run(self.id, tags=self._tags, labels=self._labels)
            self.id = self._run.id
            if self._must_end:
                self._fail_at_end = weakref.finalize(self, _fail, self._run)
        return self._run

    def end(self, status: str = "finished") -> None:
        """Ends the run if it is open, and closes the store if this session opened it. The reason of a failure is the exception that is
        being handled, or that ended the program."""
        run, self._run = self._run, None
        if self._fail_at_end is not None:
            self._fail_at_end.detach()
            self._fail_at_end = None
        if run is not None:
            if status == "failed":
                run.fail(_outcome.reason_now())
            else:
                run.finish()
        if self._store is not None and self._given is None:
            self._store.close()
            self._store = None

    def __getstate__(self) -> dict[str, Any]:
        # Open handles stay in this process. A copy in another process opens the store by its path and joins the run.
        return {**self.__dict__, "_given": None, "_store": None, "_run": None, "_fail_at_end": None}


def _fail(run: tidalite.Run) -> None:
    try:
        run.fail(_outcome.reason_now())
    except tidalite.Error:
        # The store was closed before, and the run ended with it.
        pass
