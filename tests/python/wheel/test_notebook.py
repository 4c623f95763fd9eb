"""The quickstart runs unchanged, from its first cell to its last, and shows what its text says.

Method: a kernel of this environment executes it in an empty folder; the executed copy and its pictures are kept with the test's
other files.
"""
import base64
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SOURCE = Path(__file__).parents[3] / "docs" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(SOURCE, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(notebook, folder / "quickstart.ipynb")
    for number, data in enumerate(outputs(notebook, "image/png")):
        (folder / f"{number}.png").write_bytes(base64.b64decode(data))
    return notebook


def outputs(notebook, kind):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [out.data[kind] for cell in cells for out in cell.outputs if kind in out.get("data", {})]


def printed(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(out.text for cell in cells for out in cell.outputs if out.output_type == "stream" and out.name == "stdout")


def test_the_source_holds_no_outputs():
    notebook = nbformat.read(SOURCE, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert SOURCE.stat().st_size < 20_000


def test_points_are_read_while_they_are_written(executed):
    steps = [int(step) for step in re.findall(r"lr0\.3-seed1 +(\d+)", printed(executed))]
    assert len(steps) == 3 and 0 <= steps[0] < steps[1] < steps[2]
    assert int(re.search(r"(\d+) new points", printed(executed))[1]) > 0


def test_there_are_two_pictures_and_no_errors(executed):
    assert len(outputs(executed, "image/png")) == 2
    errors = [out for cell in executed.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"]
    assert errors == []


def test_the_killed_run_is_lost_and_the_others_finished(executed):
    runs, series = outputs(executed, "text/html")[:2]
    assert runs.count("<td>finished</td>") == 3 and runs.count(">lost<") == 1
    assert series.count("<svg") == 8


def test_duckdb_answers_over_the_selection_and_over_the_files(executed):
    over_points, over_files = outputs(executed, "text/plain")[-2:]
    assert over_points.count("seed") == 4 and "1500" in over_points
    points = [int(n) for n in re.findall(r"│ +(\d+) │", over_files)]
    assert "loss" in over_files and "norm" in over_files and points[0] == points[1] > 4500
