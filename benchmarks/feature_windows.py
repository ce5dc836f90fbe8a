"""Parts `windows` and `growth` of `benchmarks.features`: 95 windowed columns, beside DuckDB's SQL and pandas, and on growing books."""

import importlib
import runpy
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq

from benchmarks import feature_phases
from benchmarks.measuring import alternate, line, measured, ratio, ratio_line, serve_work
from features.catalogue import Catalogue
from features.feature import feature
from features.feeders import duck
from features.feeders.sql import literal
from features.terms import where, window

MODULE = "benchmarks.feature_windows"
DAYS, KINDS = (7, 30, 90, 180, 365), range(4)
TOLERANCE = 1e-12
MEASURES = {"n": "count", "sum": "sum", "max": "max", "min": "min", "mean": "mean", "sd": "sd", "recency": "recency"}
CUSTOMERS, OBSERVATIONS_EACH = 20_000, 12
# Books too large to be measured here, told from the line through those that were.
BEYOND = (1_000_000_000, 10_000_000_000)
# The rows that the contenders' `make` writes, here for any number of customers.
TRANSACTIONS = """
    SELECT (hash(i) % {customers})::BIGINT AS customer_id, TIMESTAMP '2022-01-01' + to_seconds((hash(i * 7 + 1) % 94608000)::BIGINT) AS occurred_at,
           (hash(i * 3 + 5) % 100000)::BIGINT AS amount, (hash(i + 99) % 5)::TINYINT AS kind, (hash(i + 17) % 500)::INTEGER AS counterparty_id,
           occurred_at + to_seconds((hash(i * 11 + 3) % 259200)::BIGINT) AS known_at
    FROM range({rows}) t(i)"""
OBSERVATIONS = """
    SELECT c::BIGINT AS customer_id, d::TIMESTAMP AS as_of, row_number() OVER () AS observation_id
    FROM range({customers}) t(c), (SELECT unnest(generate_series(DATE '2024-01-31', DATE '2024-12-31', INTERVAL 1 MONTH)) AS d)"""


def catalogue_of_windows():
    """The contenders' columns under their names: seven measures, and three of each of four kinds, over five windows."""
    declared = []
    for days in DAYS:
        declared += [_feature(f"{short}_{days}d", measure, (), days) for short, measure in MEASURES.items()]
        declared += [
            _feature(f"{short}_k{kind}_{days}d", measure, where(("kind", "==", kind)), days)
            for kind in KINDS for short, measure in MEASURES.items() if short in ("n", "sum", "max")
        ]
    return Catalogue("default", declared)


def _feature(name, measure, conditions, days):
    column = "" if measure in ("count", "recency") else "amount"
    return feature(name, window("transactions", measure, column, days=days, where=conditions), unit="", factor="transactions", missing="")


# what children do


def work_contender(clock, *, command, module, path, folder, rows=None):
    """A command of the contenders' script as a command line runs it; its imports are made before."""
    importlib.import_module(module)
    sys.argv = [path, command, folder, *([str(rows)] if rows else [])]
    clock.start()
    runpy.run_path(path, run_name="__main__")


def work_make(clock, *, folder, rows, customers):
    """Both tables of the growth part."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        for name, query in (("tx", TRANSACTIONS.format(rows=rows, customers=customers)), ("obs", OBSERVATIONS.format(customers=customers))):
            connection.execute(f"COPY ({query}) TO {literal(Path(folder) / f'{name}.parquet')} (FORMAT parquet)")


def work_ours(clock, *, folder, threads):
    """The DuckDB feeder from Parquet to Parquet."""
    folder = Path(folder)
    duck.featurize(folder / "tables", folder / "obs.parquet", folder / "ours" / "features.parquet", catalogue=catalogue_of_windows(), threads=threads)


def work_phases(clock, *, folder, threads):
    """The same run with clocks around its steps."""
    folder = Path(folder)
    out = folder / "ours" / "phases.parquet"
    return feature_phases.phases(folder / "tables", folder / "obs.parquet", out, catalogue=catalogue_of_windows(), threads=threads)


def work_kernel(clock, *, folder, threads):
    """The kernel over chunks in memory."""
    folder = Path(folder)
    return feature_phases.kernel_alone(folder / "tables", folder / "obs.parquet", catalogue=catalogue_of_windows(), threads=threads)


def work_compare(clock, *, folder):
    """The largest relative difference of our columns from DuckDB's and the columns beyond the tolerance."""
    ours, theirs = (_sorted(Path(folder) / path) for path in ("ours/features.parquet", "duckdb.parquet"))
    place = np.searchsorted(ours["observation_id"], theirs["observation_id"])
    found = {name: _difference(name, ours[name], theirs[name], place) for name in catalogue_of_windows().names}
    return {"columns": len(found), "largest": max(found.values()), "differing": [name for name, largest in found.items() if not largest <= TOLERANCE]}


