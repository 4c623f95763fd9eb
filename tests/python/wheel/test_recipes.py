"""The recipes, and the page of what collides, run from their first block to their last, and print what they show.

Method: `pages.py` runs each page in an empty folder. Figures that a page saves are kept with the test's other files.
"""
import re

import matplotlib
import matplotlib.pyplot as plt
import pytest
from pages import DOCS, blocks, run_page

PAGES = sorted(page for page in (DOCS / "recipes").glob("*.md") if page.name != "README.md") + [DOCS / "collisions.md"]


@pytest.fixture(autouse=True)
def _figures():
    matplotlib.use("agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch):
    folder = tmp_path / page.stem
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert run_page(page, folder) >= 5
    for picture in folder.glob("*.png"):
        assert picture.stat().st_size > 2000, f"{picture.name} is empty"


def test_the_list_of_recipes_names_each_page_once():
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "recipes" / "README.md").read_text())
    assert sorted(listed) == sorted(page.name for page in PAGES[:-1])


def test_our_words_in_the_tables_of_habits_run():
    text = (DOCS / "recipes" / "habits.md").read_text()
    code = "".join(code for _, language, code in blocks(text) if language == "python")
    rows = [row.split("|")[3] for row in text.splitlines() if row.startswith("| ") and not row.startswith("| |")]
    ours = [word for row in rows for word in re.findall(r"(?<!\[)`([^`]+)`", row) if "(" in word or " " in word]
    assert len(ours) >= 35
    assert [word for word in ours if word not in code] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:\n    3"),
        ("```console\n$ echo a\nb\n```\n", "printed:\na"),
        ("```console\n$ exit 3\n```\n", "exit 3"),
        ("```python\nraise KeyError('x')\n```\n", "x"),
        ("```sql\nselect 1\n```\n", "a block of sql is not run"),
    ],
)
def test_a_page_that_shows_something_wrong_fails(wrong, said, tmp_path, monkeypatch):
    page, folder = tmp_path / "page.md", tmp_path / "page"
    page.write_text(wrong)
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises((AssertionError, KeyError), match=re.escape(said)):
        run_page(page, folder)


def test_blocks_have_their_line_and_language():
    assert blocks("a\n\n```python\nb\n```\n```text\n```\n") == [(4, "python", "b\n"), (7, "text", "")]
