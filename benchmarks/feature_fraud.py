"""Part `fraud` of `benchmarks.features`: one observation per card transaction, windows of its customer and of its terminal.

The rows are drawn as the public card-fraud simulators draw them (customers and terminals on a square, a customer pays at the terminals near by; large amounts,
compromised terminals for four weeks and stolen cards for two make the frauds).
"""

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import feature_phases
from benchmarks.measuring import alternate, line, measured, serve_work
from features.arrays import DAY
from features.catalogue import Catalogue
from features.feature import feature
from features.feeders import duck
from features.terms import counterparty, ratio, window

MODULE = "benchmarks.feature_fraud"
CUSTOMERS, TERMINALS, DAYS, SEED = 5_000, 10_000, 183, 1
SQUARE, RADIUS = 100.0, 5.0
START = int(datetime.fromisoformat("2024-01-01T00:00:00+00:00").timestamp())
LARGE, TERMINALS_A_DAY, TERMINAL_DAYS, CARDS_A_DAY, CARD_DAYS = 22_000, 2, 28, 3, 14
LABEL_DAYS, WINDOWS = 7, (1, 7, 30)
CHECKED, TOLERANCE = 200, 1e-12


def catalogue_of_fraud():
    """Nine columns of the customer and six of the terminal."""
    declared = [_own(measure, days) for days in WINDOWS for measure in ("count", "mean", "sum")]
    return Catalogue("fraud", [*declared, *(each for days in WINDOWS for each in _terminal(days))])


def _own(measure, days):
    how = window("transactions", measure, "" if measure == "count" else "amount", days=days)
    return feature(f"customer_{measure}_{days}d", how, unit="", factor="transactions", missing="")


def _terminal(days):
    count, frauds = (counterparty(measure, days=days) for measure in ("count", "frauds"))
    about = {"unit": "", "factor": "transactions", "missing": "", "scope": "counterparty"}
    return feature(f"terminal_count_{days}d", count, **about), feature(f"terminal_fraud_rate_{days}d", ratio(frauds, count), **about)


# the rows


def draw(rows):
    """Columns of as many transactions in order of time: customer, terminal, occurred_at (seconds), amount (minor units), fraud."""
    random = np.random.default_rng(SEED)
    customer = np.sort(random.choice(CUSTOMERS, size=rows, p=_shares(random.uniform(0, 4, CUSTOMERS))))
    terminal = _terminals_of(customer, random)
    day = random.integers(0, DAYS, rows)
    second = _seconds_of_day(random, rows)
    amount, fraud = _frauds(customer, terminal, day, _amounts(customer, random), random)
    found = {"customer": customer, "terminal": terminal, "occurred": START + day * DAY + second, "amount": amount, "fraud": fraud}
    order = np.lexsort((customer, found["occurred"]))
    return {name: column[order] for name, column in found.items()}


def _seconds_of_day(random, rows):
    """Most about noon; what would fall on another day, at any time."""
    second = random.normal(DAY / 2, 20_000, rows)
    return np.where((second < 0) | (second >= DAY), random.uniform(0, DAY, rows), second).astype(np.int64)


def _shares(weights):
    return weights / weights.sum()


def _terminals_of(customer, random):
    """Of each row a terminal among those within the radius of its customer, or any where none is."""
    homes, places = random.uniform(0, SQUARE, (CUSTOMERS, 2)), random.uniform(0, SQUARE, (TERMINALS, 2))
    chosen, ends = np.empty(len(customer), dtype=np.int64), np.searchsorted(customer, np.arange(CUSTOMERS + 1))
    for number, home in enumerate(homes):
        near = np.flatnonzero(((places - home) ** 2).sum(axis=1) < RADIUS**2)
        chosen[ends[number] : ends[number + 1]] = random.choice(near if len(near) else TERMINALS, size=ends[number + 1] - ends[number])
    return chosen