def _sorted(path):
    table = pq.read_table(path)
    ids = np.array(table["observation_id"].to_pylist(), dtype=np.int64)
    order = ids.argsort()
    numbers = {name: table[name].cast("float64").to_numpy()[order] for name in table.column_names if name != "observation_id"}
    return {"observation_id": ids[order], **numbers}


def _difference(name, ours, theirs, place):
    """The largest difference, relative above 1, infinite where one is missing and the other is not; an observation without rows is none of theirs."""
    nothing = 0.0 if name.startswith(("n_", "sum_")) else np.nan
    expected = np.full(len(ours), nothing)
    expected[place] = np.where(np.isnan(theirs), nothing, theirs)
    if (np.isnan(expected) != np.isnan(ours)).any():
        return np.inf
    apart = np.abs(ours - expected) / np.maximum(np.abs(expected), 1.0)
    return float(np.nanmax(apart, initial=0.0))


WORKS = {"contender": work_contender, "make": work_make, "ours": work_ours, "phases": work_phases, "kernel": work_kernel, "compare": work_compare}


# what the measuring process does


def windows(folder, options):
    """Print ours beside both contenders on the same files; the figures, or why there are none."""
    script = options.contenders
    if not script.exists():
        print(f"windows: skipped, there is no {script}: name the contenders' script with --contenders")
        return {"skipped": "no contenders' script"}
    folder = folder / f"windows-{options.rows}"
    given = {"path": str(script), "folder": folder}
    if not (folder / "obs.parquet").exists():
        measured(MODULE, "contender", command="make", module="duckdb", rows=options.rows, **given)
    _prepare(folder)
    names = [name for name in ("duckdb", "pandas") if name not in options.without]
    contenders = {"ours": lambda: _ours(folder, options)}
    contenders |= {name: lambda name=name: measured(MODULE, "contender", watch=folder / "spill", command=name, module=name, **given) for name in names}
    found = alternate(contenders, rounds=options.rounds)
    result = {"rows": options.rows, "observations": CUSTOMERS * OBSERVATIONS_EACH, **found}
    result["ratio"] = {name: ratio(found[name], found["ours"]) for name in names}
    result["equal"] = measured(MODULE, "compare", folder=folder)["told"] if "duckdb" in names else None
    result |= {work: measured(MODULE, work, folder=folder, threads=options.threads)["told"] for work in ("phases", "kernel")}
    _print_windows(result, names)
    return result


def _prepare(folder):
    for name in ("tables", "ours"):
        (folder / name).mkdir(exist_ok=True)
    transactions = folder / "tables" / "transactions.parquet"
    if not transactions.exists():
        transactions.symlink_to(folder / "tx.parquet")


def _ours(folder, options):
    return measured(MODULE, "ours", watch=folder / "ours" / ".features.parquet.scratch", folder=folder, threads=options.threads)


