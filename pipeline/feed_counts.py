"""What is counted by month of the kept tables, for the feed's verdict: rows, filled columns, amounts against the customer's usual, repeats, payments by age.

Months are numbered from the year 0 (12 × year + month - 1) by the day on which a row became known, since that is when it was delivered.
"""

import duckdb
import numpy as np
import pyarrow.parquet as pq

from features.feeders.sql import literal, quoted
from features.tables import TABLES
from models.unit_slips import BINS, REACH, STEPS

MONTH = "(12 * year({0}) + month({0}) - 1)"
# Days after an invoice in which its payments are counted.
AGES = 180


class Feed:
    """The kept tables of a folder as they were known by the end of a day (`until`, a text; all of them without it)."""

    def __init__(self, folder, *, until=None, memory_limit="2GB", threads=2):
        self.folder, self.until = folder, until
        self.connection = duckdb.connect(config={"memory_limit": memory_limit, "threads": threads})
        self.columns = {table: pq.read_schema(folder / f"{table}.parquet").names for table in TABLES if (folder / f"{table}.parquet").exists()}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()

    def relation(self, table):
        """The table's rows with `m`, the month in which each became known, for a FROM clause."""
        known = "" if self.until is None else f" WHERE known_at < DATE {literal(self.until)} + INTERVAL 1 DAY"
        return f"(SELECT *, {MONTH.format('known_at')} AS m FROM {literal(self.folder / f'{table}.parquet')}{known})"

    def known(self, table):
        """(rows, last day on which one became known as a text) of a table."""
        rows, last = self.one(f"SELECT count(*), max(known_at)::DATE::VARCHAR FROM {self.relation(table)}")
        return rows, last

    def one(self, query):
        """The answer's only row."""
        return self.connection.execute(query).fetchone()

    def arrays(self, query):
        """The answer as a dict of arrays."""
        return self.connection.execute(query).fetchnumpy()


def filled_by_month(feed, table, columns):
    """(first month, rows (months,), {column: rows with a value (months,)}) of a table; None where it has no row."""
    counts = "".join(f", count({quoted(name)}) AS {quoted(name)}" for name in columns)
    found = feed.arrays(f"SELECT m, count(*) AS rows_{counts} FROM {feed.relation(table)} GROUP BY m ORDER BY m")
    if not len(found["m"]):
        return None
    first, length = int(found["m"][0]), int(found["m"][-1] - found["m"][0]) + 1
    laid = {name: _laid(found["m"], found[name], first, length) for name in ("rows_", *columns)}
    return first, laid.pop("rows_"), laid


def amounts_by_month(feed, table, column, first, length):
    """(months, BINS) rows by amount over the customer's own median, in tenths of a power of ten; customers with fewer than three amounts are left out."""
    size, ends = f"log10(abs({quoted(column)}::DOUBLE))", REACH * STEPS
    found = feed.arrays(f"""
        WITH amounts AS (SELECT m, customer_id, {size} AS size FROM {feed.relation(table)} WHERE {quoted(column)} <> 0),
             usual AS (SELECT customer_id, median(size) AS usual FROM amounts GROUP BY customer_id HAVING count(*) >= 3)
        SELECT m, greatest({-ends}, least({ends}, round({STEPS} * (size - usual))))::BIGINT + {ends} AS bin, count(*) AS n
        FROM amounts JOIN usual USING (customer_id) GROUP BY ALL""")
    counts = np.zeros((length, BINS))
    inside = (found["m"] >= first) & (found["m"] < first + length)
    counts[found["m"][inside] - first, found["bin"][inside]] = found["n"][inside]
    return counts


def repeats_by_month(feed, table, first, length):
    """(again, moved), (months,) each: rows that an earlier one of the same or an earlier month equals in customer, amount, kind and moment; and rows that equal
    one of the month before but for the month."""
    names = feed.columns[table]
    kind = "kind" if "kind" in names else "NULL"
    occurred = TABLES[table].occurred
    rows = f"""SELECT m, hash(customer_id, amount, {kind}, {occurred}) AS same,
                      hash(customer_id, amount, {kind}, {occurred} - date_trunc('month', {occurred})) AS placed FROM {feed.relation(table)}"""
    again = feed.arrays(f"""
        WITH rows_ AS ({rows}), several AS (SELECT same FROM rows_ GROUP BY same HAVING count(*) > 1),
             by_month AS (SELECT same, m, count(*) AS n FROM rows_ SEMI JOIN several USING (same) GROUP BY ALL)
        SELECT m, sum(n - (m = first)::INTEGER)::BIGINT AS n FROM (SELECT *, min(m) OVER (PARTITION BY same) AS first FROM by_month) GROUP BY m""")
    moved = feed.arrays(f"""
        WITH rows_ AS ({rows}), before AS (SELECT DISTINCT m + 1 AS m, placed FROM rows_)
        SELECT m, count(*) AS n FROM rows_ SEMI JOIN before USING (m, placed) GROUP BY m""")
    return tuple(_laid(found["m"], found["n"], first, length) for found in (again, moved))


