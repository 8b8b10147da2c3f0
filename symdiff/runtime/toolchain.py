"""Which C compiler there is, with which flags it makes extension modules, and how it is run.

The flags keep what IEEE 754 and Python's `math` say of NaN, infinities and signed zeros:

- `-ffp-contract=off`: no fused multiply-add. It would make polynomials up to 1.7 times as fast and
  hardly anything else, but `x * x - y * y` is then not 0 for x = y, and its square root NaN.
- `-fwrapv`: integers wrap as NumPy's do. It costs nothing that could be measured.
- `-fno-math-errno -fno-trapping-math`: nobody reads errno or the exception flags of a kernel.
- `-fopenmp-simd`: sums may be reassociated where, and only where, the source asks for it.
- `-fveclib=libmvec` (clang): the C library's functions of vectors; the source tells gcc of them.
- `-fvisibility=hidden`: a kernel called `gamma` is not confused with the C library's function.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from symdiff.errors import CompilerError
from symdiff.options import CompilerOptions

if TYPE_CHECKING:
    import subprocess

Progress = Callable[[str], None]

TIME_LIMIT = 600.0  # seconds that one run of a compiler may take
_PATIENCE = 1.0  # seconds after which it is said that a compiler is running
_SHOWN = 5  # lines of what a compiler says
_OTHERWISE = "generate Python instead"
_ERROR = re.compile(r"error|undefined reference|cannot find")
_KNOWN = ("cc", "gcc", "clang")

ALWAYS = ("-std=c99", "-O3", "-fPIC", "-fvisibility=hidden")
# What not every compiler takes: of each row the first that it does.
OPTIONAL = (
    ("-march=native", "-mcpu=native"), ("-fopenmp-simd",), ("-ffp-contract=off",), ("-fwrapv",),
    ("-fno-math-errno",), ("-fno-trapping-math",),
)  # fmt: skip
OF_CLANG = "-fveclib=libmvec"
# When linking, these would make denormal numbers 0 in the whole process.
_FLUSHING = frozenset(("-ffast-math", "-Ofast", "-funsafe-math-optimizations"))


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command, and what tells it from another one that is called the same."""

    command: tuple[str, ...]
    identity: str


def find_compiler(options: CompilerOptions) -> Compiler:
    """The compiler that is asked for, or the one that there is. Raises CompilerError for none."""
    if os.name != "posix":
        raise CompilerError(f"C is not compiled on {sys.platform}", hint=_OTHERWISE)
    asked = _words(options.compiler or os.environ.get("CC", ""))
    for name in asked[:1] or _KNOWN:
        path = shutil.which(name)
        if path is not None:
            command = (os.path.abspath(path), *asked[1:])
            return Compiler(command, _identity(command))
    if asked:
        raise CompilerError(f"the C compiler {asked[0]!r} is not found", hint=_OTHERWISE)
    message = f"there is no C compiler: none of {', '.join(_KNOWN)} is on the PATH"
    raise CompilerError(message, hint=f"install gcc or clang, or {_OTHERWISE}")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise CompilerError(f"the command {command!r} cannot be read: {error}") from error


def _identity(command: Sequence[str]) -> str:
    """The files that a command runs, with size and time: of "ccache gcc", both."""
    found: list[str] = []
    for word in command:
        path = shutil.which(word)
        if path is not None:
            state = os.stat(path)
            found.append(f"{os.path.realpath(path)} {state.st_size} {state.st_mtime_ns}")
    return "; ".join([*command, *found])


def flags_of(options: CompilerOptions, optional: Sequence[str]) -> list[str]:
    """What a kernel is compiled with; `optional` is what `supported` has found."""
    return [*ALWAYS, *optional, *asked_flags(options)]


def asked_flags(options: CompilerOptions) -> list[str]:
    """Those that somebody has asked for; they stand last, so they win."""
    flags = ["-ffast-math", "-ffp-contract=fast"] if options.fast_math else []
    if options.threads != 1:
        flags.append("-fopenmp")
    return [*flags, *options.flags]


