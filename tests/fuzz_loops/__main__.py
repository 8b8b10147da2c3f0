"""`python -m tests.fuzz_loops --count 5000 --seed 0 [--no-writes] [--save FOLDER]`: 1 on failure."""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import sys
import time
from pathlib import Path

from tests.fuzz_loops.oracle import work


def main(arguments: list[str] | None = None) -> int:
    """Run `count` programs from `seed` on and print what failed, made small."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_loops", description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    writes = parser.add_mutually_exclusive_group()
    writes.add_argument(
        "--writes",
        action="store_true",
        default=None,
        help="write into arrays in all programs, not in those of odd seeds alone",
    )
    writes.add_argument("--no-writes", dest="writes", action="store_false")
    parser.add_argument("--save", type=Path, help="a folder for the programs that fail")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", type=int, default=10, help="failures to print in full")
    parser.add_argument("--shrink", type=int, default=60, help="seconds to make one smaller")
    options = parser.parse_args(arguments)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    kinds: collections.Counter[str] = collections.Counter()
    compared = unreliable = failed = refused = 0
    slowest = (0.0, 0)
    seeds = range(options.seed, options.seed + options.count)
    items = [(s, options.writes, options.shrink) for s in seeds]
    context = multiprocessing.get_context("spawn")  # a new worker now and then: memory
    with context.Pool(options.processes, maxtasksperchild=50) as pool:
        outcomes = pool.imap_unordered(work, items, chunksize=2)
        for done, (verdict, script) in enumerate(outcomes, start=1):
            if done % 200 == 0:
                print(f"{done}/{len(items)}, {failed} failed", file=sys.stderr, flush=True)
            compared += verdict.compared
            unreliable += verdict.unreliable
            refused += verdict.refused
            slowest = max(slowest, (verdict.slowest, verdict.seed))
            if not verdict.failures:
                continue
            failed += 1
            kinds.update(verdict.kinds)
            if options.save:
                (options.save / f"program_{verdict.seed}.py").write_text(script)
            if failed <= options.show:
                print(f"seed {verdict.seed}:\n  " + script.replace("\n", "\n  "), flush=True)
    share = unreliable / max(1, compared)
    print(
        f"{options.count} programs from seed {options.seed}: {failed} failed, "
        f"{refused} refused for what may be one array; {compared} entries "
        f"compared with finite differences, {share:.1%} of them too close to a branch to judge; "
        f"slowest compilation {slowest[0]:.1f} s (seed {slowest[1]}); "
        f"{time.perf_counter() - start:.0f} s"
    )
    for kind, count in kinds.most_common():
        print(f"  {count:5d}  {kind}")
    if share > 0.15:
        print("too many finite differences are unusable")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
