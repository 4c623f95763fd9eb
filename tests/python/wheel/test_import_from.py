"""Files of other programs: what a real TensorBoard writer writes, read while it goes on, and tables."""
import numpy as np
import pytest
import tensorboardX

import tidalite



def test_what_tensorboardx_writes_is_there_while_it_is_written(store, tmp_path):
    rng = np.random.default_rng(7)
    values = rng.normal(size=500).astype(np.float32)
    logs = tmp_path / "logs"
    with tensorboardX.SummaryWriter(str(logs / "a")) as writer:
        for step, value in enumerate(values[:300]):
            writer.add_scalar("train/loss", value, step, walltime=1_780_000_000.5 + step)
        writer.add_image("sample", np.zeros((3, 4, 4), np.uint8), 1)
        writer.add_histogram("weights", values, 1)
        writer.add_text("note", "hello", 1)
        writer.flush()
        first = store.import_from(logs)
        assert (first.files, first.runs, first.points, first.restarts) == (1, 1, 300, 0)
        for step, value in enumerate(values[300:], 300):
            writer.add_scalar("train/loss", value, step, walltime=1_780_000_000.5 + step)
        writer.add_scalars("both", {"x": 1.5, "y": np.nan}, 9)
    calls = []
    second = store.import_from(logs, progress=lambda done, total: calls.append((done, total)))
    assert (second.files, second.points) == (3, 202)
    assert {**first.left_out, **second.left_out} == {"histograms": 1, "images": 1, "text": 1}
    assert calls and calls[-1][0] <= calls[-1][1]
    points = store.select("train/loss", runs="a").to_arrow().to_pydict()
    assert points["step"] == list(range(500)) and points["value"] == [float(v) for v in values]
    assert points["time"][0].timestamp() == 1_780_000_000.5
    assert {run.id for run in store.runs()} == {"a", "a/both/x", "a/both/y"} and store.run_info("a").status == "finished"
    assert store.import_from(logs).points == 0


def test_purge_step_rewinds_the_run(store, tmp_path):
    for number, (purge, steps) in enumerate([(None, range(10)), (4, range(4, 7))]):
        with tensorboardX.SummaryWriter(str(tmp_path / "logs"), purge_step=purge, filename_suffix=f".{number}") as writer:
            for step in steps:
                writer.add_scalar("loss", step + (100 if purge else 0), step)
    imported = store.import_from(tmp_path / "logs", run="exp")
    assert (imported.restarts, imported.runs, imported.points) == (1, 1, 13)
    assert store.select("loss", runs="exp").to_arrow()["value"].to_pylist() == [0, 1, 2, 3, 104, 105, 106]


def test_hyperparameters_are_params(store, tmp_path):
    with tensorboardX.SummaryWriter(str(tmp_path / "logs")) as writer:
        writer.add_hparams({"lr": 0.1, "layers": 3, "opt": "adam", "amp": True}, {"hparam/acc": 0.5}, name="trial")
    store.import_from(tmp_path / "logs")
    [run] = [run for run in store.runs() if run.params]
    assert dict(run.params) == {"lr": 0.1, "layers": 3, "opt": "adam", "amp": True}
    assert store.select("hparam/acc", runs=run.id).to_arrow()["value"].to_pylist() == [0.5]


def test_tables_are_imported_and_what_is_not_a_file_is_refused(store, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n0,0.5\n1,\n2,0.25\n")
    imported = store.import_from(tmp_path / "log.csv", "a")
    assert (imported.points, imported.files, imported.left_out) == (2, 1, {"empty cells": 1})
    assert imported.remarks == ('took column "epoch" as step',)
    with pytest.raises(tidalite.NotFound):
        store.import_from(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(tidalite.Invalid):
        store.import_from(tmp_path / "empty")
