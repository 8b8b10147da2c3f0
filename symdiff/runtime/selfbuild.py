# pyright: basic
"""How generated modules whose functions are C compile and load these.

`symdiff.aot` copies the text below the mark into every such module, so it must not use symdiff, nor
anything but what is installed with Python, and NumPy, whose headers it needs. It stays without the
type hints of the rest of this package because people read it in that form. What symdiff itself does
when it compiles is in `toolchain.py` and `cache.py`; this is the part of it that a module needs.
"""

from __future__ import annotations

# --- The text of generated modules starts here.


def _load_kernels(module_file, name, files, layer, flags):
    """The extension module of the C files beside `module_file`, compiled unless it is kept.

    files: the SHA-256 of each of the C files. layer: C source of how Python calls them.
    flags: of the compiler; of each list the first that it takes, or else the last, "" for none.
    Kept in the user's cache or beside the module, for this compiler, machine and Python.
    """
    import hashlib
    import tempfile
    from pathlib import Path

    module = Path(module_file)
    texts = {file: _c_text(module, file, digest) for file, digest in files.items()}
    texts["call.c"] = layer
    command, identity = _c_compiler(module)
    parts = [name, *texts, *texts.values(), repr(flags), *identity, *_machine()]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    folders = _cache_folders(module)
    for folder in folders:
        for path in folder.glob(f"{name}-{key}.*.so"):
            try:
                if path.name.split(".")[-2] == _digest(path.read_bytes()):
                    return _extension(name, path)
            except (OSError, ImportError):  # damaged, or not to be run from there
                continue
    try:
        with tempfile.TemporaryDirectory(prefix="symdiff-") as work:
            made = _compile(module, Path(work), name, texts, command, flags)
            for folder in folders:
                try:
                    kept = _keep(made, folder, f"{name}-{key}.{_digest(made.read_bytes())}.so")
                    return _extension(name, kept)
                except (OSError, ImportError):
                    continue
            return _extension(name, made)
    except OSError as error:
        raise ImportError(f"{module.name} cannot compile its C: {error}") from error


def _c_text(module, file, digest):
    """The text of one of the C files, which must be what the module was written with."""
    import hashlib

    path = module.resolve().parent / file
    try:
        data = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        message = f"{module.name} needs {file} beside it: {error.strerror}: {path}"
        raise ImportError(message) from None
    if hashlib.sha256(data).hexdigest() != digest:
        message = f"{path} is not what {module.name} was written with: build both again"
        raise ImportError(message)
    return data.decode()


def _c_compiler(module):
    """The command of the C compiler, and what tells it from another one of that name."""
    import os
    import shlex
    import shutil

    known = ["cc", "gcc", "clang"]
    asked = shlex.split(os.environ.get("CC", ""))
    found = [path for path in map(shutil.which, asked[:1] or known) if path]
    if not found or os.name != "posix":
        missing = f"CC names {asked[0]}" if asked else f"none of {', '.join(known)} is on the PATH"
        message = f"{module.name} is compiled when it is imported, and there is no C compiler: "
        raise ImportError(f"{message}{missing}; install gcc or clang")
    command = [os.path.abspath(found[0]), *asked[1:]]
    identity = list(command)
    for path in filter(None, map(shutil.which, command)):  # of "ccache gcc", both
        state = os.stat(path)
        identity.append(f"{os.path.realpath(path)} {state.st_size} {state.st_mtime_ns}")
    return command, identity


def _machine():
    """What compiled code depends on besides: the processor, Python and NumPy."""
    import importlib.machinery
    import platform

    import numpy

    processor = platform.node()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            flags = [line for line in lines if line.startswith(("flags", "Features"))]
            processor = flags[0] if flags else processor
    except OSError:
        pass
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return platform.machine(), processor, suffix, numpy.__version__


def _cache_folders(module):
    """Where compiled code is kept: in the first of these that can be written."""
    import os
    import sys
    from pathlib import Path

    home = os.path.expanduser("~")
    own = "Library/Caches" if sys.platform == "darwin" else ".cache"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, own))
    beside = module.resolve().parent / "__pycache__"
    return [folder for folder in (cache / "symdiff" / "modules", beside) if folder.is_absolute()]


def _keep(made, folder, name):
    """Copy a file to `folder`; at no time does another process see half of it."""
    import os

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        temporary.write_bytes(made.read_bytes())
        temporary.replace(folder / name)
    finally:
        temporary.unlink(missing_ok=True)
    return folder / name


def _digest(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


def _compile(module, work, name, texts, command, flags):
    """Compile `texts` in the folder `work` to an extension module, and return its file."""
    import os
    import shlex
    import subprocess
    import sys
    import sysconfig

    import numpy

    python = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(python, "Python.h")):
        message = f"{module.name} is compiled when it is imported, and there is no Python.h"
        raise ImportError(f"{message} in {python}: install python3-dev or python3-devel")
    for file, text in {**texts, "probe.c": "int probe;\n"}.items():
        (work / file).write_text(text, encoding="utf-8")

    def run(*arguments):
        words = [*command, *arguments]
        done = subprocess.run(
            words, cwd=work, env={**os.environ, "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
        )  # fmt: skip
        return done.returncode, [f"$ {shlex.join(words)}", *done.stdout.splitlines()]

    def takes(flag):  # clang only warns of what it does not use
        return not run("-Werror", flag, "-c", "probe.c")[0]

    rows = [[f for f in row[:-1] if takes(f)] + row[-1:] for row in flags]
    chosen = [row[0] for row in rows if row[0]]
    folders = {python: 0, sysconfig.get_path("platinclude"): 0, numpy.get_include(): 0}
    includes = [word for folder in folders for word in ("-isystem", folder)]
    code, said = run(*chosen, *includes, "-c", "call.c", "-o", "call.o")
    if not code:  # these would make denormal numbers 0 in the whole process
        flushing = ("-ffast-math", "-Ofast", "-funsafe-math-optimizations")
        linked = [flag for flag in chosen if flag not in flushing]
        linked += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
        code, said = run("-shared", "call.o", "-o", f"{name}.so", *linked, "-lm")
    if code:
        shown = [line for line in said[1:] if "error" in line] or said[1:]
        message = f"the C compiler fails on what {module.name} needs"
        raise ImportError("\n".join([message, *shown[:5], said[0]]))
    return work / f"{name}.so"


def _extension(name, path):
    """The extension module in a file."""
    from importlib.machinery import ExtensionFileLoader, ModuleSpec
    from importlib.util import module_from_spec

    loader = ExtensionFileLoader(name, str(path))
    made = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    loader.exec_module(made)
    return made
