"""Benchmarks of many simulated seeds: how they are asked for, run one after another, kept and read back."""

import argparse
import json
from pathlib import Path


def arguments(description, *, first, customers):
    """A parser with --seeds, --first, --customers, --out and --sum."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=first)
    parser.add_argument("--customers", type=int, default=customers)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sum", type=Path, nargs="+", help="files of --out, say of two processes beside each other, to sum up instead of running")
    return parser


def results(asked, run_seed, say):
    """What the files of --sum hold; or what `run_seed(seed)` found for each seed asked for, printed as `say(result)` and written to --out as they come."""
    if asked.sum:
        return [seed for file in asked.sum for seed in json.loads(file.read_text(encoding="utf-8"))]
    found = []
    for seed in range(asked.first, asked.first + asked.seeds):
        found.append(run_seed(seed))
        print(say(found[-1]), flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found
