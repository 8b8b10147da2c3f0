"""Run compiled kernels under AddressSanitizer with UBSan, and under valgrind.

    python -m tests.sanitize                    # both, of those that there are
    python -m tests.sanitize --tool asan --count 200 --seed 1000

The benchmarks at small sizes, the rows of the table and of docs/language.md, and generated programs:
called as they are, with arguments of other layouts, wrong ones and ones out of range, and with
memory that runs out. Any report fails, and memory that is not freed.
"""

from __future__ import annotations

import argparse
import time

from tests.sanitize.collect import KNOWN, OPEN, benchmarks, generated, language, table
from tests.sanitize.tools import TOOLS, reports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", choices=(*TOOLS, "both"), default="both")
    parser.add_argument("--count", type=int, default=40, help="generated programs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    options = parser.parse_args()
    start = time.time()
    seeds = range(options.seed, options.seed + options.count)
    calls = list(table())
    for how in (KNOWN, OPEN):
        calls += benchmarks(how)
        calls += language(how)
        calls += generated("loops", seeds, how)
        calls += generated("arrays", seeds, how)
    print(f"{len(calls)} kernels ({time.time() - start:.0f} s)", flush=True)
    failed = used = 0
    for tool in TOOLS.values():
        if options.tool not in (tool.name, "both"):
            continue
        if reason := tool.why_not():
            print(f"{tool.name}: left out: {reason}")
            continue
        start = time.time()
        found = reports(calls, tool)
        for text in found:
            print(f"{tool.name}: {text}")
        print(f"{tool.name}: {len(found)} reports ({time.time() - start:.0f} s)", flush=True)
        failed += len(found)
        used += 1
    return 1 if failed or not used else 0


if __name__ == "__main__":
    raise SystemExit(main())
