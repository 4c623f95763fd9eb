"""A callback for Optuna's `study.optimize`, which makes one run per trial."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from threading import RLock
from typing import TYPE_CHECKING, Any

from ._session import Session, StoreOrPath
from ._values import numbers, params

if TYPE_CHECKING:
    import optuna

    import tidalite


class TidaliteCallback:
    """Writes each finished trial of a study as a run of a store.

    >>> from tidalite.loggers.optuna import TidaliteCallback
    >>> study = optuna.create_study(study_name="lr-search")
    >>> study.optimize(objective, n_trials=100, callbacks=[TidaliteCallback("metrics")])
    >>> tidalite.open("metrics", "r").runs().to_pandas()[["id", "params.lr"]]

    The run's id is `<study>/<trial>`, with the trial's number in five digits. Its params are the trial's params, its user attributes
    as `user_attrs.<key>`, and `state`: `COMPLETE`, `PRUNED` or `FAIL`. A failed trial is a failed run; a pruned one is finished and
    has the tag `pruned`.

    Metrics: at step 0 the objective, named by the study's metric names, else `value` (`value/0`, `value/1`, … for several objectives),
    and `duration` in seconds; `intermediate` at the steps that the objective reported.

    Optuna calls callbacks for a failed trial only if `optimize(catch=…)` names its exception; any other exception ends `optimize`
    first. Each process needs its own callback for the trials that it runs; threads (`n_jobs`) share one.
    """

    def __init__(
        self,
        store: StoreOrPath,
        *,
        tags: Sequence[str] | None = None,
        labels: Mapping[str, object] | None = None,
    ) -> None:
        # Only its store is used, since threads have several runs open at once.
        self._session = Session(store)
        # Reentrant: a finalizer that runs while the store is opened may log a trial.
        self._opening = RLock()
        self._tags, self._labels = list(tags or ()), labels

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Writes one trial."""
        state = trial.state.name
        given = {**params(trial.params), **params(trial.user_attrs, "user_attrs."), "state": state}
        tags = [*self._tags, "pruned"] if state == "PRUNED" else self._tags
        id = f"{study.study_name}/{trial.number:05}"
        with self._opening:
            store = self._session.store
        started = _utc(trial.datetime_start)
        run = store.run(id, params=given, tags=tags, labels=self._labels, group=study.study_name, started=started)
        try:
            _log(run, study, trial)
        except BaseException as e:
            run.fail(e)
            raise
        if state == "FAIL":
            run.fail(trial.system_attrs.get("fail_reason"))
        else:
            run.finish()


def _log(run: tidalite.Run, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    for step, value in sorted(trial.intermediate_values.items()):
        run.log({"intermediate": value}, step=step)
    row: dict[str, float | int] = {}
    values = trial.values or []
    names = study.metric_names or (["value"] if len(values) < 2 else [f"value/{i}" for i in range(len(values))])
    row.update(numbers(dict(zip(names, values, strict=False))))
    if trial.duration is not None:
        row["duration"] = trial.duration.total_seconds()
    if row:
        run.log(row, step=0, time=_utc(trial.datetime_complete))


def _utc(time: datetime | None) -> datetime | None:
    # Optuna's times are local times without a zone.
    return None if time is None else time.astimezone(timezone.utc)
