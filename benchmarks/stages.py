"""CPU seconds of each stage of a compilation, measured while it runs as it always does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any

import symdiff.runtime.load
from symdiff import pipeline

# The stages that the pipeline calls by name, as (where, name, what the table calls it).
_CALLED: tuple[tuple[Any, str, str], ...] = (
    (pipeline, "parse", "parse"),
    (pipeline, "differentiate", "differentiate"),
    (pipeline, "generate", "generate"),
    (pipeline, "print_definition", "print"),
    (symdiff.runtime.load, "load", "load (Python's own compile)"),
)
_PASSES = ("BEFORE", "ERASE", "PASSES")
REST = "rest: freeing memory, first call"
LABELS = (
    "parse", "stabilise", "differentiate", "erase", "simplify", "guards", "factor", "arrange",
    "generate", "print", "load (Python's own compile)", REST, "all",
)  # fmt: skip


@contextlib.contextmanager
def stage_times() -> Generator[dict[str, float]]:
    """CPU seconds by stage of all that is compiled meanwhile; complete when the block ends."""
    spent: dict[str, float] = {}

    def timed(label: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return run(*args, **kwargs)
            finally:
                spent[label] = spent.get(label, 0.0) + time.process_time() - start

        return clocked

    saved = [(where, name, getattr(where, name)) for where, name, _ in _CALLED]
    saved += [(pipeline, name, getattr(pipeline, name)) for name in _PASSES]
    for where, name, label in _CALLED:
        setattr(where, name, timed(label, getattr(where, name)))
    for name in _PASSES:
        passes = getattr(pipeline, name)
        setattr(pipeline, name, tuple((label, timed(label, run)) for label, run in passes))
    start = time.process_time()
    try:
        yield spent
    finally:
        spent[REST] = time.process_time() - start - sum(spent.values())
        spent["all"] = time.process_time() - start
        for where, name, was in saved:
            setattr(where, name, was)
