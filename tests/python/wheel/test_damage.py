"""Damage is an error that names the place, or is said with the answer."""
import os
import subprocess

import pytest

import tidalite

ROWS = 1000


@pytest.fixture
def damaged(path):
    """A store of run `a`, whose log has one flipped bit below its sync mark, and of run `b`; and the damaged segment."""
    for name in ("a", "b"):
        with tidalite.open(path, background=False) as store:
            run = store.run(name)
            for step in range(ROWS):
                run.log({"x": 1.0}, step=step)
            store.sync()
            run.log({"x": 1.0}, step=ROWS)
            run.finish()
    segment = sorted(path.glob("log/*/*.seg"))[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    return path, str(segment)


def answers(select):
    return {
        "points": select.points(),
        "aggregate": select.aggregate("sum"),
        "top": select.top(1, "max"),
        "chart": select.chart(10),
        "band": select.band(10),
        "align": select.align(),
        "latest": select.latest(),
        "lttb": select.lttb(10),
        "m4": select.m4(10),
        "elapsed": select.chart(10, x="elapsed"),
        "head": select.points().head(3),
    }


def test_an_answer_that_could_have_held_a_damaged_row_raises_or_has_the_loss(damaged):
    path, segment = damaged
    store = tidalite.open(path, "r")
    for name, table in answers(store.select("x")).items():
        with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
            table.to_numpy()
            pytest.fail(name)
        with pytest.raises(tidalite.Corrupt, match="on_damage"):
            len(table.head(1))
        assert table.damage == ()
    for name, table in answers(store.select("x", on_damage="report")).items():
        table.to_numpy()
        assert [(f.path, f.run) for f in table.damage] == [(segment, "a")], name
    for name, table in answers(store.select("x", runs="b")).items():
        table.to_numpy()
    assert store.select("x", on_damage="report").aggregate("sum").to_numpy()["sum"][0] == 2 * ROWS + 1
    with pytest.raises(tidalite.Invalid, match="error"):
        store.select("x", on_damage="ignore")


def test_lists_raise_unless_a_snapshot_reports(damaged):
    path, segment = damaged
    store = tidalite.open(path, "r")
    for ask in (store.runs, store.metrics, store.stats, store.bytes_by_run, store.bytes_by_metric):
        with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
            ask()
    rest = store.snapshot(on_damage="report")
    assert (rest.runs().ids, rest.metrics()) == (["a", "b"], ["x"])
    assert rest.stats().damage == rest.damage and rest.damage[0].path == segment
    assert rest.select("x").latest().damage == rest.damage
    with pytest.raises(tidalite.Corrupt):
        rest.select("x", on_damage="error").latest().to_numpy()


def test_a_follower_raises_or_its_table_has_the_loss_once(damaged):
    path, segment = damaged
    store = tidalite.open(path, "r")
    with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
        store.select("x").follow().poll()
    follow = store.select("x", on_damage="report").follow()
    first = follow.poll()
    assert (len(first), [f.path for f in first.damage]) == (2 * ROWS + 1, [segment])
    assert follow.poll().damage == () and follow.damage == first.damage


def test_a_backup_is_refused_or_says_what_it_lacks(damaged, tmp_path):
    path, segment = damaged
    store = tidalite.open(path, "r")
    with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
        store.backup(tmp_path / "copy")
    [left_out] = store.backup(tmp_path / "copy", on_damage="report")
    assert left_out.path == segment
    copy = tidalite.open(tmp_path / "copy", "r")
    assert not copy.verify().sound
    with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
        copy.select("x").latest().to_numpy()
    assert copy.select("x", on_damage="report").latest().damage == (left_out,)
    with tidalite.open(tmp_path / "into") as into:
        with pytest.raises(tidalite.Corrupt, match="00000001.seg"):
            into.merge(path)
        assert into.merge(path, on_damage="report").damage == (left_out,)


def test_the_command_fails_or_answers_and_says_so(damaged, tmp_path):
    path, segment = damaged

    def run(*args):
        done = subprocess.run([os.environ.get("TIDALITE_BIN", "tidalite"), *map(str, args)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    for args in (["query", path], ["chart", path], ["export", path, "-o", tmp_path / "x.csv"], ["backup", path, tmp_path / "copy"]):
        code, _, err = run(*args)
        assert code == 1 and segment in err, args
        code, out, err = run(*args, "--on-damage", "report")
        assert code == 4 and out and segment in err, (args, out, err)
    assert run("query", path, "-r", "b")[0] == 0
    for args in (["info", path], ["runs", path], ["metrics", path], ["verify", path]):
        code, out, err = run(*args)
        assert code == 4 and segment in out + err, (args, out, err)
    code, out, err = run("query", tmp_path / "copy", "-m", "none")
    assert code == 1 and segment in err
    code, out, err = run("follow", path, "--from-start", "--idle-exit", "0s", "--on-damage", "report")
    assert code == 4 and segment in err


def test_salvage_copies_what_is_sound_and_lists_the_rest(damaged, tmp_path):
    path, segment = damaged
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    seen = []
    salvaged = tidalite.salvage(path, tmp_path / "new", progress=lambda *counts: seen.append(counts))
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    assert (salvaged.runs, salvaged.points, [f.path for f in salvaged.missing]) == (2, 2 * ROWS + 1, [segment])
    with tidalite.open(tmp_path / "new", "r") as new:
        assert new.verify().sound and new.snapshot().damage == ()
        assert len(new.select("x").points()) == 2 * ROWS + 1
    with pytest.raises(tidalite.Invalid):
        tidalite.salvage(path, tmp_path / "new")
    command = os.environ.get("TIDALITE_BIN", "tidalite")
    done = subprocess.run([command, "salvage", path, tmp_path / "other"], capture_output=True, text=True)
    assert done.returncode == 4 and segment in done.stdout and "2001 points" in done.stdout
    done = subprocess.run([command, "salvage", tmp_path / "new", tmp_path / "third", "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0 and '"missing"' in done.stdout


def test_a_quick_verification_reads_no_pages_and_both_say_what_they_did_not_read(store):
    with store.run("a") as run:
        for step in range(1000):
            run.log({"x": 1.0}, step=step)
    store.flush()
    full, quick = store.verify(), store.verify(quick=True)
    assert full.sound and quick.sound and quick.bytes < full.bytes
    assert all(file.why for file in full.unread)
