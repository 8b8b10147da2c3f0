"""All checks of the project, one after the other: `python -m tests`. The tests come last.

`python -m tests -- ARGS` passes ARGS to pytest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BIN = Path(PYTHON).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("linter", [PYTHON, "-m", "ruff", "check", "."]),
    ("format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    ("layers", [str(BIN / "lint-imports")]),
    ("types", [PYTHON, "-m", "pyright", "--pythonpath", PYTHON]),
)


def main(arguments: list[str]) -> int:
    """Run every check; the exit code is 0 only if all pass."""
    failed: list[str] = []
    for name, command in CHECKS:
        started = time.perf_counter()
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        verdict = "ok" if result.returncode == 0 else "FAILED"
        print(f"{name:8} {verdict} ({time.perf_counter() - started:.1f} s)", flush=True)
        if result.returncode:
            failed.append(name)
            print(result.stdout + result.stderr, flush=True)
    tests = subprocess.run([PYTHON, "-m", "pytest", *arguments], cwd=ROOT)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or tests.returncode else 0


if __name__ == "__main__":
    extra = sys.argv[1:]
    raise SystemExit(main(extra[1:] if extra[:1] == ["--"] else extra))
