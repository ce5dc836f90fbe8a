"""How often the account checks speak on real and simulated statements, how many planted slips they find, and how long a million statements take.

    python -m benchmarks.accounts [--data ../shared/data] [--rows 1000000]

False alarms: the shipped real sets and the simulated portfolio as they are. Planted slips: one in each of 500 customers of `american_bankruptcy` with five
statements or more (seed 0), and the share that its rule names, beside what other rules say of these customers that they did not say before.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import duckdb

from pipeline.account_checks import account_findings
from pipeline.params import load_params
from pipeline.sources.simulated import settings_from, simulate

SETS = ("american_bankruptcy", "dart_korea")
SLIPS = {
    "unit slip": [(f"all lines × {factor:g}", lambda line, factor=factor: f"{line} * {factor}", None) for factor in (100, 1_000, 0.001, 1e6)],
    "sign slip": [("revenue negated", lambda line: f"-{line}", ("revenue",)), ("cost of sales negated", lambda line: f"-{line}", ("cost_of_sales",))],
    "balance identity": [("equity + 5 % of assets", lambda line: f"{line} + 0.05 * total_assets", ("equity",))],
    "part exceeds total": [("current assets × 5", lambda line: f"{line} * 5", ("current_assets",))],
    "gross profit": [("gross profit × 1.1", lambda line: f"{line} * 1.1", ("gross_profit",))],
}


def statements_of(name, root, folder):
    """Write the statements of a shipped source as `folder/statements.parquet`."""
    folder.mkdir(parents=True)
    connection = duckdb.connect()
    connection.execute(f"SET file_search_path = '{root / name}'")
    query = Path("pipeline/sources", name, "statements.sql").read_text(encoding="utf-8")
    connection.execute(f"COPY ({query.strip().rstrip(';')}) TO '{folder / 'statements.parquet'}' (FORMAT parquet)")


def check(folder):
    """Findings of a folder of tables, the rows of its statements, and the seconds it took."""
    connection = duckdb.connect(config={"memory_limit": "4GB", "threads": 2})
    connection.execute("SET enable_progress_bar = false")
    rows = connection.execute(f"SELECT count(*) FROM '{folder / 'statements.parquet'}'").fetchone()[0]
    begin, busy = time.perf_counter(), time.process_time()
    findings = account_findings(connection, folder, folder / "findings")
    return findings, rows, f"{time.perf_counter() - begin:.1f} s ({time.process_time() - busy:.1f} s of processor time, 2 threads)"


def alarms(name, folder):
    """Print what the checks say of one set."""
    findings, rows, seconds = check(folder)
    print(f"\n{name}: {rows:,} statements, {seconds}")
    for each in findings:
        if each["table"] == "statements":
            print(f"  {each['rule']:22}{each['rows']:8,}{each['rows'] / rows:9.3%}   {each['example']}")
    if not findings:
        print("  nothing found")


def planted(source, folder):
    """Print the share of planted slips that each rule names."""
    before = _spoken(source)
    print(f"\nplanted in 500 customers of {SETS[0]}")
    for rule, variants in SLIPS.items():
        for number, (words, change, lines) in enumerate(variants):
            place = folder / rule.replace(" ", "_") / str(number)
            chosen = _plant(source / "statements.parquet", place, change, lines)
            check(place)
            after = _spoken(place)
            found = sum((customer, period, rule) in after for customer, period in chosen)
            others = after - before - {(customer, period, rule) for customer, period in chosen}
            print(f"  {words:24}{found:5} of {len(chosen)} named by {rule}; other new findings {len(others)}")


def _spoken(folder):
    path = folder / "findings" / "statements.parquet"
    return set(duckdb.sql(f"SELECT customer_id, period_end, rule FROM '{path}'").fetchall())


def _plant(path, folder, change, lines):
    """Copy the statements with one changed in each chosen customer; the customers and periods chosen."""
    folder.mkdir(parents=True)
    connection = duckdb.connect()
    kinds = dict(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{path}')").fetchall())
    lines = lines or [name for name, kind in kinds.items() if kind == "DOUBLE"]
    connection.execute(f"""CREATE TABLE chosen AS SELECT customer_id, period_end FROM '{path}' WHERE total_assets > 0 AND revenue > 0 AND cost_of_sales > 0
        QUALIFY count(*) OVER (PARTITION BY customer_id) >= 5 AND row_number() OVER (PARTITION BY customer_id ORDER BY hash(period_end, customer_id)) = 1
        ORDER BY hash(customer_id) LIMIT 500""")
    changed = ", ".join(f"CASE WHEN chosen.period_end IS NULL THEN {line} ELSE {change(line)} END AS {line}" for line in lines)
    connection.execute(f"""COPY (SELECT rows.* REPLACE ({changed}) FROM '{path}' AS rows LEFT JOIN chosen USING (customer_id, period_end))
        TO '{folder / 'statements.parquet'}' (FORMAT parquet)""")
    return connection.execute("FROM chosen").fetchall()


def many(source, folder, rows):
    """Print how long as many statements take, copied from the simulated ones under other customers' ids."""
    folder.mkdir()
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as connection:
        connection.execute("SET enable_progress_bar = false")
        copies = rows // connection.execute(f"SELECT count(*) FROM '{source / 'statements.parquet'}'").fetchone()[0] + 1
        connection.execute(f"""COPY (SELECT * REPLACE (customer_id || '-' || copy AS customer_id) FROM '{source / 'statements.parquet'}',
            range({copies}) AS copies(copy) LIMIT {rows}) TO '{folder / 'statements.parquet'}' (FORMAT parquet)""")
    _, count, seconds = check(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{count:,} statements: {seconds}, peak memory {peak:.1f} GB")


def main():
    """Run all three and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        simulate(folder / "simulated", folder / "truth", settings=settings_from(load_params().simulated))
        # a process of its own, so that its memory is its own
        timed = multiprocessing.get_context("spawn").Process(target=many, args=(folder / "simulated", folder / "many", asked.rows))
        timed.start()
        timed.join()
        alarms("simulated", folder / "simulated")
        for name in SETS:
            statements_of(name, asked.data.resolve(), folder / name)
            alarms(name, folder / name)
        planted(folder / SETS[0], folder / "planted")


if __name__ == "__main__":
    main()
