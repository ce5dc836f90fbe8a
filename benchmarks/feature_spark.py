"""Part `spark` of `benchmarks.features`: the measurement of `benchmarks.spark` at several sizes, and what it says of a million rows more."""

import argparse
import importlib.util
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np


def spark(folder, options):
    """Print both feeders at each size, in rounds; their seconds per million rows and Spark's start, or why there are none."""
    lacking = _lacking()
    if lacking:
        print(f"spark: skipped, {lacking}")
        return {"skipped": lacking}
    # not before it is known that pyspark is there
    from benchmarks.spark import compare

    print(f"spark: both feeders on {', '.join(f'{rows:,}' for rows in options.spark_rows)} rows")
    asked = argparse.Namespace(threads=options.threads, memory=options.spark_memory, buckets=None)
    found = {rows: [] for rows in sorted(options.spark_rows)}
    for _ in range(options.rounds):
        for rows, taken in found.items():
            with tempfile.TemporaryDirectory(dir=folder) as place:
                taken.append(compare(Path(place), rows, asked))
    result = {work: _summary(work, found) for work in ("duck", "spark")}
    result["times"] = result["spark"]["seconds_per_million"] / result["duck"]["seconds_per_million"]
    result["threads_level"] = options.threads * result["times"]
    result["differing"] = sorted({name for taken in found.values() for each in taken for name in each["differing"]})
    _print_spark(result)
    return result


def _lacking():
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: make setup-spark"
    return None if shutil.which("java") else "there is no java: install 17 or newer"


def _summary(work, found):
    """By size medians of seconds; of the straight line through all sizes the seconds without rows (`fixed`) and for each million rows."""
    taken = {rows: [each[work] for each in rounds] for rows, rounds in found.items()}
    sizes = {
        f"m{rows / 1e6:g}": {
            "rows": rows, "wall": statistics.median(each["seconds"] for each in rounds), "wall_min": min(each["seconds"] for each in rounds),
            "wall_max": max(each["seconds"] for each in rounds), "peak_gb": max(each["peak"] for each in rounds) / 1e9,
        }
        for rows, rounds in taken.items()
    }
    slope, fixed = _line([each["rows"] / 1e6 for each in sizes.values()], [each["wall"] for each in sizes.values()])
    start = statistics.median(each["start"] for rounds in taken.values() for each in rounds)
    return {"sizes": sizes, "seconds_per_million": slope, "fixed": fixed, "start": start}


def _line(millions, seconds):
    """Slope and intercept of the least-squares line; of one size alone its seconds per million."""
    if len(millions) < 2:
        return seconds[0] / millions[0], 0.0
    slope, fixed = np.polyfit(millions, seconds, 1)
    return float(slope), float(fixed)


def _print_spark(result):
    for work in ("duck", "spark"):
        each = result[work]
        print(f"  {work:6}{each['seconds_per_million']:8.2f} s for each million rows more, {each['fixed']:.1f} s without rows, {each['start']:.1f} s to start")
    print(f"  a million rows cost Spark {result['times']:.1f} times as much: level with {result['threads_level']:.0f} threads, if more threads divide its time")
