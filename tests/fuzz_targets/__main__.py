"""Compare C with Python on generated programs.

    python -m tests.fuzz_targets --count 1000 --seed 0

Of each program the value with its gradient and the directional derivative, at all of its points.
"""

from __future__ import annotations

import argparse
import collections
import time

from symdiff.lower import block_code, blocks
from tests.fuzz_targets.oracle import FULL, QUICK, isolated


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=("arrays", "loops", "both"), default="both")
    parser.add_argument("--full", action="store_true", help="compile as users do, at -O3")
    parser.add_argument("--blocks", action="store_true", help="rounds side by side, three at once")
    parser.add_argument("--show", type=int, default=10, help="failures and refusals to print")
    options = parser.parse_args()
    if options.blocks:  # the arrays of generated programs are small
        blocks.FEWEST, block_code.LANES = 1, 3
    start = time.time()
    kinds: collections.Counter[str] = collections.Counter()
    refusals: collections.Counter[str] = collections.Counter()
    total = 0
    for seed in range(options.seed, options.seed + options.count):
        for kind in ("arrays", "loops") if options.kind == "both" else (options.kind,):
            verdict = isolated(kind, seed, FULL if options.full else QUICK)
            kinds[verdict.kind] += 1
            total += verdict.compared
            if verdict.kind == "refused":
                refusals[verdict.detail.split(" (line")[0]] += 1
            if verdict.kind == "failed":
                print(f"{kind} seed {seed}: {verdict.detail[:600]}", flush=True)
    for text, count in refusals.most_common(options.show):
        print(f"{count:5d} refused: {text}")
    print(
        f"{sum(kinds.values())} programs from seed {options.seed}: {kinds['failed']} failed, "
        f"{kinds['refused']} refused, {total} numbers compared; {time.time() - start:.0f} s"
    )
    return 1 if kinds["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
