"""All checks of the project, one after the other: `python -m tests`. The tests come last.

`python -m tests -- ARGS` passes ARGS to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BIN = Path(PYTHON).parent
LIMIT = 600  # seconds for one check; a type that is too hard to infer keeps pyright busy for hours
PARALLEL = ["-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"]
# The wrapper of pyright looks for newer versions of it otherwise.
OFFLINE = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("linter", [PYTHON, "-m", "ruff", "check", "."]),
    ("format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    ("layers", [str(BIN / "lint-imports")]),
    ("types", [PYTHON, "-m", "pyright", "--pythonpath", PYTHON]),
)


def _check(command: list[str]) -> tuple[bool, str]:
    """Whether a check passes, and what it prints. One that does not end fails."""
    try:
        result = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, env=OFFLINE
        )
    except subprocess.TimeoutExpired:
        return False, f"{' '.join(command)} did not end within {LIMIT} seconds"
    return result.returncode == 0, result.stdout + result.stderr


def main(arguments: list[str]) -> int:
    """Run every check; the exit code is 0 only if all pass."""
    failed: list[str] = []
    for name, command in CHECKS:
        started = time.perf_counter()
        passed, output = _check(command)
        verdict = "ok" if passed else "FAILED"
        print(f"{name:8} {verdict} ({time.perf_counter() - started:.1f} s)", flush=True)
        if not passed:
            failed.append(name)
            print(output, flush=True)
    tests = subprocess.run([PYTHON, "-m", "pytest", *PARALLEL, *arguments], cwd=ROOT)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or tests.returncode else 0


if __name__ == "__main__":
    extra = sys.argv[1:]
    raise SystemExit(main(extra[1:] if extra[:1] == ["--"] else extra))