def payments_by_age(feed, first, length):
    """(open_at, paid), (months, AGES) each: over the days of a month, invoices that were so many days old, and the payments that came on such invoices."""
    issued = feed.arrays(f"SELECT known_at::DATE - DATE '1970-01-01' AS day, count(*) AS n FROM {feed.relation('invoices')} GROUP BY day")
    paid = feed.arrays(f"""
        SELECT p.m AS m, p.known_at::DATE - i.known_at::DATE AS age, count(*) AS n
        FROM {feed.relation('payments')} p JOIN {feed.relation('invoices')} i USING (invoice_id)
        WHERE p.known_at::DATE - i.known_at::DATE BETWEEN 0 AND {AGES - 1} GROUP BY ALL""")
    table = np.zeros((length, AGES))
    inside = (paid["m"] >= first) & (paid["m"] < first + length)
    table[paid["m"][inside] - first, paid["age"][inside]] = paid["n"][inside]
    return _open_at(issued, first, length), table


def _open_at(issued, first, length):
    """(months, AGES): invoices by age, added up over the days of each month."""
    starts = (np.arange(first, first + length + 1) - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    daily = np.zeros(starts[-1] - starts[0] + AGES)
    place = issued["day"] - starts[0] + AGES
    inside = (place >= 0) & (place < len(daily))
    daily[place[inside]] = issued["n"][inside]
    total = np.concatenate([[0.0], np.cumsum(daily)])
    begin, end = (edges[:, None] - starts[0] + AGES - np.arange(AGES) for edges in (starts[:-1], starts[1:]))
    return total[end] - total[begin]


def profile(feed, table, column, where):
    """What the values of a column look like in some rows, as `data_quality.likest` compares them; None where there are none."""
    name = quoted(column)
    rows = f"FROM {feed.relation(table)} WHERE {name} IS NOT NULL AND {where}"
    kind = feed.one(f"SELECT typeof({name}) {rows} LIMIT 1")
    if kind is None:
        return None
    if kind[0] == "VARCHAR":
        levels = feed.connection.execute(f"SELECT {name} {rows} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 50").fetchall()
        return {"name": column, "levels": {row[0] for row in levels}}
    return {"name": column, "quantiles": feed.one(f"SELECT quantile_cont({name}::DOUBLE, [0.05, 0.25, 0.5, 0.75, 0.95]) {rows}")[0]}


def outcomes_before(feed):
    """[(how many, what they come before)] of outcomes that happened before what they are the outcome of."""
    names, found = feed.columns, []
    outcomes = feed.relation("outcomes") if "outcomes" in names else None
    if outcomes and "transaction_id" in names["outcomes"] and "transactions" in names:
        found.append((feed.one(f"""SELECT count(*) FROM {outcomes} o JOIN {feed.relation('transactions')} t USING (transaction_id)
            WHERE o.occurred_at::DATE < t.occurred_at::DATE""")[0], "their transaction"))
    if outcomes and "customer_id" in names["outcomes"] and "onboarded_on" in names.get("customers", ()):
        found.append((feed.one(f"""SELECT count(*) FROM {outcomes} o
            JOIN (SELECT customer_id, min(onboarded_on) AS began FROM {feed.relation('customers')} GROUP BY customer_id) USING (customer_id)
            WHERE o.occurred_at::DATE < began::DATE""")[0], "the day from which the company was a customer"))
    return [(rows, what) for rows, what in found if rows]


def slips_found(feed, findings, first, length):
    """(months,) statements that ingest found in the wrong unit, by the month in which that could be seen; zeros where it looked at none."""
    path = findings / "statements.parquet"
    if not path.exists():
        return np.zeros(length)
    until = "" if feed.until is None else f" AND known_at < DATE {literal(feed.until)} + INTERVAL 1 DAY"
    found = feed.arrays(f"""SELECT {MONTH.format('known_at')} AS m, count(DISTINCT (customer_id, period_end, period_months)) AS n FROM {literal(path)}
        WHERE rule = 'unit slip'{until} GROUP BY 1""")
    return _laid(found["m"], found["n"], first, length)


def month_of_repeats(feed, table, rejects):
    """The month in which most rows that were set aside as the same again had become known; None where their key does not say."""
    path, key = rejects / f"{table}.parquet", TABLES[table].key
    if not path.exists() or len(key) > 1:
        return None
    row = feed.one(f"""SELECT m FROM {feed.relation(table)} SEMI JOIN (SELECT key FROM {literal(path)} WHERE rule = 'duplicate key: the same row again')
        r ON r.key = {quoted(key[0])}::VARCHAR GROUP BY m ORDER BY count(*) DESC, m LIMIT 1""")
    return None if row is None else int(row[0])


def _laid(months, counts, first, length):
    """Counts by month as an array of `length` months from `first`, zero where none came."""
    inside = (months >= first) & (months < first + length)
    laid = np.zeros(length)
    laid[np.asarray(months)[inside] - first] = np.asarray(counts)[inside]
    return laid
