"""`python -m tests.fuzz --count 2000 --seed 0 [--jax] [--save FOLDER]`: exits 1 on any failure."""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import sys
import time
from pathlib import Path

from tests.fuzz.generate import generate
from tests.fuzz.oracle import Verdict, work


def main(arguments: list[str] | None = None) -> int:
    """Run `count` programs from `seed` on and print what failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--jax", action="store_true", help="compare with JAX as well")
    parser.add_argument("--save", type=Path, help="a folder for the programs that fail")
    parser.add_argument("--nesting", type=int, default=4, help="how deep branches may nest")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--show", type=int, default=20, help="failures to print in full")
    options = parser.parse_args(arguments)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    kinds: collections.Counter[str] = collections.Counter()
    failed: list[Verdict] = []
    compared = unreliable = 0
    seeds = [
        (s, options.jax, options.nesting) for s in range(options.seed, options.seed + options.count)
    ]
    context = multiprocessing.get_context("spawn")  # a new worker now and then: JAX keeps memory
    with context.Pool(options.processes, maxtasksperchild=25) as pool:
        for done, verdict in enumerate(pool.imap_unordered(work, seeds, chunksize=4), start=1):
            compared += verdict.compared
            unreliable += verdict.unreliable
            if verdict.failures:
                failed.append(verdict)
                kinds.update({f.split(":", 1)[0] for f in verdict.failures})
                if options.save:
                    script = generate(verdict.seed, options.nesting).script(verdict.failures)
                    (options.save / f"program_{verdict.seed}.py").write_text(script)
            if sys.stderr.isatty():
                print(f"\r{done}/{len(seeds)}, {len(failed)} failed", end="", file=sys.stderr)
            elif done % 200 == 0:
                print(f"{done}/{len(seeds)}, {len(failed)} failed", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    for verdict in sorted(failed, key=lambda v: v.seed)[: options.show]:
        print(f"seed {verdict.seed}:")
        for failure in verdict.failures:
            print("  " + failure[:1500].replace("\n", "\n  "))
    share = unreliable / max(1, compared)
    print(
        f"{options.count} programs from seed {options.seed}: {len(failed)} failed; "
        f"{compared} entries compared with finite differences, {share:.1%} of them too close to a "
        f"kink to judge; {time.perf_counter() - start:.0f} s"
    )
    for kind, count in kinds.most_common():
        print(f"  {count:5d}  {kind}")
    if share > 0.05:
        print("too many finite differences are unusable")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
