"""Which C compiler there is, with which flags it makes extension modules, and how it is run.

The flags keep what IEEE 754 and Python's `math` say of NaN, infinities and signed zeros:

- `-ffp-contract=off`: no fused multiply-add. It would make polynomials up to 1.7 times as fast and
  hardly anything else, but `x * x - y * y` is then not 0 for x = y, and its square root NaN.
- `-fwrapv`: integers wrap as NumPy's do. It costs nothing that could be measured.
- `-fno-math-errno -fno-trapping-math`: nobody reads errno or the exception flags of a kernel.
- `-fopenmp-simd`: sums may be reassociated where, and only where, the source asks for it.
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
_ERROR = re.compile(r"error|undefined reference|cannot find")
_KNOWN = ("cc", "gcc", "clang")

_ALWAYS = ("-std=c99", "-O3", "-fPIC", "-fvisibility=hidden")
# What not every compiler takes: of each row the first that it does.
_OPTIONAL = (
    ("-march=native", "-mcpu=native"), ("-fopenmp-simd",), ("-ffp-contract=off",), ("-fwrapv",),
    ("-fno-math-errno",), ("-fno-trapping-math",),
)  # fmt: skip
# When linking, these would make denormal numbers 0 in the whole process.
_FLUSHING = frozenset(("-ffast-math", "-Ofast", "-funsafe-math-optimizations"))


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command, and what tells it from another one that is called the same."""

    command: tuple[str, ...]
    identity: str


def find_compiler(options: CompilerOptions) -> Compiler:
    """The compiler that is asked for, or the one that there is. Raises CompilerError for none."""
    asked = options.compiler or os.environ.get("CC", "")
    if asked.strip():
        command = shlex.split(asked)
        if shutil.which(command[0]) is None:
            raise CompilerError(
                f"the C compiler {command[0]!r} is not found", hint="set CC to one that is there"
            )
    else:
        command = [name for name in _KNOWN if shutil.which(name)][:1]
    if not command:
        raise CompilerError(
            f"no C compiler is found: none of {', '.join(_KNOWN)} is on the PATH",
            hint="install gcc or clang, or take the target python",
        )
    return Compiler(tuple(command), _identity(command))


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
    flags = [*_ALWAYS, *optional]
    if options.fast_math:
        flags += ["-ffast-math", "-ffp-contract=fast"]
    if options.threads != 1:
        flags.append("-fopenmp")
    return [*flags, *options.flags]


def supported(compiler: Compiler, folder: Path) -> list[str]:
    """Which of the optional flags the compiler takes; `folder` is for what it writes."""
    source = folder / "probe.c"
    source.write_text("int probe(void);\nint probe(void)\n{\n    return 0;\n}\n")

    def takes(flags: Sequence[str]) -> bool:
        made = ["-c", str(source), "-o", str(folder / "probe.o")]
        try:
            run([*compiler.command, *flags, *made], folder, "the compiler's flags")
        except CompilerError:
            return False
        return True

    best = [row[0] for row in _OPTIONAL]
    if takes(best):
        return best
    return [flag for row in _OPTIONAL for flag in [f for f in row if takes([f])][:1]]


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
    includes = [word for path in _includes() for word in ("-isystem", path)]
    command = [*compiler.command, *flags, *includes, "-c", str(text), "-o", str(compiled)]
    run(command, folder, name, progress)
    linking = [flag for flag in flags if flag not in _FLUSHING]
    dynamic = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    shared = [*compiler.command, "-shared", str(compiled), "-o", str(linked)]
    run([*shared, *linking, *dynamic, "-lm"], folder, name, progress)
    return linked


@functools.cache
def _includes() -> tuple[str, str]:
    """The folders of Python's and NumPy's headers."""
    import sysconfig

    import numpy as np

    python = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(python, "Python.h")):
        raise CompilerError(
            f"the headers of Python are missing: there is no Python.h in {python}",
            hint="install them (python3-dev, python3-devel), or take the target python",
        )
    return python, np.get_include()


def run(command: Sequence[str], folder: Path, what: str, progress: Progress | None = None) -> None:
    """Run a compiler in `folder`. Raises CompilerError unless it succeeds in time."""
    import subprocess

    shown = shlex.join(command)
    environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    try:
        # In a session of its own, so that what it has started ends with it.
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CompilerError(f"the C compiler cannot be run: {error}\n$ {shown}") from error
    with process:
        try:
            said = _wait(process, f"compiling {what} with {command[0]}", progress)
        except BaseException as error:  # whatever ends the wait, Ctrl-C too, ends the compiler
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                limit = f"the C compiler took longer than {TIME_LIMIT:g} s"
                raise CompilerError(f"{limit}\n$ {shown}") from None
            raise
    if process.returncode:
        raise _failure(process.returncode, said, shown)


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


def _failure(code: int, said: str, shown: str) -> Exception:
    """The error to raise; one of the system where it is not the compiler's fault."""
    if os.strerror(errno.ENOSPC) in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)] or lines
    message = "the C compiler failed"
    if code < 0:
        message = f"the C compiler was ended by {signal.Signals(-code).name}"
    return CompilerError("\n".join([message, *errors[:_SHOWN], f"$ {shown}"]))
