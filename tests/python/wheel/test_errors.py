"""Errors: their classes, and what their messages name."""
import os
import stat

import pytest

import tidalite

CLASSES = [tidalite.Busy, tidalite.NotFound, tidalite.Invalid, tidalite.Corrupt, tidalite.Unsupported, tidalite.Full, tidalite.Io, tidalite.Poisoned, tidalite.Cancelled]


def test_each_class_is_a_subclass_of_error():
    for kind in CLASSES:
        assert issubclass(kind, tidalite.Error) and kind.__module__ == "tidalite" and kind.__doc__
    assert issubclass(tidalite.Error, Exception)


def test_opening_an_absent_store_for_reading_raises_not_found(path):
    with pytest.raises(tidalite.NotFound, match=str(path)):
        tidalite.open(path, "r")
    assert not path.exists()


def test_opening_a_file_or_a_folder_with_other_files_is_invalid(tmp_path):
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
def test_invalid_options_are_refused(path, arguments):
    with pytest.raises(tidalite.Invalid):
        tidalite.open(path, **arguments)
    assert not path.exists()


@pytest.mark.parametrize("arguments", [dict(path=3), dict(durability=object()), dict(memory_bytes="x"), dict(nonsense=1)])
def test_arguments_of_a_wrong_type_are_a_type_error(path, arguments):
    with pytest.raises(TypeError):
        tidalite.open(**{"path": path, **arguments})


def test_lists_and_sizes_of_a_store_with_a_damaged_part_name_it_or_leave_it_out_on_request(store):
    with store.run("a") as run:
        run.log({"flushed": 1.0})
        store.flush()
        run.log({"logged": 1.0})
    [part] = map(str, (store.path / "parts").iterdir())
    data = open(part, "rb").read()
    os.chmod(part, stat.S_IRUSR | stat.S_IWUSR)
    open(part, "wb").write(data[:-9])
    reader = tidalite.open(store.path, "r")
    for ask in (reader.metrics, reader.bytes_by_run, reader.bytes_by_metric, reader.stats, reader.encodings):
        with pytest.raises(tidalite.Corrupt, match=os.path.basename(part)):
            ask()
    rest = reader.snapshot(on_damage="report")
    assert rest.metrics() == ["logged"]
    assert rest.bytes_by_run() == {} == rest.bytes_by_metric()
    stats = reader.stats(on_damage="report")
    assert (stats.points, stats.series) == (2, 1) and stats.damage == rest.damage
    [finding] = rest.damage
    assert (finding.path, finding.run, finding.rows) == (part, "a", 1)


def test_reading_a_damaged_part_raises_corrupt_and_names_it(store):
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



def test_an_exception_of_a_progress_function_ends_the_work(store, tmp_path):
    class Enough(Exception):
        pass

    def refuse(*_):
        raise Enough

    def backup(progress):
        store.backup(tmp_path / "copy", progress=progress)

    for part, work in enumerate((store.flush, store.compact, backup)):
        with store.run("r") as run:
            for step in range(100):
                run.log({"a": step}, step=100 * part + step)
        with pytest.raises(Enough):
            work(progress=refuse)
        assert len(store.select("a").to_numpy()["step"]) == 100 * (part + 1)
    assert store.verify().sound


def test_ctrl_c_ends_long_work_within_half_a_second(script, path):
    text = """
        import numpy as np, os, signal, sys, threading, time, tidalite
        store = tidalite.open(sys.argv[1], background=False)
        steps = np.arange(1_000_000)
        for part in range(6):
            store.append({"run": "r", "metric": "a", "step": steps * 6 + part, "time": steps, "value": np.random.default_rng(part).normal(size=len(steps))})
        store.flush()
        def interrupt():
            time.sleep(0.2)
            global sent
            sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            store.compact()
            print("done before it was interrupted")
        except KeyboardInterrupt:
            print("interrupted after", time.monotonic() - sent)
        assert len(os.listdir(store.path / "parts")) in (1, 6), "no part is half merged"
        assert store.stats().points == 6_000_000
    """
    said = script(text, path).stdout
    assert "interrupted after" in said, said
    assert float(said.split()[-1]) < 5, "between two tiles, however busy the machine is"
