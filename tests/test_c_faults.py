"""What may go wrong between C source and its module: compilers, folders, processes at once."""

from __future__ import annotations

import errno
import io
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import symdiff
from symdiff.errors import CompilerError, SymdiffError
from symdiff.options import CompilerOptions
from symdiff.runtime import cache, compiler, toolchain
from symdiff.runtime.compiler import load_extension
from tests.helpers_c import interface, source_of

ROOT = Path(__file__).parent.parent


def source(number: float = 1.0) -> str:
    return source_of(interface({"x": "float"}, {"out": "float"}), f"*out = x + {number};")


def called(options: CompilerOptions, number: float = 1.0, **more: Any) -> float:
    return load_extension(source(number), "kernel", options, **more).kernel(1.0)


def entries(options: CompilerOptions) -> list[Path]:
    return sorted(Path(options.cache).glob("c/*/*.so"))


def left_behind(options: CompilerOptions) -> list[str]:
    """What is in a cache folder, but for entries and notes."""
    files = (p for p in Path(options.cache).rglob("*") if p.is_file() or "building" in p.name)
    return [p.name for p in files if p.suffix not in (".so", ".txt")]


@pytest.fixture
def fresh(cc: CompilerOptions, tmp_path: Path) -> CompilerOptions:
    """A compiler, with an empty cache."""
    return replace(cc, cache=str(tmp_path / "cache"))


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Makes a shell script that takes the part of a compiler."""

    def make(text: str) -> str:
        path = tmp_path / "compiler.sh"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def real(cc: CompilerOptions) -> str:
    """The command of the real compiler."""
    return shlex.join(toolchain.find_compiler(cc).command)


@pytest.fixture
def around(script: Callable[[str], str], real: str) -> Callable[[str], str]:
    """Makes a command that runs the real compiler after some shell statements."""

    def make(text: str) -> str:
        path = script(text + '\nexec "$@"')
        return f"{path} {real}"

    return make


# Compilers


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(CompilerError) as caught:
        called(CompilerOptions(cache=str(tmp_path / "cache")))
    assert isinstance(caught.value, SymdiffError)
    assert str(caught.value) == (
        "there is no C compiler: none of cc, gcc, clang is on the PATH\n"
        "hint: install gcc or clang, or generate Python instead"
    )
    assert not (tmp_path / "cache").exists()


def test_a_compiler_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(CompilerError, match="the C compiler 'no-such-compiler' is not found"):
        called(CompilerOptions())
    with pytest.raises(CompilerError, match="the C compiler '/nowhere/cc' is not found"):
        called(CompilerOptions(compiler="/nowhere/cc"))
    with pytest.raises(CompilerError, match="cannot be read: No closing quotation"):
        called(CompilerOptions(compiler="cc '"))


def test_where_there_is_neither_gcc_nor_clang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(CompilerError, match=f"^C is not compiled on {sys.platform}"):
        toolchain.find_compiler(CompilerOptions())


def test_the_first_known_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    for name in ("clang", "gcc", "cc"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert toolchain.find_compiler(CompilerOptions()).command == (str(tmp_path / name),)


def test_a_compiler_that_fails(script: Callable[[str], str], tmp_path: Path) -> None:
    command = script('echo "warning: look out"; echo "x.c:1: error: no licence" >&2; exit 3')
    options = CompilerOptions(compiler=command, cache=str(tmp_path / "cache"))
    with pytest.raises(CompilerError) as caught:
        called(options)
    first, second, third = str(caught.value).splitlines()
    assert (first, second) == ("the C compiler failed", "x.c:1: error: no licence")
    assert third.startswith(f"$ {command} -c ")
    assert not left_behind(options) and not list(Path(options.cache).rglob("*.txt"))


def test_source_that_is_wrong(fresh: CompilerOptions) -> None:
    for text, message in [
        ("int kernel(void) { return nothing; }", "'nothing' undeclared"),
        ("int kernel(void) { return 1 }\n" * 50, "expected ';'"),
    ]:
        with pytest.raises(CompilerError) as caught:
            load_extension(text, "kernel", fresh)
        lines = str(caught.value).splitlines()
        assert lines[0] == "the C compiler failed" and message in str(caught.value)
        assert lines[-1].startswith("$ ") and "kernel.c" in lines[-1]
        assert len(lines) <= 7
    assert not left_behind(fresh) and not entries(fresh)


def test_what_does_not_link_or_load(fresh: CompilerOptions) -> None:
    with pytest.raises(CompilerError, match="cannot be loaded.*PyInit_kernel"):
        with pytest.warns(RuntimeWarning, match="not kept"):
            load_extension("int answer = 42;\n", "kernel", fresh)
    wrong = replace(fresh, flags=("-lno_such_library",))
    with pytest.raises(CompilerError, match="cannot find -lno_such_library"):
        called(wrong)
    assert not left_behind(fresh)


def test_a_compiler_that_crashes(script: Callable[[str], str], tmp_path: Path) -> None:
    options = CompilerOptions(compiler=script("kill -SEGV $$"), cache=str(tmp_path / "cache"))
    with pytest.raises(CompilerError, match="^the C compiler was ended by SIGSEGV"):
        called(options)
    assert not left_behind(options)


def test_a_compiler_that_makes_nothing(
    cc: CompilerOptions, script: Callable[[str], str], tmp_path: Path
) -> None:
    options = CompilerOptions(compiler=script("exit 0"), cache=str(tmp_path / "cache"))
    with pytest.raises(CompilerError, match="^the C compiler made no file"):
        called(options)


def test_a_compiler_that_hangs(
    monkeypatch: pytest.MonkeyPatch, script: Callable[[str], str], tmp_path: Path
) -> None:
    """It is ended, with what it has started."""
    monkeypatch.setattr(toolchain, "TIME_LIMIT", 0.3)
    late = tmp_path / "late"
    command = script(f"(sleep 1; touch {shlex.quote(str(late))}) &\nsleep 60")
    options = CompilerOptions(compiler=command, cache=str(tmp_path / "cache"))
    start = time.monotonic()
    with pytest.raises(CompilerError, match=r"^the C compiler took longer than 0.3 s"):
        called(options)
    assert time.monotonic() - start < 5.0
    time.sleep(1.2)
    assert not late.exists()
    assert not left_behind(options)


def test_an_interrupt_ends_the_compiler(
    monkeypatch: pytest.MonkeyPatch, script: Callable[[str], str], tmp_path: Path
) -> None:
    running: list[subprocess.Popen[bytes]] = []

    def interrupted(process: subprocess.Popen[bytes], *_: object) -> str:
        running.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(toolchain, "_wait", interrupted)
    options = CompilerOptions(compiler=script("exec sleep 60"), cache=str(tmp_path / "cache"))
    with pytest.raises(KeyboardInterrupt):
        called(options)
    assert running[0].poll() is not None
    assert not left_behind(options)


def test_it_is_said_when_compiling_takes_long(
    monkeypatch: pytest.MonkeyPatch, around: Callable[[str], str], fresh: CompilerOptions
) -> None:
    said: list[str] = []
    assert called(fresh, progress=said.append) == 2.0
    assert not said
    monkeypatch.setattr(toolchain, "_PATIENCE", 0.05)
    slow = replace(fresh, compiler=around("sleep 0.3"))
    assert called(slow, 2.0, progress=said.append) == 3.0
    assert said and all(line.startswith("compiling kernel with ") for line in said)
    assert called(slow, 3.0) == 4.0  # and nobody need listen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "where, progress", [(Terminal, True), (Terminal, False), (io.StringIO, True)]
)
def test_progress_is_shown_on_a_terminal(
    where: type[io.StringIO], progress: bool,
    monkeypatch: pytest.MonkeyPatch, around: Callable[[str], str], fresh: CompilerOptions,
) -> None:  # fmt: skip
    shown = where()
    monkeypatch.setattr(toolchain, "_PATIENCE", 0.05)
    monkeypatch.setattr(sys, "stderr", shown)
    slow = replace(fresh, compiler=around("sleep 0.2"), progress=progress)
    f = symdiff.grad(lambda x: x * x, options=symdiff.Options(target="c", compiler=slow))
    assert f(3.0) == 6.0
    lines = shown.getvalue().splitlines()
    assert bool(lines) == (where is Terminal and progress)
    assert all(line.startswith("compiling ") and line.endswith(" ...") for line in lines)


@pytest.mark.parametrize("how", ["option", "CC"])
def test_a_command_with_arguments(
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fresh: CompilerOptions,
    real: str,
) -> None:
    """As in CC="ccache gcc", in a folder with a space."""
    folder = tmp_path / "my tools"
    folder.mkdir()
    wrapper = folder / "wrap"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(tmp_path / "log"))}\nexec "$@"\n')
    wrapper.chmod(0o755)
    command = f"{shlex.quote(str(wrapper))} {real} -DEXTRA=1"
    if how == "CC":
        monkeypatch.setenv("CC", command)
    else:
        fresh = replace(fresh, compiler=command)
    assert called(fresh) == 2.0
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 4  # two tests of the flags, compile, link
    assert all(line.startswith(f"{real} -DEXTRA=1 ") for line in lines)


def test_flags_that_a_compiler_does_not_take(
    around: Callable[[str], str], tmp_path: Path, fresh: CompilerOptions
) -> None:
    """They are left out; which they are is found out once."""
    log = shlex.quote(str(tmp_path / "log"))
    refusing = around(
        f'echo "$@" >> {log}\nfor word in "$@"; do case "$word" in -march=*|-fwrapv)\n'
        'echo "error: unknown $word"; exit 1;; esac; done'
    )
    options = replace(fresh, compiler=refusing)
    assert called(options) == 2.0
    lines = (tmp_path / "log").read_text().splitlines()
    for line in lines[-2:]:
        assert "-fopenmp-simd" in line and "-ffp-contract=off" in line
        assert "-march" not in line and "-fwrapv" not in line
    compiler._cache_in.cache_clear()  # as another process
    assert called(options, 5.0) == 6.0
    assert len((tmp_path / "log").read_text().splitlines()) == len(lines) + 2


def test_flags() -> None:
    plain = toolchain.flags_of(CompilerOptions(), ["-march=native"])
    assert not {"-ffast-math", "-Ofast", "-fopenmp", "-funsafe-math-optimizations"} & set(plain)
    assert {"-std=c99", "-O3", "-march=native"} <= set(plain)
    assert "-fopenmp" in toolchain.flags_of(CompilerOptions(threads=0), [])
    assert "-ffast-math" in toolchain.flags_of(CompilerOptions(fast_math=True), [])
    assert toolchain.flags_of(CompilerOptions(flags=("-O0", "-g")), [])[-2:] == ["-O0", "-g"]


def test_no_headers_of_python(
    monkeypatch: pytest.MonkeyPatch, cc: CompilerOptions, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    toolchain.include_folders.cache_clear()
    try:
        with pytest.raises(CompilerError, match=r"headers of Python are missing.*\nhint: install"):
            called(replace(cc, cache=str(tmp_path / "cache")))
    finally:
        toolchain.include_folders.cache_clear()


# Folders


def refused(options: CompilerOptions, reason: str) -> None:
    """Compiling works, with one warning, and leaves nothing anywhere."""
    with tempfile.TemporaryDirectory() as own, mock.patch.object(tempfile, "tempdir", own):
        with pytest.warns(RuntimeWarning, match=reason) as caught:
            assert called(options) == 2.0
            assert called(options, 7.0) == 8.0
            first, again = (load_extension(source(), "kernel", options) for _ in range(2))
        assert first is again
        assert len([w for w in caught if "not kept" in str(w.message)]) == 1
        assert not os.listdir(own)


def test_a_file_in_place_of_the_folder(cc: CompilerOptions, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    refused(replace(cc, cache=str(tmp_path / "cache")), "compiled code is not kept in .*cache")
    assert (tmp_path / "cache").read_text() == "a file"


def test_a_folder_that_cannot_be_made(cc: CompilerOptions) -> None:
    refused(replace(cc, cache="/dev/null/cache"), "compiled code is not kept in /dev/null/cache")
    refused(replace(cc, cache="/proc/no/such"), "compiled code is not kept in /proc/no/such")


def test_a_full_folder(monkeypatch: pytest.MonkeyPatch, fresh: CompilerOptions) -> None:
    """Nothing can be put in its place."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    refused(fresh, "not kept in .*No space left")
    assert not entries(fresh) and not left_behind(fresh)


