"""What modules are made of, and where they come from."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from symdiff.aot.files import file_hash
from symdiff.errors import SourceError
from symdiff.options import Options, Request
from symdiff.pipeline import Compiled


class Unit(Protocol):
    """What a module is made of: a `Derivative`, or anything that states the same."""

    @property
    def primal(self) -> Callable[..., Any]: ...
    @property
    def requests(self) -> Sequence[Request]: ...
    @property
    def options(self) -> Options: ...
    def compiled(self) -> Compiled: ...


@dataclass(frozen=True)
class Provenance:
    """Where a module comes from; all of it is written into the module.

    file: the source's name. sources: SHA-256 of each of the user's files, by path relative to the
    source's folder. options: what was asked, in one canonical form. command: what wrote it.
    """

    file: str
    sources: Mapping[str, str]
    options: str = ""
    command: str = ""

    @staticmethod
    def of(unit: Unit, command: str) -> Provenance:
        """Of a derivative that was made by calling symdiff, not by the command line."""
        code = inspect.unwrap(_function(unit.primal)).__code__
        path = Path(code.co_filename)
        try:
            sources = {path.name: file_hash(path)}
        except SourceError:  # a notebook's cell, the interactive interpreter
            sources = {}
        return Provenance(path.name, sources, "", command)


def _function(primal: Any) -> Any:
    """What carries the code of a function, method or `functools.partial`."""
    while isinstance(primal, functools.partial):
        primal = primal.func
    return getattr(primal, "__func__", primal)