def _print_windows(result, names):
    print(f"windows: 95 columns, {result['rows']:,} rows, {result['observations']:,} observations")
    for name in ("ours", *names):
        print(line(name, result[name]))
    for name in names:
        print(ratio_line(f"{name} over ours", result["ratio"][name]))
    if result["equal"]:
        said = "equal" if not result["equal"]["differing"] else "NOT equal: " + ", ".join(result["equal"]["differing"])
        print(f"  {result['equal']['columns']} columns {said}, largest relative difference {result['equal']['largest']:.1e} (allowed {TOLERANCE:g}; "
              "a sum over nothing is 0 with us and null there)")
    kernel = result["kernel"]
    one = f"{kernel['one_thread']:.2f} s on one thread ({kernel['processor']:.2f} s cpu)"
    print(f"  the kernel alone, {kernel['chunks']} chunks in memory: {one}, {kernel['all_threads']:.2f} s on all")
    print("  where a run spends its threads", *feature_phases.lines(result["phases"]), sep="\n")


def growth(folder, options):
    """Print ours on growing books: the same customers with longer histories, and more customers with the same; the figures."""
    sizes = sorted(options.growth)
    result = {"longer": {}, "wider": {}}
    print(f"growth: ours alone, {', '.join(f'{rows:,}' for rows in sizes)} rows")
    for rows in sizes:
        result["longer"][_size(rows)] = _grown(folder, options, rows, CUSTOMERS)
        same = rows == sizes[0]
        result["wider"][_size(rows)] = result["longer"][_size(rows)] if same else _grown(folder, options, rows, CUSTOMERS * rows // sizes[0])
    for each in result.values():
        each |= _law([each[_size(rows)] for rows in sizes])
        print(f"    {each['rows_factor']:g} times the rows: {each['factor']:.1f} times the time, {each['peak_factor']:.2f} times the memory; "
              f"{each['seconds_per_million']:.2f} s for each million rows more")
    result["beyond"] = {_size(rows): _beyond(result["wider"], result["wider"][_size(sizes[-1])], rows) for rows in BEYOND}
    for each in result["beyond"].values():
        print(f"    extrapolated, {each['rows'] / 1e6:,.0f} M rows, {each['observations'] / 1e6:,.0f} M observations: {each['hours']:.1f} h, "
              f"{each['peak_gb']:.0f} GB memory ({each['own_gb']:.0f} own), {each['scratch_gb']:.0f} GB scratch")
    return result


def _beyond(law, largest, rows):
    """Hours, memory and scratch of a wider book on the line through the measured ones."""
    more = (rows - largest["rows"]) / 1e6
    found = {name: largest[name] + law[f"{name}_per_million"] * more for name in ("peak_gb", "own_gb", "scratch_gb")}
    seconds = largest["wall"] + law["seconds_per_million"] * more
    return {"rows": rows, "observations": largest["observations"] * rows // largest["rows"], "hours": seconds / 3_600, **found}


def _size(rows):
    return f"m{rows / 1e6:g}"


def _grown(folder, options, rows, customers):
    place = folder / f"growth-{rows}-{customers}"
    if not (place / "obs.parquet").exists():
        measured(MODULE, "make", folder=place, rows=rows, customers=customers)
    _prepare(place)
    found = alternate({"ours": lambda: _ours(place, options)}, rounds=options.rounds)["ours"]
    print(line(f"{rows / 1e6:g} M rows, {customers:,} customers", found), flush=True)
    return {"rows": rows, "customers": customers, "observations": customers * OBSERVATIONS_EACH, **found}


def _law(found):
    """Factors from the smallest to the largest size, and seconds and memory for each million more between them."""
    low, high = found[0], found[-1]
    millions = (high["rows"] - low["rows"]) / 1e6 or np.nan
    return {
        "rows_factor": high["rows"] / low["rows"], "factor": high["wall"] / low["wall"], "peak_factor": high["peak_gb"] / low["peak_gb"],
        "seconds_per_million": (high["wall"] - low["wall"]) / millions, "scratch_gb_per_million": (high["scratch_gb"] - low["scratch_gb"]) / millions,
        **{f"{name}_per_million": (high[name] - low[name]) / millions for name in ("peak_gb", "own_gb")},
    }


if __name__ == "__main__":
    serve_work(WORKS)