def test_a_folder_in_which_the_compiler_finds_no_space(
    around: Callable[[str], str], fresh: CompilerOptions
) -> None:
    full = 'case "$PWD" in */building-*) echo "fatal error: x.o: No space left on device"; exit 1;;'
    options = replace(fresh, compiler=around(f"{full} esac"))
    refused(options, "not kept in .*No space left")
    assert not entries(fresh) and not left_behind(fresh)


def test_no_space_anywhere(script: Callable[[str], str], tmp_path: Path) -> None:
    full = script('echo "error: No space left on device"; exit 1')
    options = CompilerOptions(compiler=full, cache=str(tmp_path / "cache"))
    with pytest.raises(CompilerError, match="No space left on device"):
        with pytest.warns(RuntimeWarning, match="not kept"):
            called(options)


def test_a_read_only_folder_is_read(
    monkeypatch: pytest.MonkeyPatch, fresh: CompilerOptions
) -> None:
    assert run_elsewhere(fresh) == "2.0"

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "utime", forbidden)
    monkeypatch.setattr(cache, "TemporaryDirectory", forbidden)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert called(fresh) == 2.0


@pytest.mark.parametrize("name", ["with a space", "μ-数-é", "'quoted' \"$HOME\" `x`", "a" * 200])
def test_odd_names_of_folders(name: str, cc: CompilerOptions, tmp_path: Path) -> None:
    options = replace(cc, cache=str(tmp_path / name / "deeper"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert called(options) == 2.0
    assert len(entries(options)) == 1 and not left_behind(options)
    assert run_elsewhere(options) == "2.0"
    assert len(entries(options)) == 1


def test_relative_folders_and_home(
    monkeypatch: pytest.MonkeyPatch, cc: CompilerOptions, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert called(replace(cc, cache="here")) == 2.0
    assert called(replace(cc, cache="~/there")) == 2.0
    assert called(replace(cc, cache="")) == 2.0
    for folder in ("here", "home/there"):
        assert len(list((tmp_path / folder).glob("c/*/kernel-*.so"))) == 1
    assert len(list((tmp_path / "home").rglob("symdiff/c/*/kernel-*.so"))) == 1


# Entries


def run_elsewhere(options: CompilerOptions, times: int = 1) -> str:
    """What processes of their own, at once, compute; all must agree."""
    program = textwrap.dedent(f"""
        import warnings
        warnings.simplefilter("error")
        from symdiff.options import CompilerOptions
        from tests.helpers_c import compiled
        f = compiled({options!r}, "*out = x + 1.0;", {{"x": "float"}}, {{"out": "float"}})
        print(f(1.0))
    """)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(times)
    ]  # fmt: skip
    said = {process.communicate(timeout=120)[0].strip() for process in started}
    assert all(process.returncode == 0 for process in started), said
    (one,) = said
    return one


def test_equal_sources_are_one_module(fresh: CompilerOptions) -> None:
    first = load_extension(source(), "kernel", fresh)
    assert load_extension(source(), "kernel", fresh) is first
    assert load_extension(source(), "kernel", fresh).kernel is first.kernel
    assert load_extension(source(2.0), "kernel", fresh) is not first
    assert len(entries(fresh)) == 2
    assert first.__name__ == "kernel" and "kernel" not in sys.modules


def test_what_is_compiled_once_is_not_compiled_again(
    fresh: CompilerOptions, around: Callable[[str], str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    options = replace(fresh, compiler=around(f"echo x >> {shlex.quote(str(log))}"))
    assert run_elsewhere(options) == run_elsewhere(options) == "2.0"
    assert len(log.read_text().split()) == 4


def test_processes_at_once(fresh: CompilerOptions) -> None:
    assert run_elsewhere(fresh, times=4) == "2.0"
    assert len(entries(fresh)) == 1
    assert not left_behind(fresh)


def _shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _replace_by_text(path: Path) -> None:
    """What is in it agrees with its name, but it is no module."""
    path.write_text("no module")
    path.rename(path.with_name(f"{path.name.split('.')[0]}.{cache._digest(b'no module')}.so"))


@pytest.mark.parametrize("damage", [_shorten, _empty, _flip, _replace_by_text])
def test_damaged_entries(damage: Callable[[Path], None], fresh: CompilerOptions) -> None:
    """They are made again; a module that is loaded is never written into."""
    assert run_elsewhere(fresh) == "2.0"
    (entry,) = entries(fresh)
    whole = entry.read_bytes()
    damage(entry)
    assert run_elsewhere(fresh) == "2.0"
    (entry,) = entries(fresh)
    assert entry.read_bytes() == whole
    assert not left_behind(fresh)


@pytest.mark.parametrize("content", [b"", b"\n", b"-march=nat", b"\xff\xfe\n0", b"-fno-such\nabc"])
def test_damaged_notes(content: bytes, fresh: CompilerOptions) -> None:
    assert run_elsewhere(fresh) == "2.0"
    (note,) = Path(fresh.cache).glob("c/*.txt")
    whole = note.read_bytes()
    note.write_bytes(content)
    assert run_elsewhere(fresh) == "2.0"
    assert note.read_bytes() == whole
    assert len(entries(fresh)) == 1


@pytest.mark.parametrize("what", ["_machine", "_interpreter", "VERSION", "flags", "compiler"])
def test_entries_of_others(
    what: str, monkeypatch: pytest.MonkeyPatch, fresh: CompilerOptions, tmp_path: Path, real: str
) -> None:
    """Of another processor, Python, NumPy or compiler: not taken, and not replaced."""
    assert called(fresh) == 2.0
    (entry,) = entries(fresh)
    other = fresh
    if what == "flags":
        other = replace(fresh, flags=(*fresh.flags, "-O1"))
    elif what == "compiler":
        path = shlex.split(real)[0]
        (tmp_path / "cc").symlink_to(path)
        other = replace(fresh, compiler=str(tmp_path / "cc"))
    elif what == "VERSION":
        monkeypatch.setattr(compiler, what, "0.0")
    else:
        monkeypatch.setattr(compiler, what, lambda: ("another", "one"))
    assert called(other) == 2.0
    assert len(entries(fresh)) == 2 and entry in entries(fresh)


def test_a_compiler_that_is_replaced(fresh: CompilerOptions, around: Callable[[str], str]) -> None:
    options = replace(fresh, compiler=around(""))
    assert called(options) == 2.0
    assert around("# version 2") == options.compiler
    assert called(options) == 2.0
    assert len(entries(fresh)) == 2


def test_the_processor_is_known() -> None:
    machine, features = compiler._machine()
    assert machine and features
    if sys.platform == "linux" and machine == "x86_64":
        assert "sse2" in features


# How much is kept


@pytest.fixture
def small(
    monkeypatch: pytest.MonkeyPatch, fresh: CompilerOptions
) -> Iterator[tuple[CompilerOptions, int]]:
    """Options with a cache for four entries, and how large one is."""
    assert run_elsewhere(fresh) == "2.0"
    size = entries(fresh)[0].stat().st_size
    monkeypatch.setattr(cache, "_ROUNDS", 1)
    kept = cache.Cache(Path(fresh.cache) / "c", capacity=4 * size + size // 2)
    monkeypatch.setattr(compiler, "_cache_in", lambda folder: kept)
    yield fresh, size


def test_what_has_not_been_used_goes_first(small: tuple[CompilerOptions, int]) -> None:
    options, size = small
    (oldest,) = entries(options)
    os.utime(oldest, (1e9, 1e9))
    foreign = Path(options.cache) / "c" / "ab" / "mine.so"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_bytes(b"x" * 10 * size)
    os.utime(foreign, (0, 0))
    for number in (2.0, 3.0, 4.0):
        assert called(options, number) == number + 1.0
        newest = max(entries(options), key=lambda p: (p != foreign, p.stat().st_ctime))
        os.utime(newest, (1e9 + number, 1e9 + number))
    assert len(entries(options)) == 5 and oldest.exists()
    assert called(options) == 2.0  # it is used again
    assert oldest.stat().st_mtime > 1.1e9
    assert called(options, 5.0) == 6.0
    assert oldest.exists() and foreign.exists()
    assert len(entries(options)) == 5
    assert not [p for p in entries(options) if p.stat().st_mtime == 1e9 + 2.0]


def test_what_a_killed_process_leaves_goes(small: tuple[CompilerOptions, int]) -> None:
    options, _ = small
    old, young = (Path(options.cache) / "c" / f"building-{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "kernel.c").write_text("half")
    os.utime(old, (1e9, 1e9))
    assert called(options, 2.0) == 3.0
    assert young.exists() and not old.exists()


# Costs


def test_importing_symdiff_imports_none_of_it() -> None:
    program = (
        "import sys, symdiff\n"
        "print([m for m in ('subprocess', 'platformdirs', 'tempfile', 'symdiff.runtime.cache', "
        "'symdiff.runtime.compiler', 'symdiff.codegen.c.extension') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
