"""Code written for TensorBoard's SummaryWriter runs on, and its scalars arrive bit for bit.

Method: the calls of a training loop as that class documents them, read back from the store; runs are broken off in processes of
their own.
"""
import inspect
import math
import os
import struct
import warnings

import numpy as np
import pytest
import tidalite
from tidalite.loggers.tensorboard import SummaryWriter


def bits(values):
    return [struct.pack("<d", v) for v in values]


def read(path, metric=None, run=None):
    with tidalite.open(path, "r") as store:
        return store.select(metric, runs=run).to_numpy()


def test_scalars_arrive_bit_for_bit_at_their_steps(tmp_path):
    values = [1 / 3, math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
    with SummaryWriter(tmp_path / "runs" / "exp-1") as writer:
        for step, value in enumerate(values):
            writer.add_scalar("train/loss", value, step * 10)
    found = read(tmp_path / "runs" / "tidalite", "train/loss", "exp-1")
    assert bits(found["value"]) == bits(values)
    assert found["step"].tolist() == [step * 10 for step in range(len(values))]


def test_the_store_is_beside_the_log_dir_or_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SummaryWriter("runs/a").close()
    SummaryWriter(comment="_lr3").close()
    with tidalite.open("runs/tidalite", "r") as store:
        ids = store.runs().ids
    assert len(ids) == 2 and "a" in ids and any(id.endswith("_lr3") for id in ids)
    SummaryWriter("group/b/", store="metrics").close()
    with tidalite.open("metrics") as store:
        with SummaryWriter("c", store=store) as writer:
            writer.add_scalar("x", 1.0, 0)
        assert store.runs().ids == ["c", "group/b"], "and a store that was given stays open"


def test_a_folder_of_event_files_is_accepted(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "events.out.tfevents.1").write_bytes(b"x")
    with SummaryWriter(tmp_path / "runs" / "a") as writer:
        writer.add_scalar("x", 1.0, 0)
    assert read(tmp_path / "runs" / "tidalite", "x")["value"].tolist() == [1.0]


def test_a_scalar_without_a_step_gets_the_next_of_its_tag(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        for i in range(3):
            writer.add_scalar("x", i)
            writer.add_scalar("y", i)
        writer.add_scalar("x", 9.0, 100)
    assert read(tmp_path / "s", "x")["step"].tolist() == [0, 1, 2, 100]
    assert read(tmp_path / "s", "y")["step"].tolist() == [0, 1, 2]


def test_walltime_is_kept_to_the_microsecond(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        writer.add_scalar("x", 1.0, 0, walltime=1_780_000_000.123456)
        writer.add_scalar("x", 1.0, 1, walltime=-1.5)
    assert read(tmp_path / "s")["time"].astype("int64").tolist() == [1_780_000_000_123_456, -1_500_000]


def test_add_scalars_is_one_row_of_this_run(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        writer.add_scalars("loss", {"train": 1.0, "val": 2.0}, 7)
    found = read(tmp_path / "s")
    assert found["metric"].tolist() == ["loss/train", "loss/val"] and found["step"].tolist() == [7, 7]
    assert set(found["run"]) == {"a"} and len(set(found["time"])) == 1


def test_hparams_are_params_and_a_run_name_makes_a_run(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        writer.add_hparams({"lr": 0.1, "bn": True, "opt": "sgd", "odd": object}, {"best/acc": 0.9})
        writer.add_hparams({"lr": 0.2}, {"best/acc": 0.8}, run_name="second", global_step=5)
    with tidalite.open(tmp_path / "s", "r") as store:
        runs = store.runs()
        assert runs.ids == ["a", "a/second"]
        assert runs["a"].params["lr"] == 0.1 and runs["a"].params["bn"] is True and runs["a"].params["odd"] == "<class 'object'>"
        assert runs["a/second"].params == {"lr": 0.2} and runs["a/second"].parent == "a"
        assert store.select("best/acc", runs="a/second").to_numpy()["step"].tolist() == [5]


def test_arrays_of_one_element_are_scalars_and_others_are_refused_by_name(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        writer.add_scalar("x", np.float32(0.1), np.int64(3))
        with pytest.raises(TypeError, match="words"):
            writer.add_scalar("words", "not a number", 0)
    assert read(tmp_path / "s", "x")["value"].tolist() == [float(np.float32(0.1))]


def test_what_is_not_a_number_is_left_out_with_one_warning_per_kind(tmp_path):
    with SummaryWriter(tmp_path / "a", store=tmp_path / "s") as writer:
        with pytest.warns(UserWarning, match="add_image: a tidalite store holds numbers only") as seen:
            writer.add_image("i", np.zeros((3, 2, 2)), 0)
            writer.add_image("i", np.zeros((3, 2, 2)), 1)
            writer.add_text("t", "words")
        assert [str(w.message).split(":")[0] for w in seen] == ["add_image", "add_text"]
        assert seen[0].filename == __file__, "the warning points at the caller"
        writer.add_scalar("x", 1.0, 0)
        assert not hasattr(writer, "add_nonsense")
    assert read(tmp_path / "s")["metric"].tolist() == ["x"]


def test_flush_and_close_are_there_and_a_closed_writer_opens_again(tmp_path):
    writer = SummaryWriter(tmp_path / "a", max_queue=5, flush_secs=1, filename_suffix="x", purge_step=3, store=tmp_path / "s")
    assert writer.get_logdir() == writer.log_dir == str(tmp_path / "a")
    writer.add_scalar("x", 1.0, 0)
    writer.flush()
    assert read(tmp_path / "s", "x")["value"].tolist() == [1.0]
    writer.close()
    writer.close()
    with tidalite.open(tmp_path / "s", "r") as store:
        assert [run.status for run in store.runs()] == ["finished"]
    writer.add_scalar("x", 2.0, 1)
    writer.close()
    assert read(tmp_path / "s", "x")["value"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("ending", "status"), [("", "finished"), ("1 / 0", "failed"), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "lost")])
def test_an_unclosed_writer_records_how_its_script_ended(tmp_path, script, ending, status):
    text = f"""
        from tidalite.loggers.tensorboard import SummaryWriter
        writer = SummaryWriter("exp", store={str(tmp_path / "s")!r})
        for step in range(10):
            writer.add_scalar("x", step, step)
        {ending}
    """
    script(text, check=False)
    with tidalite.open(tmp_path / "s", "r") as store:
        assert [run.status for run in store.runs()] == [status]
        assert store.select().to_numpy()["value"].tolist() == list(range(10))


def test_an_error_inside_the_with_fails_the_run(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with SummaryWriter(tmp_path / "a", store=tmp_path / "s"):
            1 / 0
    with tidalite.open(tmp_path / "s", "r") as store:
        assert store.runs()["a"].status == "failed"


def test_the_calls_take_what_the_original_takes():
    takes = {
        "__init__": ["log_dir", "comment", "purge_step", "max_queue", "flush_secs", "filename_suffix"],
        "add_scalar": ["tag", "scalar_value", "global_step", "walltime", "new_style", "double_precision"],
        "add_scalars": ["main_tag", "tag_scalar_dict", "global_step", "walltime"],
        "add_hparams": ["hparam_dict", "metric_dict", "hparam_domain_discrete", "run_name", "global_step"],
    }
    for name, names in takes.items():
        assert list(inspect.signature(getattr(SummaryWriter, name)).parameters)[1 : len(names) + 1] == names


def test_tensorboard_itself_is_not_needed(script):
    script(
        """
        import sys
        for name in ("torch", "tensorboard", "tensorboardX"):
            sys.modules[name] = None
        import tidalite.loggers.tensorboard
        """
    )


def test_two_writers_in_one_process_are_two_runs(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with SummaryWriter(tmp_path / "r" / "a") as a, SummaryWriter(tmp_path / "r" / "b") as b:
            for step in range(3):
                a.add_scalar("x", 1.0, step)
                b.add_scalar("x", 2.0, step)
    found = read(os.path.join(tmp_path, "r", "tidalite"), "x")
    assert found["run"].tolist() == ["a"] * 3 + ["b"] * 3 and found["value"].tolist() == [1.0] * 3 + [2.0] * 3
