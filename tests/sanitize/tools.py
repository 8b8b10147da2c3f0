"""The tools: how kernels are compiled for them, how the worker is run under them, what they say."""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from symdiff.options import CompilerOptions
from symdiff.runtime import toolchain
from tests.sanitize.collect import Call

HERE = Path(__file__).parent
LIMIT = 3600.0  # seconds for all calls
COMMON = ("-g", "-fno-omit-frame-pointer", "-include", str(HERE / "scarce.h"))
CHECKS = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")


@dataclass(frozen=True)
class Tool:
    """flags: for kernels. why_not: the reason why the tool cannot be used here, "" if it can."""

    name: str
    flags: tuple[str, ...]
    why_not: Callable[[], str]
    command: Callable[[Path], list[str]]
    environment: Callable[[], dict[str, str]]


def _preloaded() -> list[str]:
    """The libraries that must be there before Python is: those of the compiler."""
    compiler = toolchain.find_compiler(CompilerOptions())
    found: list[str] = []
    for name in ("libasan.so", "libubsan.so"):
        asked = [*compiler.command, f"-print-file-name={name}"]
        path = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if os.path.isabs(path) and os.path.exists(path):
            found.append(os.path.realpath(path))
    return found


def _no_asan() -> str:
    if sys.platform != "linux":
        return "AddressSanitizer is put before Python on Linux alone"
    return "" if len(_preloaded()) == 2 else "the compiler has no libasan.so and libubsan.so"


def _no_valgrind() -> str:
    if platform.machine() != "x86_64":
        return "what valgrind knows of other processors than x86-64 is not known here"
    return "" if shutil.which("valgrind") else "valgrind is not installed"


ASAN = Tool(
    "asan",
    (*COMMON, "-O1", *CHECKS),
    _no_asan,
    lambda folder: [],
    lambda: {
        "LD_PRELOAD": " ".join(_preloaded()),
        # Python's own leaks are not our concern; kernels count their memory.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    },
)
VALGRIND = Tool(
    "valgrind",
    # It does not know the widest vectors.
    (*COMMON, "-O2", "-march=x86-64"),
    _no_valgrind,
    lambda folder: [
        "valgrind", "--quiet", "--error-limit=no", "--xml=yes", f"--xml-file={folder / 'said.xml'}",
    ],
    lambda: {},
)  # fmt: skip
TOOLS = {tool.name: tool for tool in (ASAN, VALGRIND)}


def reports(calls: Sequence[Call], tool: Tool) -> list[str]:
    """What a tool finds in kernels when they are called; nothing if all is well."""
    with tempfile.TemporaryDirectory(prefix="sanitize-") as name:
        folder = Path(name)
        files = _compiled(calls, tool, folder)
        listed = [
            (file, c.name, c.objects, c.arguments, c.open)
            for file, c in zip(files, calls, strict=True)
        ]
        (folder / "calls").write_bytes(pickle.dumps(listed))
        found: list[str] = []
        first = 0
        while first < len(calls):
            first = _run(calls, tool, folder, first, found)
        return found


def _compiled(calls: Sequence[Call], tool: Tool, folder: Path) -> list[str]:
    """The module of each call, in a folder of its own."""
    options = CompilerOptions(flags=tool.flags)
    compiler = toolchain.find_compiler(options)
    flags = toolchain.flags_of(options, toolchain.supported(compiler, folder))

    def build(k: int) -> str:
        own = folder / f"{k}"
        own.mkdir()
        return str(toolchain.build(calls[k].source, calls[k].name, own, compiler, flags))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(build, range(len(calls))))


def _run(calls: Sequence[Call], tool: Tool, folder: Path, first: int, found: list[str]) -> int:
    """Make the calls from `first` on. Returns the number of the next, where one ended the process."""
    log = folder / "log"
    log.write_text("")
    worker = [sys.executable, str(HERE / "worker.py"), str(folder / "calls"), f"{first}", str(log)]
    environment = {**os.environ, "PYTHONMALLOC": "malloc", **tool.environment()}
    done = subprocess.run(
        [*tool.command(folder), *worker], env=environment, capture_output=True, text=True,
        timeout=LIMIT, errors="replace",
    )  # fmt: skip
    at = first
    for line in log.read_text().splitlines():
        number, text = line.split(" ", 1)
        at = int(number)
        if text not in ("begins", "ends"):
            found.append(f"{calls[at].what}: {text}")
    if tool is VALGRIND:
        found += _said(calls, folder)
    if at == len(calls) and not done.returncode:
        return at
    if done.returncode != -signal.SIGALRM:  # a loop without an end is the program's
        found.append(f"{calls[min(at, len(calls) - 1)].what}: {_shown(done)}")
    return at + 1


def _shown(done: subprocess.CompletedProcess[str]) -> str:
    """What is said where a process ends."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    told = (k for k, line in enumerate(lines) if "ERROR:" in line or "runtime error" in line)
    start = next(told, max(len(lines) - 8, 0))
    return "\n    ".join([f"exit code {done.returncode}", *lines[start : start + 8]])


def _said(calls: Sequence[Call], folder: Path) -> list[str]:
    """The errors that valgrind has seen in kernels; those of Python and NumPy are not ours."""
    text = (folder / "said.xml").read_text(errors="replace")
    if "</valgrindoutput>" not in text:  # the process was ended
        text = text[: text.rfind("</error>") + len("</error>")] + "</valgrindoutput>"
    found: list[str] = []
    for error in ElementTree.fromstring(text).iter("error"):
        frames = [
            f for f in error.iter("frame") if (f.findtext("obj") or "").startswith(f"{folder}/")
        ]
        if frames:
            number = int(Path(frames[0].findtext("obj") or "").parent.name)
            said = error.findtext("what") or error.findtext("xwhat/text") or ""
            lines = [
                " ".join(x.text or "" for x in f if x.tag in ("fn", "file", "line")) for f in frames
            ]
            found.append("\n    ".join([f"{calls[number].what}: {said}", *lines[:6]]))
    return found
