"""`Store.reopen` after a disk that failed, and logs that are not mapped."""
import pickle
import shutil

import pytest

import tidalite


def test_a_store_is_opened_again_and_its_runs_are_joined_again(store, path):
    run = store.run("a")
    run.log({"loss": 1.0}, step=0)
    reopened = store.reopen()
    assert isinstance(reopened, tidalite.Reopened)
    assert (reopened.is_whole, reopened.writes_lost) == (True, 0)
    for call in (store.runs, lambda: run.log({"loss": 2.0}, step=1)):
        with pytest.raises(tidalite.Error, match="closed"):
            call()
    # The old object's part in the run has no end, and nobody writes for it.
    assert reopened.store.runs()["a"].status == "lost"
    with reopened.store.run("a") as again:
        again.log({"loss": 0.5}, step=1)
    values = reopened.store.select("loss").points()["value"]
    assert list(values) == [1.0, 0.5]
    assert reopened.store.runs()["a"].status == "finished"
    assert reopened.store.path == path and reopened.store.id == store.id
    reopened.store.close()


def test_a_store_whose_folder_is_gone_cannot_be_opened_again(store, path):
    store.run("a").log({"loss": 1.0}, step=0)
    path.rename(path.with_name("elsewhere"))
    path.with_name("elsewhere").rename(path)
    assert store.reopen().is_whole
    shutil.rmtree(path)
    with pytest.raises(tidalite.NotFound):
        store.reopen()


def test_a_log_that_is_not_mapped_fails_with_an_error_and_goes_on_when_opened_again(script, path):
    # In a process of its own, since a limit of the size of files is one of the process.
    done = script(
        """
        import resource, sys, tidalite
        store = tidalite.open(sys.argv[1], durability="row", background=False, mapped_log=False)
        run = store.run("a", capture=False)
        run.log({"loss": 0.0}, step=0)
        accepted = 1
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
        errors = set()
        for step in range(1, 2000):
            try:
                run.log({"loss": float(step)}, step=step)
                accepted = step + 1
            except tidalite.Error as e:
                errors.add(type(e).__name__)
        assert errors and accepted < 2000, (errors, accepted)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        reopened = store.reopen()
        with reopened.store.run("a", capture=False) as again:
            again.log({"loss": -1.0}, step=2000)
        steps = list(reopened.store.select("loss").points()["step"])
        assert steps == [*range(accepted), 2000], (steps, accepted)
        print(reopened.writes_lost)
        """,
        path,
    )
    assert done.stdout == "0\n"


def test_whether_logs_are_mapped_travels_with_a_pickle(path):
    with tidalite.open(path, mapped_log=False) as store:
        function, arguments = store.__reduce__()[:2]
        assert arguments[0][2][-1] is False
        assert pickle.loads(pickle.dumps(store)).id == store.id
        assert callable(function)
