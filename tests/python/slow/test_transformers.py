"""What the `Trainer` of transformers logs arrives as a run, with its arguments, its model's configuration, and how it ended.

Method: a model of a few numbers is made here, and trained on the processor for moments; nothing is downloaded.
"""
import gc
import math
import struct
import sys

import pytest
import tidalite
import torch
from tidalite.loggers.transformers import TidaliteCallback
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainerCallback, TrainingArguments


class Config(PretrainedConfig):
    model_type = "tiny"

    def __init__(self, width=2, **others):
        self.width = width
        super().__init__(**others)


class Model(PreTrainedModel):
    config_class = Config

    def __init__(self, config):
        super().__init__(config)
        self.layer = torch.nn.Linear(config.width, 1)
        self.post_init()

    def forward(self, x=None, labels=None):
        out = self.layer(x)
        return {"loss": (out - labels).pow(2).mean(), "logits": out}


DATA = [{"x": torch.tensor([i / 16, 1.0]), "labels": torch.tensor([i / 8])} for i in range(16)]


class Seen(TrainerCallback):
    """Keeps what other callbacks are told, as it is told."""

    def __init__(self, fail_at=None):
        self.rows, self.fail_at = [], fail_at

    def on_log(self, args, state, control, logs=None, **others):
        self.rows.append((state.global_step, dict(logs)))

    def on_step_end(self, args, state, control, **others):
        if state.global_step == self.fail_at:
            raise RuntimeError("broken off")


@pytest.fixture
def store(tmp_path):
    with tidalite.open(tmp_path / "metrics") as store:
        yield store


@pytest.fixture
def trainer(tmp_path):
    def make(*callbacks, **options):
        given = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "logging_steps": 1, "save_strategy": "no"}
        fixed = {"report_to": "none", "disable_tqdm": True, "use_cpu": True}
        arguments = TrainingArguments(str(tmp_path / "out"), **{**given, **fixed, **options})
        return Trainer(Model(Config()), arguments, train_dataset=DATA, eval_dataset=DATA[:4], callbacks=list(callbacks))

    return make


def values(store, metric, run=None):
    found = store.select(metric, runs=run).to_numpy()
    return dict(zip(found["step"].tolist(), found["value"].tolist()))


def test_what_the_trainer_logs_arrives_bit_for_bit(store, trainer):
    seen = Seen()
    trainer(TidaliteCallback(store, "a"), seen, eval_strategy="epoch").train()
    assert store.runs()["a"].status == "finished"
    logged = [row for step, row in seen.rows if "loss" in row]
    assert len(logged) == 8
    found = values(store, "train/loss")
    assert list(found) == list(range(1, 9))
    assert [struct.pack("<d", v) for v in found.values()] == [struct.pack("<d", row["loss"]) for row in logged]
    assert list(values(store, "train/learning_rate")) == list(range(1, 9))
    assert list(values(store, "eval/loss")) == [4, 8]
    assert "train/train_runtime" in store.metrics()


def test_params_are_the_arguments_and_the_models_configuration(store, trainer):
    trainer(TidaliteCallback(store, "a", tags=["t"]), learning_rate=0.125).train()
    run = store.runs()["a"]
    assert run.params["learning_rate"] == 0.125 and run.params["num_train_epochs"] == 2
    assert run.params["model.width"] == 2 and run.params["model.model_type"] == "tiny"
    assert run.tags == ("t",)
    frame = store.runs().to_arrow()
    assert frame["params.model.width"].to_pylist() == [2]


def test_the_run_is_named_by_argument_then_by_run_name_then_by_the_store(store, trainer):
    trainer(TidaliteCallback(store, "mine"), run_name="theirs").train()
    trainer(TidaliteCallback(store), run_name="theirs").train()
    trainer(TidaliteCallback(store)).train()
    ids = store.runs().ids
    assert len(ids) == 3 and {"mine", "theirs"} < set(ids)
    assert not any("out" in id for id in ids)


def test_nan_is_kept_and_what_is_no_number_left_out(store, trainer):
    callback = TidaliteCallback(store, "a")
    one = trainer(callback)
    one.train()
    one.log({"odd": "text", "nan": math.nan, "eval_x": 1, "test_y": True, "many": [1, 2]})
    assert math.isnan(values(store, "train/nan")[8])
    assert values(store, "eval/x") == {8: 1.0} and values(store, "test/y") == {8: 1.0}
    assert not {"train/odd", "train/many"} & set(store.metrics())


def test_an_evaluation_after_training_goes_to_the_same_run_and_ends_it(store, trainer):
    one = trainer(TidaliteCallback(store))
    one.train()
    one.evaluate()
    (run,) = store.runs()
    assert run.status == "finished" and list(values(store, "eval/loss")) == [8]


def test_an_evaluation_alone_is_a_run_that_ends(store, trainer):
    trainer(TidaliteCallback(store, "only")).evaluate()
    assert store.runs()["only"].status == "finished" and list(values(store, "eval/loss")) == [0]


def test_a_training_that_fails_is_failed_at_once_inside_a_with(store, trainer):
    with pytest.raises(RuntimeError, match="broken off"):
        with TidaliteCallback(store, "a") as callback:
            trainer(callback, Seen(fail_at=3)).train()
    assert store.runs()["a"].status == "failed"
    assert list(values(store, "train/loss")) in ([1, 2], [1, 2, 3])


def test_a_training_that_fails_is_failed_once_its_callback_is_gone(store, trainer):
    try:
        trainer(TidaliteCallback(store, "a"), Seen(fail_at=3)).train()
    except RuntimeError:
        pass
    sys.last_exc = sys.last_value = sys.last_traceback = None
    gc.collect()
    assert store.runs()["a"].status == "failed"


def test_a_new_training_with_the_same_callback_takes_part_in_the_same_run(store, trainer):
    callback = TidaliteCallback(store)
    with pytest.raises(RuntimeError):
        trainer(callback, Seen(fail_at=3), run_name="first").train()
    assert store.runs()["first"].status == "running"
    trainer(callback).train()
    assert store.runs()["first"].status == "finished" and list(values(store, "train/loss")) == list(range(1, 9))


def test_other_processes_than_the_first_log_nothing(store, trainer, monkeypatch):
    one = trainer(TidaliteCallback(store))
    monkeypatch.setattr(type(one), "is_world_process_zero", lambda self: False)
    one.train()
    assert store.runs() == []
