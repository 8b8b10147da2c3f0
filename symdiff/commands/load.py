"""Importing the user's file, as `python file.py` would see it, under its own name."""

from __future__ import annotations

import ast
import contextlib
import linecache
import sys
import sysconfig
import traceback
import types
from collections.abc import Generator
from pathlib import Path

import click

from symdiff.aot import file_hash
from symdiff.commands.main import Failure
from symdiff.errors import SymdiffError


@contextlib.contextmanager
def imported(path: Path, quiet: bool) -> Generator[types.ModuleType]:
    """The module at `path`; the import system is as it was before when the block ends.

    What the file prints goes to stderr: stdout is for derivatives.
    Raises Failure where the file raises.
    """
    if not quiet:
        click.echo(f"symdiff: importing {path}", err=True)
    code = _compiled(path)
    module = types.ModuleType(_module_name(path))
    module.__file__ = str(path)
    linecache.checkcache()
    modules, folders = dict(sys.modules), list(sys.path)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # leave no __pycache__
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[module.__name__] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _execute(code, module, path)
        yield module
    finally:
        sys.path[:] = folders
        sys.dont_write_bytecode = bytecode
        for name in {*_user_modules(path), module.__name__} - set(modules):
            sys.modules.pop(name, None)


def source_hashes(path: Path) -> dict[str, str]:
    """The hash of `path` and of each file below its folder that it has imported, by path."""
    folder = path.resolve().parent
    files = {path.resolve(), *_user_modules(path).values()}
    return {f.relative_to(folder).as_posix(): file_hash(f) for f in sorted(files)}


def _user_modules(path: Path) -> dict[str, Path]:
    """Modules that come from below the folder of `path`, installed packages excepted."""
    folder = path.resolve().parent
    library = Path(sysconfig.get_path("stdlib")).resolve()
    found: dict[str, Path] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__" or name.partition(".")[0] == "symdiff":
            continue
        place = Path(file).resolve()
        installed = {"site-packages", "dist-packages"} & set(place.parts)
        if place.is_relative_to(folder) and not installed and not place.is_relative_to(library):
            found[name] = place
    return found


def _module_name(path: Path) -> str:
    """The file's stem; with an underscore where a library of that name is in use already."""
    return f"{path.stem}_" if path.stem in {*sys.modules, *sys.stdlib_module_names} else path.stem


def _compiled(path: Path) -> types.CodeType:
    """The code of the file, never from a cache: derivatives are of what stands there now."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
        return compile(tree, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise Failure("".join(traceback.format_exception_only(error)).strip()) from None
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _execute(code: types.CodeType, module: types.ModuleType, path: Path) -> None:
    try:
        exec(code, module.__dict__)
    except SymdiffError:
        raise
    except SystemExit as error:
        raise Failure(f"{path} calls sys.exit({error.code!r}) while it is imported") from None
    except Exception as error:
        raise Failure(f"{path} raises while it is imported:\n{_trimmed(error, path)}") from None


def _trimmed(error: BaseException, path: Path) -> str:
    """The traceback of `error` from the user's file on."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != str(path):
        frame = frame.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frame))).rstrip()