def _amounts(customer, random):
    """Normal about each customer's own mean with half of it as deviation, drawn anew where that is negative."""
    mean = random.uniform(500, 10_000, CUSTOMERS)[customer]
    drawn = random.normal(mean, mean / 2)
    return np.maximum(np.where(drawn < 0, random.uniform(0, 2 * mean), drawn), 1).astype(np.int64)


def _frauds(customer, terminal, day, amount, random):
    """Amounts and what is fraud: every large amount, all of a compromised terminal, a third of a stolen card's at five times the amount."""
    at_terminal = _spells(TERMINALS, TERMINALS_A_DAY, TERMINAL_DAYS, random)[terminal, day]
    stolen = _spells(CUSTOMERS, CARDS_A_DAY, CARD_DAYS, random)[customer, day] & (random.random(len(day)) < 1 / 3)
    return np.where(stolen, 5 * amount, amount), (amount > LARGE) | at_terminal | stolen


def _spells(members, a_day, days, random):
    """Which members are struck on which day, a boolean array (members, DAYS): so many new ones each day, each for so many days."""
    struck = np.zeros((members, DAYS), dtype=bool)
    for day in range(DAYS):
        struck[random.choice(members, size=a_day, replace=False), day : day + days] = True
    return struck


def work_make(clock, *, folder, rows):
    """Tables transactions and outcomes, and the observations: each transaction, asked one second before it as in `pipeline.spine`."""
    found, folder = draw(rows), Path(folder)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    at, ids = _moments(found["occurred"]), pa.array([f"T{number:08d}" for number in range(rows)])
    table = {"transaction_id": ids, "customer_id": _ids("C", CUSTOMERS, found["customer"]), "occurred_at": at, "known_at": at,
             "amount": pa.array(found["amount"]), "counterparty_id": _ids("T", TERMINALS, found["terminal"])}
    pq.write_table(pa.table(table), folder / "tables" / "transactions.parquet")
    frauds = np.flatnonzero(found["fraud"])
    outcomes = {name: table[name].take(pa.array(frauds)) for name in ("customer_id", "transaction_id", "occurred_at")}
    known = _moments(found["occurred"][frauds] + LABEL_DAYS * DAY)
    pq.write_table(pa.table({**outcomes, "kind": ["fraud"] * len(frauds), "known_at": known}), folder / "tables" / "outcomes.parquet")
    asked = {"observation_id": ids, **{name: column for name, column in table.items() if name != "known_at"}, "as_of": _moments(found["occurred"] - 1)}
    pq.write_table(pa.table(asked), folder / "observations.parquet")
    return {"frauds": len(frauds)}


def _ids(letter, members, code):
    return pa.array([f"{letter}{number:05d}" for number in range(members)]).take(pa.array(code))


def _moments(seconds):
    return pa.array(seconds * 1_000_000, pa.timestamp("us"))


# what children measure


def work_ours(clock, *, folder, threads):
    """The DuckDB feeder, which builds the terminals' context too."""
    folder = Path(folder)
    duck.featurize(folder / "tables", folder / "observations.parquet", folder / "ours" / "features.parquet", catalogue=catalogue_of_fraud(), threads=threads)


def work_phases(clock, *, folder, threads):
    """The same run with clocks around its steps."""
    folder = Path(folder)
    out = folder / "ours" / "phases.parquet"
    return feature_phases.phases(folder / "tables", folder / "observations.parquet", out, catalogue=catalogue_of_fraud(), threads=threads)


def work_check(clock, *, folder):
    """Some observations against a loop over all rows that knows neither kernel nor context; what differs."""
    folder = Path(folder)
    rows = pq.read_table(folder / "tables" / "transactions.parquet")
    found, ours = _naive_rows(rows, folder), pq.read_table(folder / "ours" / "features.parquet")
    chosen = np.sort(np.random.default_rng(SEED).choice(len(rows), size=min(CHECKED, len(rows)), replace=False))
    sampled = ours.take(pa.array(chosen)).to_pylist()
    differing = [(row["observation_id"], name) for place, row in zip(chosen, sampled, strict=True)
                 for name, figure in _naive(found, place).items() if not _same(row[name], figure)]
    return {"checked": len(chosen), "columns": len(catalogue_of_fraud()), "differing": differing}


