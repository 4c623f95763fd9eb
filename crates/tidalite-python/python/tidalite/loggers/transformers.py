"""A callback for the `Trainer` of Hugging Face's transformers."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _outcome
from .._optional import need
from ._session import Session, StoreOrPath
from ._values import numbers, params

if TYPE_CHECKING:
    _TrainerCallback = Any
else:
    _TrainerCallback = need("transformers", "TidaliteCallback").TrainerCallback


class TidaliteCallback(_TrainerCallback):  # type: ignore[misc]
    """Logs what a `Trainer` logs to a run of a store.

    >>> from tidalite.loggers.transformers import TidaliteCallback
    >>> arguments = TrainingArguments("out", run_name="bert-42", report_to="none")
    >>> trainer = Trainer(model, arguments, train_dataset=data, callbacks=[TidaliteCallback("metrics")])
    >>> trainer.train()

    The run's id is `run`, else the arguments' `run_name`, else generated. Its params are the training arguments that are set, and the
    model's configuration as `model.<key>`. Metrics are named as by transformers' own callbacks, `train/loss` and `eval/loss`; values
    that are not numbers are left out, as by those.

    Only the process with world rank zero logs. The run ends with the training. The trainer does not report an interrupted training.
    Its run is marked failed when the callback is garbage-collected or the interpreter ends, or at once if the callback is used in a
    `with`:

    >>> with TidaliteCallback("metrics") as callback:
    ...     Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()

    A later training with the same callback, and a later `Trainer.evaluate` or `predict`, join the same run again.
    """

    def __init__(
        self,
        store: StoreOrPath,
        run: str | None = None,
        *,
        tags: Sequence[str] | None = None,
        labels: Mapping[str, object] | None = None,
    ) -> None:
        self._session = Session(store, run, tags=tags, labels=labels, must_end=True)
        self._training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        """Begins the run, and sets its params."""
        if not state.is_world_process_zero:
            return
        # A run that is still open belongs to an interrupted training.
        self._session.end("failed")
        self._training = True
        self._name(args)
        given = params({name: value for name, value in args.to_sanitized_dict().items() if value is not None})
        config = getattr(model, "config", None)
        if config is not None:
            given.update(params(config if isinstance(config, Mapping) else config.to_dict(), "model."))
        self._session.run().set_params(given)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **others: Any) -> None:
        """Logs one row at the trainer's step."""
        row = numbers({_metric(name): value for name, value in (logs or {}).items()})
        if row and state.is_world_process_zero:
            self._name(args)
            self._session.run().log(row, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the run."""
        self._training = False
        self._session.end()

    def on_evaluate(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the run after an evaluation outside training."""
        if not self._training:
            self._session.end()

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any) -> None:
        """Ends the run after a prediction outside training."""
        if not self._training:
            self._session.end()

    def __enter__(self) -> TidaliteCallback:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.end("failed" if exc is not None and _outcome.of(exc) is not None else "finished")

    def _name(self, args: Any) -> None:
        name = getattr(args, "run_name", None)
        # Older versions of transformers set `run_name` to the output folder by default.
        if self._session.id is None and name and name != args.output_dir:
            self._session.id = name


def _metric(name: str) -> str:
    for prefix in ("eval", "test"):
        if name.startswith(prefix + "_"):
            return f"{prefix}/{name[len(prefix) + 1 :]}"
    return "train/" + name
