"""What the documents name is there: files, tests and commands."""

import ast
import re
import shlex

import pytest
import typer
from paths import ROOT

from studio.cli import app

DOCUMENTS = [
    path
    for place in ("*.md", "docs/*.md", "benchmarks/*.md", "weights/*/README.md")
    for path in sorted(ROOT.glob(place))
]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
NAMED = [
    (name, path)
    for name, text in TEXTS.items()
    for path in re.findall(r"`((?:gan_core|studio|pages|benchmarks|tests|docs|examples|weights)/[\w./-]+\w)`", text)
]
PROMISES = re.findall(r"`(test_\w+\.py)`((?:[:,] \*[^*]+\*)*)", TEXTS["docs/reliability.md"])
COMMANDS = [
    line.partition("#")[0].partition("-m gan_core ")[2]
    for text in TEXTS.values()
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    for line in block.replace("\\\n", "").splitlines()
    if "-m gan_core " in line
]


@pytest.mark.parametrize(("document", "path"), NAMED)
def test_a_file_that_is_named_is_there(document, path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "words"), PROMISES)
def test_a_test_that_stands_for_a_promise_is_there(name, words):
    found = list(ROOT.glob(f"tests/**/{name}"))
    assert found
    tests = [test for path in found for test in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)]
    for said in re.findall(r"\*([^*]+)\*", words):
        assert any(said.replace(" ", "_") in test for test in tests), said


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_that_is_shown_is_understood(words):
    command, rest = typer.main.get_command(app), shlex.split(words)
    while rest and hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context("gan_core", rest)


PROGRAMS = [p for p in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_benchmark_finds_the_project_from_any_folder(program):
    lines = [ast.unparse(node) for node in ast.parse(program.read_text(encoding="utf-8")).body]
    first = next((i for i, line in enumerate(lines) if re.match(r"(from|import) (gan_core|studio)\b", line)), 0)
    assert not first or any(line.startswith("sys.path") for line in lines[:first])
