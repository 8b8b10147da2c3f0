"""Runs the code blocks of README.md and docs/, and compares what they print with what is shown.

    python -m tests.docs_runner             compare
    python -m tests.docs_runner --update    write the real output into the pages
    python -m tests.docs_runner docs/gallery.md ...

The first word of a fence says what a block is, the others how to run it:

    python              run; blocks of a page share one namespace, in order
    python file=m.py    the same, and saved as m.py in the page's working directory
    python save=m.py    only saved, for a console block to run; of any other language, too
    python raises       run, but it must raise a SymdiffError, which is shown
    text, python output what the block before it prints
    console             `$ command` lines, each followed by its output
    console fails       the same, where a command exits with another code than 0

Anything else (sh, toml, ...) is only shown. The working directory is temporary and holds a copy of
`samples/`; compiled C is kept there, too. `symdiff` and `python` are this checkout's; what a
command says on stderr is shown only where it fails. `...` in a shown output stands for any text,
and the last digits of floating-point numbers may differ.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import symdiff

ROOT = Path(__file__).resolve().parent.parent
PAGES: tuple[Path, ...] = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`]*)$")
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|\b0\b")
_COMMAND_SECONDS = 120
_SHELL = 'symdiff() { "$PYTHON" -m symdiff "$@"; }\npython() { "$PYTHON" "$@"; }\n'


@dataclass
class Block:
    """A fenced block: the lines between its fences are `lines[start:stop]` of the page."""

    kind: str
    words: tuple[str, ...]
    start: int
    stop: int
    body: str

    @property
    def is_output(self) -> bool:
        return self.kind == "text" or (self.kind == "python" and "output" in self.words)

    @property
    def file(self) -> str | None:
        """The name that `file=` or `save=` gives."""
        return next((w[5:] for w in self.words if w.startswith(("file=", "save="))), None)

    @property
    def is_run(self) -> bool:
        return self.kind == "python" and not any(
            w.startswith(("output", "save=")) for w in self.words
        )


@dataclass
class Shown:
    """An output as the page shows it, and as it is; both end with a newline or are empty."""

    page: Path
    line: int
    start: int
    stop: int
    expected: str
    actual: str

    @property
    def agrees(self) -> bool:
        if self.expected == self.actual:
            return True
        if not self.expected:
            return False
        checker = doctest.OutputChecker()
        return checker.check_output(self.expected, self.actual, doctest.ELLIPSIS) or same_numbers(
            self.expected, self.actual
        )

    def __str__(self) -> str:
        name = self.page.relative_to(ROOT)
        return f"{name}:{self.line}: shown\n{self.expected}--- but it is\n{self.actual}"


def same_numbers(expected: str, actual: str) -> bool:
    """Whether two texts differ only in how libraries round: the last digits, and errors near 0."""
    if [*map(str.split, _NUMBER.split(expected))] != [*map(str.split, _NUMBER.split(actual))]:
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(actual), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9) for a, b in pairs)


class DocumentError(Exception):
    """A block that does not run."""


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    lines = text.splitlines()
    opened: tuple[int, list[str]] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = (number, fence["info"].split())
        elif not fence["info"].strip():
            start, words = opened
            body = "".join(f"{x}\n" for x in lines[start + 1 : number])
            kind = words[0] if words else ""
            found.append(Block(kind, tuple(words[1:]), start + 1, number, body))
            opened = None
    if opened is not None:
        raise DocumentError(f"the block that line {opened[0] + 1} opens is not closed")
    return found


@dataclass
class Session:
    """One page being run: its namespace and its working directory."""

    page: Path
    directory: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    serial: int = 0

    def python(self, block: Block) -> str:
        """Run a block of Python; what it prints."""
        if block.file:
            path = self.directory / block.file
            filename = block.file
        else:
            self.serial += 1
            path = self.directory / f".block{self.serial}" / "example.py"
            path.parent.mkdir()
            filename = str(path)
        path.write_text(block.body)
        if not block.is_run:
            return ""
        out = io.StringIO()
        code = compile(block.body, filename, "exec")
        raised = False
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                exec(code, self.namespace)
            except symdiff.SymdiffError as error:
                if "raises" not in block.words:
                    raise
                raised = True
                print(f"{type(error).__name__}: {error}")
        if "raises" in block.words and not raised:
            raise DocumentError("it should raise a SymdiffError")
        return self._portable(out.getvalue())

    def command(self, line: str, may_fail: bool) -> str:
        """Run a shell command in the working directory; its output. Errors only where it fails."""
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        result = subprocess.run(
            ["sh", "-c", _SHELL + line],
            cwd=self.directory,
            env={
                **os.environ,
                "PYTHON": sys.executable,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "COLUMNS": "88",
                "NO_COLOR": "1",
                "TERM": "dumb",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
        output = result.stdout + (result.stderr if may_fail else "")
        if bool(result.returncode) != may_fail:
            told = result.stdout + result.stderr
            raise DocumentError(f"`{line}` exits with {result.returncode}:\n{told}")
        return self._portable(output)

    def _portable(self, text: str) -> str:
        """`text` without this run's own paths and without space at the ends of lines."""
        text = re.sub(rf"{re.escape(str(self.directory))}/(\.block\d+/)?", "", text)
        text = text.replace(str(ROOT) + "/", "")
        lines = [line.rstrip() for line in text.splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def session(page: Path) -> Iterator[Session]:
    """A fresh working directory for a page, which is the current one meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        shutil.copytree(
            ROOT / "samples", directory / "samples", ignore=shutil.ignore_patterns("__pycache__")
        )
        sys.path.insert(0, str(directory))
        loaded = set(sys.modules)
        cache = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = str(directory / ".cache")
        try:
            with contextlib.chdir(directory):
                yield Session(page, directory)
        finally:
            del os.environ["XDG_CACHE_HOME"]
            if cache is not None:
                os.environ["XDG_CACHE_HOME"] = cache
            sys.path.remove(str(directory))
            for module in set(sys.modules) - loaded:
                file = getattr(sys.modules[module], "__file__", None) or ""
                if file.startswith(str(directory)):
                    del sys.modules[module]


def outputs_of(page: Path, failed: list[str] | None = None) -> list[Shown]:
    """Run a page; every output that it shows.

    Raises DocumentError for a block that fails, or appends it to `failed` and goes on.
    """
    found: list[Shown] = []
    text = page.read_text()
    blocks = blocks_of(text)
    with session(page) as run:
        for number, block in enumerate(blocks):
            try:
                if block.kind not in ("python", "console") and block.file:
                    (run.directory / block.file).write_text(block.body)
                elif block.kind == "console":
                    found.extend(_console(run, block))
                elif block.kind == "python" and not block.is_output:
                    printed = run.python(block)
                    after = blocks[number + 1] if number + 1 < len(blocks) else None
                    if after is not None and after.is_output:
                        found.append(
                            Shown(
                                page, after.start + 1, after.start, after.stop, after.body, printed
                            )
                        )
                    elif printed:
                        raise DocumentError(f"its output is not shown:\n{printed}")
            except Exception as error:
                where = f"{page.relative_to(ROOT)}:{block.start}"
                message = f"{where}: {type(error).__name__}: {error}"
                if failed is None:
                    raise DocumentError(message) from error
                failed.append(message)
    return found


def _console(run: Session, block: Block) -> Iterator[Shown]:
    lines = block.body.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0]:
        raise DocumentError("a console block begins with a `$ command` line")
    for i, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = lines[i + 1 : stop]
        while body and not body[-1]:  # blank lines between two commands
            body.pop()
        first = block.start + i + 1
        may_fail = "fails" in block.words and stop == len(lines)
        yield Shown(
            run.page, first + 1, first, first + len(body), "".join(f"{x}\n" for x in body),
            run.command(lines[i][2:], may_fail),
        )  # fmt: skip


def update(page: Path, failed: list[str]) -> int:
    """Write the real outputs into a page; how many differed. Blocks that fail stay as they are."""
    changed = [shown for shown in outputs_of(page, failed) if not shown.agrees]
    lines = page.read_text().splitlines()
    for shown in reversed(changed):
        lines[shown.start : shown.stop] = shown.actual.splitlines()
    if changed:
        page.write_text("\n".join(lines) + "\n")
    return len(changed)


def main(arguments: Sequence[str]) -> int:
    """The exit code is 0 when every shown output is real (or has been updated)."""
    names = [a for a in arguments if not a.startswith("-")]
    pages = [Path(n).resolve() for n in names] or list(PAGES)
    failed: list[str] = []
    for page in pages:
        label = page.relative_to(ROOT)
        if "--update" in arguments:
            print(f"{label}: {update(page, failed)} updated")
            continue
        wrong = [str(shown) for shown in outputs_of(page, failed) if not shown.agrees]
        print(f"{label}: {len(wrong)} differ")
        failed += wrong
    for message in failed:
        print(message, file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