def supported(compiler: Compiler, folder: Path) -> list[str]:
    """Which of the optional flags the compiler takes; `folder` is for what it writes.

    Raises CompilerError for a compiler that fails without any.
    """
    source = folder / "probe.c"
    source.write_text("int probe(void);\nint probe(void)\n{\n    return 0;\n}\n")
    compiling = ["-c", str(source), "-o", str(folder / "probe.o")]

    def takes(*flags: str) -> bool:
        """Without a warning: clang only warns of what it does not use."""
        command = [*compiler.command, "-Werror", *flags, *compiling]
        return not _status(command, folder, "a test")[0]

    vectors = [OF_CLANG] if takes(OF_CLANG) else []
    best = [*(row[0] for row in OPTIONAL), *vectors]
    if takes(*best):
        return best
    run([*compiler.command, *compiling], folder, "a test")
    return [*(flag for row in OPTIONAL for flag in [f for f in row if takes(f)][:1]), *vectors]


def build(
    source: str,
    name: str,
    folder: Path,
    compiler: Compiler,
    flags: Sequence[str],
    progress: Progress | None = None,
) -> Path:
    """Compile C `source` in `folder` to an extension module called `name`, and return its file."""
    text, compiled, linked = (folder / f"{name}{end}" for end in (".c", ".o", ".so"))
    text.write_text(source, encoding="utf-8")
    includes = [word for path in include_folders() for word in ("-isystem", path)]
    command = [*compiler.command, *flags, *includes, "-c", str(text), "-o", str(compiled)]
    run(command, folder, name, progress)
    linking = [flag for flag in flags if flag not in _FLUSHING]
    dynamic = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    made = ["-shared", str(compiled), "-o", str(linked)]
    shared = [*compiler.command, *made, *linking, *dynamic, "-lm"]
    run(shared, folder, name, progress)
    if not linked.exists():
        raise CompilerError(f"the C compiler made no file\n$ {shlex.join(shared)}")
    return linked


@functools.cache
def include_folders() -> tuple[str, ...]:
    """The folders of Python's and NumPy's headers."""
    import sysconfig

    import numpy as np

    python = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(python, "Python.h")):
        raise CompilerError(
            f"the headers of Python are missing: there is no Python.h in {python}",
            hint=f"install them (python3-dev, python3-devel), or {_OTHERWISE}",
        )
    return tuple(dict.fromkeys((python, sysconfig.get_path("platinclude"), np.get_include())))


def run(command: Sequence[str], folder: Path, what: str, progress: Progress | None = None) -> None:
    """Run a compiler in `folder`. Raises CompilerError unless it succeeds in time."""
    code, said = _status(command, folder, what, progress)
    if not code:
        return
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)] or lines
    message = "the C compiler failed"
    if code < 0:
        message = f"the C compiler was ended by {signal.Signals(-code).name}"
    raise CompilerError("\n".join([message, *errors[:_SHOWN], f"$ {shlex.join(command)}"]))


def _status(
    command: Sequence[str], folder: Path, what: str, progress: Progress | None = None
) -> tuple[int, str]:
    """How a compiler ends, and what it says."""
    import subprocess

    environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    try:
        # In a session of its own, so that what it has started ends with it.
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        message = f"the C compiler cannot be run: {error}"
        raise CompilerError(f"{message}\n$ {shlex.join(command)}") from error
    with process:
        try:
            said = _wait(process, f"compiling {what} with {command[0]}", progress)
        except BaseException as error:  # whatever ends the wait, Ctrl-C too, ends the compiler
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"the C compiler took longer than {TIME_LIMIT:g} s"
                raise CompilerError(f"{message}\n$ {shlex.join(command)}") from None
            raise
    if process.returncode and os.strerror(errno.ENOSPC) in said:  # not the compiler's fault
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    return process.returncode, said


def _wait(process: subprocess.Popen[bytes], what: str, progress: Progress | None) -> str:
    """What a process says until it ends."""
    from subprocess import TimeoutExpired

    try:
        said, _ = process.communicate(timeout=min(_PATIENCE, TIME_LIMIT))
    except TimeoutExpired:
        if progress is not None:
            progress(f"{what} ...")
        said, _ = process.communicate(timeout=max(TIME_LIMIT - _PATIENCE, 0.0))
    return said.decode(errors="replace")
