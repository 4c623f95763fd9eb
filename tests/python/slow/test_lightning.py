"""What a Lightning module logs arrives as a run, under `lightning.pytorch` and `pytorch_lightning` alike.

Method: a tiny module is trained on the processor; each package in a process of its own, since a process can hold only one.
"""
import json
import math
import os
import struct
import subprocess
import sys
import textwrap

import pytest
import tidalite

MODULE = """
import json, math, os, sys, warnings
warnings.simplefilter("ignore")
import logging
import torch
{package}
from tidalite.loggers.lightning import TidaliteLogger
for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)

class Module(pl.LightningModule):
    def __init__(self, lr=0.1, size=1, fail_at=None):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(2, size)
        self.seen = []

    def training_step(self, batch, index):
        if self.global_step == self.hparams.fail_at:
            raise RuntimeError("broken off")
        loss = self.layer(batch[0]).pow(2).mean()
        self.log("train/loss", loss)
        self.log("train/nan", torch.tensor(math.nan))
        self.seen.append(float(loss))
        return loss

    def test_step(self, batch, index):
        self.log("test/loss", self.layer(batch[0]).mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)

torch.manual_seed(0)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(32, 2)), batch_size=4)
def trainer(logger, **options):
    given = dict(max_epochs=2, accelerator="cpu", log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False)
    return pl.Trainer(logger=logger, default_root_dir=sys.argv[2], **{**given, "enable_checkpointing": False, **options})
"""
PACKAGES = {"lightning": "import lightning.pytorch as pl", "pytorch_lightning": "import pytorch_lightning as pl"}


@pytest.fixture(params=PACKAGES)
def train(request, tmp_path):
    """Runs text after the module's; gives the finished process. The store is at `path`."""

    def run(text, check=True):
        file = tmp_path / "train.py"
        file.write_text(MODULE.replace("{package}", PACKAGES[request.param]) + textwrap.dedent(text))
        arguments = [sys.executable, file, tmp_path / "metrics", tmp_path / "root"]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done

    run.path = tmp_path / "metrics"
    run.root = tmp_path / "root"
    return run


def read(path):
    with tidalite.open(path, "r") as store:
        return store.runs(), store.select().to_numpy()


def test_losses_arrive_bit_for_bit_with_params_and_nan(train):
    done = train(
        """
        logger = TidaliteLogger(sys.argv[1], name="exp", version=3, tags=["t"], labels={"rank": 0})
        model = Module(lr=0.25)
        trainer(logger).fit(model, data)
        print(json.dumps(model.seen))
        """
    )
    runs, found = read(train.path)
    (run,) = runs
    assert (run.id, run.status, run.tags, run.labels) == ("exp/3", "finished", ("t",), {"rank": "0"})
    assert run.params == {"lr": 0.25, "size": 1, "fail_at": None}
    loss = found["metric"] == "train/loss"
    expected = json.loads(done.stdout.splitlines()[-1])
    assert [struct.pack("<d", v) for v in found["value"][loss]] == [struct.pack("<d", v) for v in expected]
    assert found["step"][loss].tolist() == list(range(16))
    nan = found["value"][found["metric"] == "train/nan"]
    assert len(nan) == 16 and all(map(math.isnan, nan))


def test_a_training_that_fails_is_a_failed_run(train):
    done = train("trainer(TidaliteLogger(sys.argv[1])).fit(Module(fail_at=5), data)", check=False)
    assert "broken off" in done.stderr
    runs, found = read(train.path)
    assert [run.status for run in runs] == ["failed"] and runs[0].id.startswith("lightning/")
    assert (found["metric"] == "train/loss").sum() == 5


def test_a_test_after_the_fit_goes_to_the_same_run(train):
    train(
        """
        logger = TidaliteLogger(sys.argv[1], version="v")
        model, one = Module(), trainer(logger)
        one.fit(model, data)
        one.test(model, data, verbose=False)
        """
    )
    runs, found = read(train.path)
    assert runs.ids == ["lightning/v"] and runs[0].status == "finished"
    assert {"train/loss", "test/loss"} <= set(found["metric"])


def test_two_trainings_are_two_runs(train):
    train("for _ in range(2): trainer(TidaliteLogger(sys.argv[1])).fit(Module(), data)")
    assert [run.status for run in read(train.path)[0]] == ["finished"] * 2


def test_the_experiment_is_the_run_itself(train):
    train(
        """
        logger = TidaliteLogger(sys.argv[1], version="v", prefix="p")
        logger.experiment.log({"own": 0.5}, step=7)
        logger.log_metrics({"x": torch.tensor(2.0), "many": torch.ones(3), "word": "no", "half": torch.tensor(0.1, dtype=torch.float16)}, step=8)
        logger.log_hyperparams({"deep": {"shape": (1, 2)}, "path": __import__("pathlib").Path("a/b"), "f": print})
        logger.save()
        logger.finalize("success")
        """
    )
    runs, found = read(train.path)
    assert dict(zip(found["metric"], found["value"])) == {"own": 0.5, "p/x": 2.0, "p/half": 0.0999755859375}
    assert runs[0].params["deep"] == {"shape": [1, 2]} and runs[0].params["path"] == "a/b" and "print" in runs[0].params["f"]


def test_checkpoints_go_to_the_save_dir_or_the_trainers_root_and_never_to_the_store(train):
    train(
        """
        trainer(TidaliteLogger(sys.argv[1], "n", "v"), enable_checkpointing=True).fit(Module(), data)
        trainer(TidaliteLogger(sys.argv[1], "n", "w", save_dir=sys.argv[2] + "/saved"), enable_checkpointing=True).fit(Module(), data)
        """
    )
    assert os.listdir(train.root / "n" / "v" / "checkpoints") and os.listdir(train.root / "saved" / "n" / "w" / "checkpoints")
    with tidalite.open(train.path, "r") as store:
        assert store.verify().sound
    assert not [name for _, folders, files in os.walk(train.path) for name in folders + files if "ckpt" in name or name == "checkpoints"]


def test_only_rank_zero_logs_and_each_process_names_the_same_run(train):
    train(
        """
        model, logger = Module(), TidaliteLogger(sys.argv[1])
        one = trainer(logger, accelerator="cpu", devices=2, strategy="ddp_spawn")
        if __name__ == "__main__":
            # Its run is open when the trainer hands it to the other processes.
            logger.log_metrics({"before": 1.0}, 0)
            one.fit(model, data)
        """
    )
    runs, found = read(train.path)
    assert len(runs) == 1 and runs[0].status == "finished" and len(runs[0].participants) == 2
    assert found["value"][found["metric"] == "before"].tolist() == [1.0]
    steps = found["step"][found["metric"] == "train/loss"].tolist()
    assert steps == list(range(len(steps))) and len(steps) == 8, "each step once"


def test_other_ranks_have_an_experiment_that_does_nothing(train):
    train(
        """
        from tidalite.loggers import lightning as ours
        ours._rank_zero.rank_zero_only.rank = 1
        logger = TidaliteLogger(sys.argv[1])
        logger.experiment.log({"x": 1.0}, step=0)
        logger.log_metrics({"x": 1.0}, 0)
        logger.log_hyperparams({"a": 1})
        logger.finalize("success")
        """
    )
    assert not train.path.exists()
