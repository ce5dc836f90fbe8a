"""A simulated B2B portfolio: tables as a company would have recorded them, and, aside, the truth that made them."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from features.errors import RiskError
from pipeline.sources._simulated_portfolio import PortfolioBlock
from pipeline.sources._simulated_scenarios import plan
from pipeline.sources._simulated_tables import SCHEMAS, TRUTH_SCHEMAS, Files, encode
from pipeline.sources._simulated_world import BLOCK, Calendar, join, take


@dataclass(frozen=True)
class Settings:
    """What to simulate: `customers` over `months` from `first_month` (YYYY-MM or its first day).

    Four fifths of the customers open the book, the others arrive evenly over the first seven years. `scenario` (see docs/simulated.md)
    sets in with `scenario_month` (0 is the first) in a `scenario_size`, None meaning its usual one. A reference PD is written for every
    `reference_every_months`-th month end, from `reference_draws` draws (200 at least).
    """

    customers: int = 5000
    first_month: str = "2018-01-01"
    months: int = 84
    seed: int = 1
    scenario: str = "calm"
    scenario_month: int = 0
    scenario_size: float | None = None
    reference_draws: int = 200
    reference_every_months: int = 3

    def __post_init__(self):
        _check(self)

    @property
    def calendar(self):
        """The calendar that counts months from the first one."""
        return Calendar(np.datetime64(self.first_month[:7], "M"))

    @property
    def plan(self):
        """What the portfolio lives through."""
        return plan(self.scenario, self.scenario_month, self.scenario_size)

    @property
    def blocks(self):
        """Number of blocks of customers."""
        return -(-self.customers // BLOCK)


def _check(settings):
    limits = {"customers": (1, 9_999_999), "months": (1, 1_000), "seed": (0, 2**63 - 1), "reference_draws": (200, 100_000),
              "reference_every_months": (1, 1_000)}
    for name, (low, high) in limits.items():
        if not low <= getattr(settings, name) <= high:
            raise RiskError(f"simulated: {name} = {getattr(settings, name)} is out of range; give a number from {low} to {high}")
    plan(settings.scenario, settings.scenario_month, settings.scenario_size)
    # numpy alone would take 20 for the year 20, and 2018-01x for January.
    if not re.fullmatch(r"(19|20)\d{2}-(0[1-9]|1[0-2])(-01)?", settings.first_month):
        raise RiskError(f"simulated: first_month = {settings.first_month!r} is not a month; write it as YYYY-MM")


def settings_from(params):
    """Settings from the `simulated` section of the parameters, which has the same names.

    Raises: RiskError for a value out of range.
    """
    return Settings(**{field.name: getattr(params, field.name) for field in fields(Settings)})


def last_day(first_month, months):
    """The last simulated day as YYYY-MM-DD: nothing that became known later is in the tables."""
    return str((np.datetime64(first_month[:7], "M") + months).astype("datetime64[D]") - 1)


class Portfolio:
    """One block of a thousand customers (block 0 holds C0000001 to C0001000) that advances month by month.

    Block b is the same whatever the number of customers in the settings; those beyond it are simulated and left out of the rows.
    """

    def __init__(self, settings, block=0):
        self.settings, self.number = settings, block
        self._block = PortfolioBlock(settings.seed, block, settings.calendar, settings.plan)

    @property
    def month(self):
        """Number of months simulated so far."""
        return self._block.month

    def step(self, decisions=None):
        """Simulate one month and return the rows that became known in it: {table: {column: array}}.

        decisions: customer_id -> (limit factor, stop); they hold from this month until changed. The factor scales new invoices, contracts
        and the limit; a stopped customer gets no new invoice or contract. Customers of other blocks are ignored. Each inner dictionary
        is a valid argument of pyarrow.table; its rows stand by customer and known_at. A cured default comes a second time, with cured_at, when
        its cure is known.

        Raises: RiskError for an identifier that is not one of this simulation.
        """
        return self._encoded(self.advance(decisions), SCHEMAS)

    def advance(self, decisions=None):
        """The rows of `step` before their identifiers, dates and categories are written out."""
        rows = self._block.advance(_by_place(decisions or {}, self.number))
        return {name: self._mine(part) for name, part in rows.items()}

    def step_truth(self):
        """The truth of the last simulated month in the form of `step`: fraud, and reference and state where a reference PD is due."""
        due = self.month % self.settings.reference_every_months == 0
        return self._encoded({"fraud": self.fraud_truth()} | (self.truth() if due else {}), TRUTH_SCHEMAS)

    def _encoded(self, rows, schemas):
        return {name: encode(_ordered(part), schemas[name], block_start=self.number * BLOCK) for name, part in rows.items()}

    def truth(self):
        """The truth at the end of the last simulated month, one row per customer in business: {"reference": …, "state": …}."""
        rows = self._block.truth(self.settings.reference_draws)
        return {name: self._mine(part) for name, part in rows.items()}

    def fraud_truth(self):
        """Transactions of the last simulated month with the probability of fraud that their record gives."""
        return self._mine(self._block.fraud_truth)

    def _mine(self, rows):
        room = self.settings.customers - self.number * BLOCK
        return rows if room >= BLOCK or "customer" not in rows else take(rows, np.flatnonzero(rows["customer"] < room))


def _by_place(decisions, block):
    """Decisions of one block by the customer's place in it."""
    try:
        places = {int(customer_id.removeprefix("C")) - 1 - block * BLOCK: decision for customer_id, decision in decisions.items()}
    except ValueError:
        raise RiskError("simulated: a decision's customer_id is not like C0000001; take it from the customers table") from None
    return {place: decision for place, decision in places.items() if 0 <= place < BLOCK}


