"""How fast a source's files are taken in, against DuckDB's bare read-and-write of the same files, in one run.

    python -m benchmarks.intake [--transactions 10000000] [--statements 1000000] [--rounds 3] [--folder FOLDER]

Makes both files in a folder of its own, as CSV and as Parquet, with the names, types and order a user's have; then, each in a process of its own and turn by
turn, copies them with DuckDB (`COPY (FROM file) TO parquet`) and takes them in as `ingest` does: read, contract, rejects, rows kept by customer. Printed: the
median seconds and rows a second of both, their ratio by the clock and by processor time (steadier where others work on the machine), and the highest resident
memory; the same with a hundredth of the rows broken and with ids in no order; and what the checks of a file before it is read and the findings after it take.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from features.feeders.sql import literal
from features.tables import LINES
from pipeline.clocks import refuse_mixed_clocks
from pipeline.contracts import check_table
from pipeline.datasets import remove
from pipeline.files import inspect_files
from pipeline.findings import table_findings
from pipeline.params import IngestParams
from pipeline.source import Source
from pipeline.staging import connect, stage_query

LIMITS = IngestParams(max_reject_share=0.02, probe_rows=100_000, max_probe_share=0.5, rejects_per_rule=1000, memory_limit="3GB", threads=2)
TRANSACTIONS = """
    SELECT txn_no AS transaction_id, client_no AS customer_id, posted_on AS known_at, booked AS occurred_at, round(amount_eur * 100)::BIGINT AS amount,
           ccy AS currency, type AS kind, counterparty AS counterparty_id, channel, round(balance_after * 100)::BIGINT AS balance
    FROM {file}"""
STATEMENTS = f"""
    SELECT client AS customer_id, year_end AS period_end, months AS period_months, form AS basis, origin AS source, filed_on AS known_at, ccy AS currency,
           audited, {", ".join(LINES)}
    FROM {{file}}"""
SQL = {"transactions": TRANSACTIONS, "statements": STATEMENTS}


def make_transactions(connection, rows, folder, name, *, broken=0.0, ordered=True):
    """Bookings of five years in the order of time, 200 a customer, numbered in that order or at random; a share of them posted before they happened."""
    number = "i" if ordered else f"(i * 7919) % {rows}"
    query = f"""
        SELECT 'T' || lpad(({number})::VARCHAR, 9, '0') AS txn_no, 'C' || lpad((hash(i) % {max(rows // 200, 1)})::VARCHAR, 7, '0') AS client_no,
               TIMESTAMP '2019-01-01' + to_seconds((i * 157784630 // {rows})::BIGINT) AS booked,
               booked::DATE + CASE WHEN (hash(i, 8) % 100000) < {broken * 100000} THEN -1 ELSE (hash(i, 1) % 3)::INTEGER END AS posted_on,
               (((hash(i, 2) % 2000000)::BIGINT - 1000000) / 100)::DECIMAL(14, 2) AS amount_eur,
               ['EUR', 'EUR', 'EUR', 'USD'][1 + (hash(i, 3) % 4)::INTEGER] AS ccy,
               ['transfer', 'card', 'cash', 'fee'][1 + (hash(i, 4) % 4)::INTEGER] AS type, 'P' || lpad((hash(i, 5) % 200000)::VARCHAR, 8, '0') AS counterparty,
               ['online', 'branch', 'atm'][1 + (hash(i, 6) % 3)::INTEGER] AS channel, ((hash(i, 7) % 100000000)::BIGINT / 100)::DECIMAL(14, 2) AS balance_after
        FROM range({rows}) r(i)"""
    _write(connection, query, folder, name)


def make_statements(connection, rows, folder, name):
    """Twenty annual statements a customer with every line filled, year by year."""
    lines = ", ".join(f"((hash(i, {number}) % 100000000)::BIGINT) / 1000.0 AS {line}" for number, line in enumerate(LINES))
    _write(connection, f"""
        SELECT 'C' || lpad((i // 20)::VARCHAR, 7, '0') AS client, make_date((2004 + i % 20)::INTEGER, 12, 31) AS year_end, 12 AS months, 'separate' AS form,
               'registry' AS origin, make_date((2005 + i % 20)::INTEGER, 4, 1) + (hash(i) % 60)::INTEGER AS filed_on, 'EUR' AS ccy, true AS audited, {lines}
        FROM range({rows}) r(i) ORDER BY i % 20, i // 20""", folder, name)


def _write(connection, query, folder, name):
    parquet, text = (literal(folder / f"{name}.{suffix}") for suffix in ("parquet", "csv"))
    connection.execute(f"COPY ({query}) TO {parquet} (FORMAT parquet)")
    connection.execute(f"COPY (FROM {parquet}) TO {text} (FORMAT csv)")


def bare(file, out):
    """DuckDB's own read-and-write of the file."""
    with connect(LIMITS) as connection:
        connection.execute(f"COPY (FROM {literal(file)}) TO {literal(out)} (FORMAT parquet)")


def source_of(file, table):
    """A source of one file."""
    query = file.with_suffix(".sql")
    query.write_text(SQL[table].format(file=literal(file.name)))
    return Source("bench", file.parent, "", ["default"], None, {table: query})


def intake(file, out, table):
    """What ingest does with one table: run its SQL, check the contract, set rejects aside, write the kept rows."""
    with connect(LIMITS) as connection:
        stage_query(connection, source_of(file, table), table)
        check_table(connection, table, where="bench", kept_path=out, rejects_path=out.with_name("rejects.parquet"), limits=LIMITS)


def checks(file, table):
    """What ingest looks at in a file before it reads it: bytes, header, times with and without a zone."""
    source = source_of(file, table)
    with connect(LIMITS) as connection:
        inspect_files(source)
        refuse_mixed_clocks(connection, source)


def findings(folder):
    """The findings over kept tables."""
    with connect(LIMITS) as connection:
        table_findings(connection, folder)


def measured(work, *arguments):
    """Seconds by the clock, seconds of processor time and peak resident bytes of one piece of work in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.intake", "--work", work, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _work(name, arguments):
    """In the child: do the work and print what it took; imports are not part of it."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    file = Path(arguments[0])
    if name in ("bare", "intake"):
        {"bare": bare, "intake": intake}[name](file, Path(arguments[1]), *arguments[2:])
    else:
        {"checks": checks, "findings": findings}[name](file, *arguments[1:])
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    processor = sum(getattr(after, part) - getattr(before, part) for part in ("ru_utime", "ru_stime"))
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": after.ru_maxrss * 1024}))


def compare(file, table, rows, *, folder, rounds):
    """One line: bare and intake turn by turn, so that a busy machine is busy for both."""
    taken = {"bare": [], "intake": []}
    for _ in range(rounds):
        taken["bare"].append(measured("bare", file, folder / "bare.parquet"))
        taken["intake"].append(measured("intake", file, folder / f"{table}.parquet", table))
    theirs, ours = ({key: statistics.median(each[key] for each in found) for key in found[0]} for found in taken.values())
    pairs = [one["seconds"] / other["seconds"] for one, other in zip(taken["intake"], taken["bare"], strict=True)]
    rates = "".join(f"{each['seconds']:8.1f} s{rows / each['seconds'] / 1e6:8.2f}" for each in (theirs, ours))
    ratios = f"{ours['seconds'] / theirs['seconds']:8.2f} ({min(pairs):.2f}-{max(pairs):.2f}){ours['processor'] / theirs['processor']:8.2f}"
    print(f"{file.name:28}{rates}{ratios}{max(each['peak'] for each in taken['intake']) / 1e9:9.2f} GB", flush=True)


def run(folder, *, transactions, statements, rounds):
    """Make the files and print the table."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET enable_progress_bar = false")
        make_transactions(connection, transactions, folder, "bookings")
        make_transactions(connection, transactions, folder, "bookings_1pct_broken", broken=0.01)
        make_transactions(connection, transactions, folder, "bookings_ids_shuffled", ordered=False)
        make_statements(connection, statements, folder, "accounts")
    print(f"{'':28}{'bare':>10}{'M row/s':>8}{'intake':>10}{'M row/s':>8}{'ratio':>8} {'(of rounds)':12}{'cpu':>7}{'peak':>10}")
    for name in ("bookings", "bookings_1pct_broken", "bookings_ids_shuffled", "accounts"):
        table, rows = ("statements", statements) if name == "accounts" else ("transactions", transactions)
        for suffix in ("csv", "parquet"):
            compare(folder / f"{name}.{suffix}", table, rows, folder=folder, rounds=rounds)
    for file, table in (("bookings.csv", "transactions"), ("accounts.csv", "statements")):
        _print_once(f"checks of {file} before it is read", measured("checks", folder / file, table))
    _print_once("findings over both kept tables", measured("findings", folder))


def _print_once(what, taken):
    print(f"{what:44}{taken['seconds']:6.1f} s, {taken['processor']:.1f} s of processor, peak {taken['peak'] / 1e9:.2f} GB")


def main():
    """Measure and print, or do one piece of work for the process that measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=10_000_000)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the files are made, about 5 GB at full size; default: a temporary folder, removed at the end")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        return _work(asked.work[0], asked.work[1:])
    folder = Path(asked.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run(folder, transactions=asked.transactions, statements=asked.statements, rounds=asked.rounds)
    finally:
        remove(folder)
    return None


if __name__ == "__main__":
    main()