def _naive_rows(rows, folder):
    """Columns as arrays, and of each row the second its fraud became known, NaN where none did."""
    outcomes = pq.read_table(folder / "tables" / "outcomes.parquet")
    known = dict(zip(outcomes["transaction_id"].to_pylist(), _seconds(outcomes["known_at"]), strict=True))
    return {"customer": np.array(rows["customer_id"].to_pylist()), "terminal": np.array(rows["counterparty_id"].to_pylist()),
            "at": _seconds(rows["occurred_at"]), "amount": rows["amount"].to_numpy(),
            "fraud_known": np.array([known.get(each, np.nan) for each in rows["transaction_id"].to_pylist()])}


def _seconds(column):
    return column.cast(pa.int64()).to_numpy() // 1_000_000


def _naive(found, place):
    """The columns of one observation: rows counted one by one; a terminal's days count whole, what is known on a day from the next midnight on."""
    as_of = found["at"][place] - 1
    mine = [(found["at"][each], int(found["amount"][each])) for each in np.flatnonzero(found["customer"] == found["customer"][place])]
    theirs = np.flatnonzero(found["terminal"] == found["terminal"][place])
    figures = {}
    for days in WINDOWS:
        amounts = [amount for at, amount in mine if as_of - days * DAY < at <= as_of]
        figures |= {f"customer_count_{days}d": len(amounts), f"customer_sum_{days}d": sum(amounts),
                    f"customer_mean_{days}d": sum(amounts) / len(amounts) if amounts else math.nan}
        count, frauds = (sum(_came(moment, as_of, days) for moment in found[name][theirs]) for name in ("at", "fraud_known"))
        figures |= {f"terminal_count_{days}d": count, f"terminal_fraud_rate_{days}d": frauds / count if count else math.nan}
    return figures


def _came(moment, as_of, days):
    """Whether the midnight after a moment lies in the window; False for what never came."""
    return not math.isnan(moment) and as_of - days * DAY < -(-moment // DAY) * DAY <= as_of


def _same(ours, expected):
    return math.isnan(ours) if math.isnan(expected) else abs(ours - expected) <= TOLERANCE * max(abs(expected), 1.0)


# what the measuring process does


def fraud(folder, options):
    """Print the spine's run, where its time goes and the check; the figures."""
    folder = folder / f"fraud-{options.fraud_rows}"
    made = measured(MODULE, "make", folder=folder, rows=options.fraud_rows)["told"]
    (folder / "ours").mkdir(exist_ok=True)
    given = {"folder": folder, "threads": options.threads}
    found = alternate({"ours": lambda: measured(MODULE, "ours", watch=folder / "ours" / ".features.parquet.scratch", **given)}, rounds=options.rounds)
    result = {"rows": options.fraud_rows, "fraud_share": made["frauds"] / options.fraud_rows, "columns": len(catalogue_of_fraud()), **found["ours"]}
    result |= {"phases": measured(MODULE, "phases", **given)["told"], "check": measured(MODULE, "check", folder=folder)["told"]}
    _print_fraud(result)
    return result


def _print_fraud(result):
    print(f"fraud: {result['rows']:,} transactions, each observed, {result['fraud_share']:.2%} fraud, {result['columns']} columns")
    print(line("ours", result), *feature_phases.lines(result["phases"]), sep="\n")
    check = result["check"]
    said = "equal" if not check["differing"] else f"NOT equal: {check['differing'][:3]}"
    print(f"  {check['checked']} observations × {check['columns']} columns against a naive loop: {said}")


if __name__ == "__main__":
    serve_work({"make": work_make, "ours": work_ours, "phases": work_phases, "check": work_check})