def simulate(folder, truth_folder, *, settings, progress=None):
    """Write one Parquet file per table into `folder`, and reference.parquet, state.parquet and fraud.parquet into `truth_folder`.

    Rows known after the last simulated month are left out; within a file they stand block after block, by customer and known_at. Memory
    does not grow with the number of customers. `progress` has `update(n)`, called once for every month's worth of all customers.
    All files are written beside their names and replaced together at the end.
    """
    with Files(Path(folder), SCHEMAS) as tables, Files(Path(truth_folder), TRUTH_SCHEMAS) as truth:
        for block in range(settings.blocks):
            _write_block(settings, block, tables, truth, _Ticks(progress, settings.blocks, block * settings.months))


def _write_block(settings, block, tables, truth, ticks):
    portfolio = Portfolio(settings, block)
    parts, asides = {name: [] for name in SCHEMAS}, {name: [] for name in TRUTH_SCHEMAS}
    for month in range(1, settings.months + 1):
        _collect(parts, portfolio.advance())
        _collect(asides, {"fraud": portfolio.fraud_truth()})
        if month % settings.reference_every_months == 0:
            _collect(asides, portfolio.truth())
        ticks.tick()
    asides["fraud"] = [_known(asides["fraud"], settings)]
    parts["outcomes"] = [_with_cures(parts["outcomes"])] if parts["outcomes"] else []
    _write(tables, parts, block)
    _write(truth, asides, block)


def _collect(parts, rows):
    for name, part in rows.items():
        parts[name].append(part)


def _write(files, parts, block):
    for name, pieces in parts.items():
        if pieces:
            files.write(name, _ordered(join(pieces)), block_start=block * BLOCK)


def _ordered(rows):
    time = rows.get("known_at", rows.get("as_of"))
    return take(rows, np.lexsort((time, rows["customer"]) if "customer" in rows else (time,)))


def _known(pieces, settings):
    rows = join(pieces)
    return take(rows, np.flatnonzero(rows["known_at"] < settings.calendar.start(settings.months)))


def _with_cures(pieces):
    """One row per outcome: a cure that is known by the end goes into the row of its default."""
    rows = join(pieces)
    rows = take(rows, np.lexsort((rows["known_at"], rows["occurred_at"], rows["transaction_id"], rows["customer"])))
    same = [rows[name][1:] == rows[name][:-1] for name in ("customer", "transaction_id", "occurred_at")]
    second = np.flatnonzero(np.append(False, same[0] & same[1] & same[2]))
    cured_at = rows["cured_at"].copy()
    cured_at[second - 1] = cured_at[second]
    return take(rows | {"cured_at": cured_at}, np.setdiff1d(np.arange(len(cured_at)), second))


class _Ticks:
    """Counts block-months and reports whole months of the portfolio."""

    def __init__(self, progress, blocks, done):
        self.progress, self.blocks, self.done = progress, blocks, done

    def tick(self):
        self.done += 1
        if self.progress is not None and self.done % self.blocks == 0:
            self.progress.update(1)
