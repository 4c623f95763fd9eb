"""Params from the objects in which programs keep their configuration."""
import attrs
import msgspec
import omegaconf
import pydantic
import pytest

import tidalite


@attrs.define
class Attrs:
    lr: float = 0.1
    net: dict = attrs.Factory(lambda: {"depth": 3})


class Model(pydantic.BaseModel):
    lr: float = 0.1
    net: dict = {"depth": 3}


class Open(pydantic.BaseModel, extra="allow"):
    lr: float = 0.1


class Struct(msgspec.Struct):
    lr: float = 0.1
    net: dict = msgspec.field(default_factory=lambda: {"depth": 3})


@pytest.mark.parametrize(
    "config",
    [
        Attrs(),
        Model(),
        Open(net={"depth": 3}),
        Struct(),
        omegaconf.OmegaConf.create({"lr": 0.1, "net": {"depth": 3}}),
        omegaconf.OmegaConf.create({"lr": 0.1, "net": {"depth": "${d}"}, "d": 3}),
    ],
    ids=["attrs", "pydantic", "pydantic with extras", "msgspec", "omegaconf", "omegaconf with a reference"],
)
def test_a_configuration_is_kept_nested_and_found_by_path(store, config):
    run = store.run("a", params=config)
    assert {"lr": 0.1, "net": {"depth": 3}}.items() <= run.params.items()
    assert [run.id for run in store.runs("params.net.depth = 3")] == ["a"]
    # Also as a value of a param.
    run.set_params({"config": config})
    assert run.params["config"]["net"] == {"depth": 3}


def test_a_missing_value_is_an_error_and_starts_no_run(store):
    with pytest.raises(omegaconf.errors.MissingMandatoryValue, match="lr"):
        store.run("a", params=omegaconf.OmegaConf.create({"lr": "???"}))
    assert len(store.runs()) == 0


def test_keywords_set_params_and_count_more_than_the_dict(store):
    run = store.run("a", params={"lr": 0.1, "old": 1})
    run.set_params({"lr": 0.2, "seed": 1}, lr=0.3, net={"depth": 3}, old=tidalite.REMOVE)
    assert run.params == {"lr": 0.3, "seed": 1, "net": {"depth": 3}}
    run.set_params(params={"lr": 0.4})
    run.set_params(seed=2)
    run.set_params()
    assert run.params == {"lr": 0.4, "seed": 2, "net": {"depth": 3}}
