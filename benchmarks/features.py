"""What features cost: against DuckDB's SQL and pandas, on growing books, for a whole portfolio, a fraud spine, one customer, and on Spark.

    python -m benchmarks.features [PART ...] [--json FILE] [--folder FOLDER] [--rounds 3]

Parts: windows, growth, portfolio, fraud, one, spark; all without a name. Every piece of work runs in a process of its own, contenders turn by turn; printed are
medians with the least and the most, seconds of processor time, the highest resident memory, of it what no file holds ("own"), and scratch disk. Making the
files is outside the clock; in a FOLDER of yours they stay and are used again.
"""

import argparse
import importlib
import json
import os
import platform
import tempfile
from pathlib import Path

PARTS = {"windows": "feature_windows", "growth": "feature_windows", "portfolio": "feature_portfolio", "fraud": "feature_fraud", "one": "feature_one",
         "spark": "feature_spark"}
CONTENDERS = Path(__file__).resolve().parents[1].parent / "shared" / "tools" / "feature_contenders.py"


def machine():
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {"cores": os.cpu_count(), "memory_gb": memory, "python": platform.python_version(), "system": platform.system()}


def run(options, folder):
    """Run the parts asked; {part: figures}. What is done is written at once: a later part may fail after an hour."""
    result = {"machine": machine()}
    if options.json and options.json.exists():
        result = json.loads(options.json.read_text()) | result
    for part in options.parts or PARTS:
        result[part] = getattr(importlib.import_module(f"benchmarks.{PARTS[part]}"), part)(folder, options)
        print(flush=True)
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
    return result


def number(text):
    """A whole number, also written as 1e6."""
    return int(float(text))


def parsed(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, help="where the figures go; parts that it holds and that are not run again stay")
    parser.add_argument("--folder", type=Path, help="where files are made and kept; default: a temporary folder, removed at the end")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--contenders", type=Path, default=Path(os.environ.get("FEATURE_CONTENDERS", CONTENDERS)), help="windows: the contenders' script")
    parser.add_argument("--without", nargs="*", default=[], choices=["duckdb", "pandas"], help="windows: contenders to leave out")
    parser.add_argument("--rows", type=number, default=10_000_000, help="windows: transactions")
    parser.add_argument("--growth", type=number, nargs="+", default=[10_000_000, 100_000_000], help="growth: transactions")
    parser.add_argument("--customers", type=number, default=100_000, help="portfolio: customers")
    parser.add_argument("--months", type=number, default=36, help="portfolio: months simulated, of which the last 24 ends are observed")
    parser.add_argument("--sample", type=number, default=50_000, help="portfolio: observations that the costs of single features are measured on")
    parser.add_argument("--fraud-rows", type=number, default=1_750_000, help="fraud: transactions")
    parser.add_argument("--calls", type=number, default=2_500, help="one: calls")
    parser.add_argument("--spark-rows", type=number, nargs="+", default=[1_000_000, 3_000_000, 10_000_000], help="spark: transactions")
    parser.add_argument("--spark-memory", default="2g", help="spark: the driver's")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    return options


def main():
    """Measure and print."""
    options = parsed()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(options, options.folder.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()
