"""Each trial of a study is a run: its params, its values, what it reported on the way, and how it ended.

Method: real studies of a few trials, one of which is pruned and one of which fails.
"""
import math
import struct
import threading
import time
from datetime import datetime, timezone

import optuna
import pytest
import tidalite
from tidalite.loggers.optuna import TidaliteCallback

optuna.logging.set_verbosity(optuna.logging.WARNING)


def points(store, metric, run):
    found = store.select(metric, runs=tidalite.escape(run)).to_numpy()
    return dict(zip(found["step"].tolist(), found["value"].tolist()))


def test_two_trials_are_two_runs_with_their_params_and_values(path):
    def objective(trial):
        x = trial.suggest_float("x", -10, 10)
        n = trial.suggest_int("n", 1, 3)
        trial.suggest_categorical("kind", ["a", None])
        trial.set_user_attr("note", {"deep": [1, "two"]})
        return x * x / 3 + n

    study = optuna.create_study(study_name="s", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=2, callbacks=[TidaliteCallback(path, tags=["search"], labels={"host": "h"})])
    with tidalite.open(path, "r") as store:
        runs = store.runs()
        assert runs.ids == ["s/00000", "s/00001"]
        for trial, run in zip(study.trials, runs):
            assert {k: run.params[k] for k in trial.params} == trial.params
            assert run.params["state"] == "COMPLETE" and run.params["user_attrs.note"] == {"deep": [1, "two"]}
            assert run.status == "finished" and run.tags == ("search",) and run.labels == {"host": "h"}
            (value,) = points(store, "value", run.id).values()
            assert struct.pack("<d", value) == struct.pack("<d", trial.value)
            (duration,) = points(store, "duration", run.id).values()
            assert duration == trial.duration.total_seconds()


def test_a_value_has_the_time_at_which_its_trial_ended(path, monkeypatch):
    # Optuna gives local times: set a time zone that is not UTC.
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        before = datetime.now(timezone.utc)
        study = optuna.create_study(study_name="s")
        study.optimize(lambda trial: 1.0, n_trials=1, callbacks=[TidaliteCallback(path)])
        with tidalite.open(path, "r") as store:
            (ended,) = store.select("value").to_pandas()["time"]
        assert before <= ended <= datetime.now(timezone.utc)
        assert ended == study.trials[0].datetime_complete.astimezone(timezone.utc)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_trial_reported_is_there_and_a_pruned_one_is_tagged(path):
    def objective(trial):
        for step in range(0, 50, 10):
            trial.report(math.nan if step == 20 else step / 3, step)
        if trial.number == 1:
            raise optuna.TrialPruned
        return 1.0

    study = optuna.create_study(study_name="s")
    study.optimize(objective, n_trials=2, callbacks=[TidaliteCallback(path)])
    with tidalite.open(path, "r") as store:
        for number in range(2):
            found = points(store, "intermediate", f"s/{number:05}")
            assert list(found) == [0, 10, 20, 30, 40] and math.isnan(found[20]) and found[40] == 40 / 3
        runs = store.runs()
        assert (runs[0].tags, runs[1].tags) == ((), ("pruned",))
        assert runs[1].params["state"] == "PRUNED" and runs[1].status == "finished"


def test_a_failed_trial_is_a_failed_run(path):
    def objective(trial):
        if trial.number == 0:
            raise ValueError("no")
        return math.nan if trial.number == 1 else 2.0

    study = optuna.create_study(study_name="s")
    study.optimize(objective, n_trials=3, catch=(ValueError,), callbacks=[TidaliteCallback(path)])
    assert [t.state.name for t in study.trials] == ["FAIL", "FAIL", "COMPLETE"]
    with tidalite.open(path, "r") as store:
        assert [run.status for run in store.runs()] == ["failed", "failed", "finished"]
        assert [run.params["state"] for run in store.runs()] == ["FAIL", "FAIL", "COMPLETE"]


def test_several_objectives_have_a_metric_each(path):
    study = optuna.create_study(study_name="s", directions=["minimize", "maximize"])
    study.optimize(lambda trial: (1.5, 2.5), n_trials=1, callbacks=[TidaliteCallback(path)])
    named = optuna.create_study(study_name="t", directions=["minimize", "maximize"])
    named.set_metric_names(["loss", "acc"])
    named.optimize(lambda trial: (1.5, 2.5), n_trials=1, callbacks=[TidaliteCallback(path)])
    with tidalite.open(path, "r") as store:
        assert points(store, "value/0", "s/00000") == {0: 1.5} and points(store, "value/1", "s/00000") == {0: 2.5}
        assert points(store, "loss", "t/00000") == {0: 1.5} and points(store, "acc", "t/00000") == {0: 2.5}


def test_trials_of_several_threads_are_runs_of_one_store(path, monkeypatch):
    opened = []

    def slow_open(*args, real=tidalite.open):
        opened.append(args)
        time.sleep(0.3)
        return real(*args)

    monkeypatch.setattr(tidalite, "open", slow_open)
    callback = TidaliteCallback(path)
    together = threading.Barrier(4, timeout=30)

    def objective(trial):
        if trial.number < 4:
            together.wait()
        return float(trial.number)

    study = optuna.create_study(study_name="s")
    study.optimize(objective, n_trials=12, n_jobs=4, callbacks=[callback])
    assert len(opened) == 1
    with tidalite.open(path, "r") as store:
        runs = store.runs()
        assert len(runs) == 12 and {run.status for run in runs} == {"finished"}
        assert store.select("value").aggregate("sum").to_numpy()["sum"][0] == sum(range(12))


def test_trials_that_are_told_to_the_study_arrive_like_run_ones(path):
    callback = TidaliteCallback(path)
    study = optuna.create_study(study_name="s")
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    callback(study, study.tell(trial, 4.0))
    with tidalite.open(path, "r") as store:
        assert points(store, "value", "s/00000") == {0: 4.0} and store.runs()[0].params["x"] == trial.params["x"]


def test_an_open_store_is_left_open(store):
    study = optuna.create_study(study_name="s")
    study.optimize(lambda trial: 1.0, n_trials=1, callbacks=[TidaliteCallback(store)])
    with store.run("later") as run:
        run.log({"x": 1.0})
    with pytest.raises(tidalite.Error):
        store.run("")
    assert store.runs().ids == ["later", "s/00000"]
