"""Runs the code of a page of documentation, block by block, and compares what it prints with what the page shows.

- `python` with `>>>`: each example has to print what follows it. All examples of a page share their variables.
- `python` whose first line is `# name.py`: a script, which is written to that file.
- other `python`: runs with the variables of the examples.
- `console`: each line after `$ ` is a command, and the other lines are its output, standard error included.
- `text`: is not run.

`...` stands for any text, and white space counts as one blank. A block of another language fails, so that nothing goes untested.
"""
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text):
    """(line, language, code) of each block."""
    return [(text.count("\n", 0, found.start()) + 2, found[1], found[2]) for found in _BLOCK.finditer(text)]


def run_page(page, folder):
    """Runs a page in a folder, which is the current one. Gives how many examples and commands ran."""
    text, variables, ran = page.read_text(), {"__name__": "page"}, 0
    programs = _programs(folder.parent / f"{folder.name}-bin")
    for line, language, code in blocks(text):
        place = f"{page.name}:{line}"
        if language == "python" and ">>> " in code:
            ran += _examples(code, variables, place, line)
        elif language == "python":
            script = re.match(r"# (\w+\.py)\n", code)
            if script:
                Path(script[1]).write_text(code)
            else:
                exec(compile(code, place, "exec"), variables)
        elif language == "console":
            ran += _commands(code, programs, place)
        elif language != "text":
            raise AssertionError(f"{place}: a block of {language or 'no language'} is not run; make it python, console or text")
    return ran


def _examples(code, variables, place, line):
    examples = doctest.DocTestParser().get_doctest(code, variables, place, place, line - 1)
    examples.globs = variables
    runner, said = doctest.DocTestRunner(optionflags=FLAGS), []
    runner.run(examples, out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)
    return runner.tries


def _programs(folder):
    """A folder with `tidalite` and `python`, which are this interpreter's."""
    folder.mkdir()
    for name, arguments in (("tidalite", " -m tidalite"), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def _commands(code, programs, place):
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    commands = re.split(r"^\$ ", code, flags=re.MULTILINE)
    assert commands[0] == "", f"{place}: begin with `$ ` and a command"
    for command in commands[1:]:
        line, _, expected = command.partition("\n")
        while line.endswith("\\"):
            more, _, expected = expected.partition("\n")
            line = f"{line}\n{more}"
        done = subprocess.run(["sh", "-c", line], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode == 0, f"{place}: {line}: exit {done.returncode}: {done.stdout}"
        same = doctest.OutputChecker().check_output(expected, done.stdout, FLAGS)
        assert same, f"{place}: {line}\nshown:\n{expected}\nprinted:\n{done.stdout}"
    return len(commands) - 1
