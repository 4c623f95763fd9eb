"""Errors: their classes, and that a message says what, where and what to do."""
import os
import stat

import pytest

import tidalite

CLASSES = [tidalite.Busy, tidalite.NotFound, tidalite.Invalid, tidalite.Corrupt, tidalite.Unsupported, tidalite.Full, tidalite.Io, tidalite.Poisoned]


def test_each_class_is_an_error_of_tidalite():
    for kind in CLASSES:
        assert issubclass(kind, tidalite.Error) and kind.__module__ == "tidalite" and kind.__doc__
    assert issubclass(tidalite.Error, Exception)


def test_a_store_to_read_that_is_not_there_is_not_found(path):
    with pytest.raises(tidalite.NotFound, match=str(path)):
        tidalite.open(path, "r")
    assert not path.exists()


def test_a_file_and_a_folder_of_other_things_are_not_stores(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(tidalite.Invalid, match="file"):
        tidalite.open(file)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing").write_text("x")
    with pytest.raises(tidalite.Invalid, match="other"):
        tidalite.open(tmp_path / "other")
    assert (tmp_path / "other" / "thing").read_text() == "x"


@pytest.mark.parametrize("arguments", [dict(mode="w"), dict(durability="always"), dict(durability=-1.0), dict(durability=float("nan"))])
def test_options_that_make_no_sense_are_refused(path, arguments):
    with pytest.raises(tidalite.Invalid):
        tidalite.open(path, **arguments)
    assert not path.exists()


@pytest.mark.parametrize("arguments", [dict(path=3), dict(durability=object()), dict(memory_bytes="x"), dict(nonsense=1)])
def test_arguments_of_a_wrong_type_are_a_type_error(path, arguments):
    with pytest.raises(TypeError):
        tidalite.open(**{"path": path, **arguments})


def test_a_damaged_part_is_corrupt_and_named(store):
    import numpy as np

    store.append({"run": "a", "metric": "x", "step": np.arange(100_000), "value": np.random.default_rng(1).normal(size=100_000)})
    store.compact()
    [part] = store.parquet_files()
    data = bytearray(open(part, "rb").read())
    data[len(data) // 2] ^= 1
    os.chmod(part, stat.S_IRUSR | stat.S_IWUSR)
    open(part, "wb").write(data)
    with pytest.raises(tidalite.Corrupt, match=os.path.basename(part)):
        store.select("x").to_arrow()
    report = store.verify()
    assert not report.sound and any(os.path.basename(part) in f.path for f in report.findings)
    with pytest.raises(Exception, match=os.path.basename(part)):
        import pyarrow as pa

        pa.table(store.select("x"))

