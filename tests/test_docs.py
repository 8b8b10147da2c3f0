"""The documentation is true: its code runs and prints what is shown, its links and paths exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import click
import pytest

import symdiff
from symdiff.options import Options
from tests.docs_runner import PAGES, ROOT, blocks_of, outputs_of

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_PATH = re.compile(r"`((?:symdiff|tests|samples|benchmarks|docs)/[\w./]*\w)`")


def _names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_blocks_run_and_print_what_is_shown(page: Path):
    wrong = [shown for shown in outputs_of(page) if not shown.agrees]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_links_and_paths_exist(page: Path):
    text = page.read_text()
    for target in _LINK.findall(_CODE.sub("``", text)):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            path = (page.parent / file).resolve() if file else page
            assert path.exists(), target
            assert not anchor or anchor in _anchors(path), target
    for name in _PATH.findall(text):
        assert (ROOT / name).exists(), name


def _anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    text = page.read_text()
    lines = text.splitlines()
    inside = {i for block in blocks_of(text) for i in range(block.start, block.stop)}
    titles = [
        x.lstrip("#").strip() for i, x in enumerate(lines) if x.startswith("#") and i not in inside
    ]
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def test_readme_has_the_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("symdiff diff samples/chain_rule.py:f --at 4.0")
    assert commands[1].endswith("python -m tests")


def test_reference_names_everything_public():
    text = (ROOT / "docs" / "reference.md").read_text()
    for name in symdiff.__all__:
        assert re.search(rf"\b{name}\b", text), name
    for option in Options.__dataclass_fields__:
        assert f"`{option}`" in text, option


def test_reference_names_every_option_of_the_commands():
    from symdiff.commands.main import cli

    text = (ROOT / "docs" / "reference.md").read_text()
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None and f"symdiff {name}" in text, name
        for parameter in command.params:
            for spelling in parameter.opts:
                assert not spelling.startswith("--") or f"`{spelling}" in text, (name, spelling)


def _modules() -> list[str]:
    found = pkgutil.walk_packages(symdiff.__path__, "symdiff.")
    return ["symdiff", *(m.name for m in found if not m.name.endswith("__main__"))]


def test_docstring_examples():
    importlib.import_module("symdiff.pipeline")
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failures: list[str] = []
    for name in _modules():
        module = importlib.import_module(name)
        for test in finder.find(module, name):
            if test.examples:
                runner.run(test, out=failures.append)
    assert runner.tries and not runner.failures, "".join(failures)
