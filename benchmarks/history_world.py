"""Simulated histories that share their past: up to its month a scenario changes nothing, to the bit, so the months before are simulated once."""

import copy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources._simulated_scenarios import plan
from pipeline.sources._simulated_tables import SCHEMAS, arrow_schema, encode, open_writer
from pipeline.sources._simulated_world import BLOCK
from pipeline.sources.simulated import Portfolio, _collect, _ordered, _with_cures, join

OUTCOMES = "outcomes"


class Past:
    """The months before the change: every block where it stands, and the rows known so far ({table: Arrow tables}, outcomes before their cures are joined)."""

    def __init__(self, settings, months):
        self.settings, self.months = settings, months
        self.portfolios = [Portfolio(settings, block) for block in range(settings.blocks)]
        parts = [advanced(portfolio, months) for portfolio in self.portfolios]
        self.outcomes = [part.pop(OUTCOMES) for part in parts]
        self.rows = {name: [encoded(name, part[name], block) for block, part in enumerate(parts) if part[name]] for name in SCHEMAS if name != OUTCOMES}

    def write(self, folder):
        """The tables of the past alone."""
        self._write(Path(folder), [{name: [] for name in SCHEMAS} for _ in self.portfolios])

    def go_on(self, scenario, months, folder):
        """Simulate `months` more in which the scenario sets in at once, and write the tables of past and future into a folder."""
        portfolios = [changed(portfolio, scenario, self.months) for portfolio in self.portfolios]
        self._write(Path(folder), [advanced(portfolio, months) for portfolio in portfolios])

    def _write(self, folder, later):
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in SCHEMAS.items():
            with open_writer(folder / f"{name}.parquet", schema) as writer:
                for part in self._parts(name, later):
                    writer.write_table(part)

    def _parts(self, name, later):
        if name != OUTCOMES:
            yield from self.rows[name]
        for block, part in enumerate(later):
            pieces = [*self.outcomes[block], *part[name]] if name == OUTCOMES else part[name]
            if pieces:
                yield encoded(name, [_with_cures(pieces)] if name == OUTCOMES else pieces, block)


def advanced(portfolio, months):
    """The rows of so many more months, {table: [rows]}."""
    parts = {name: [] for name in SCHEMAS}
    for _ in range(months):
        _collect(parts, portfolio.advance())
    return parts


def changed(portfolio, scenario, month):
    """A copy of a portfolio that lives through the scenario from a month on."""
    other = copy.deepcopy(portfolio)
    other._block.plan = other._block.economy.plan = plan(scenario, month)
    return other


def encoded(name, pieces, block):
    """Rows of one block as an Arrow table of the contract's columns."""
    columns = encode(_ordered(join(pieces)), SCHEMAS[name], block_start=block * BLOCK)
    return pa.table(columns, schema=arrow_schema(SCHEMAS[name]))


def about_of(folder, *, until):
    """What ingest.json says of these tables on a day (rows known by then): rows, first and last day known, today and complete_to."""
    tables = {name: _known(Path(folder) / f"{name}.parquet", until) for name in SCHEMAS}
    return {"source": "simulated", "description": "a simulated portfolio", "simulated": True, "use_cases": ["default", "fraud"], "protocol": None,
            "horizon_days": None, "today": until, "complete_to": until, "tables": tables, "findings": []}


def _known(path, until):
    days = pq.read_table(path, columns=["known_at"])["known_at"].to_numpy().astype("datetime64[D]")
    days = days[days <= np.datetime64(until)]
    first, last = (None, None) if not len(days) else (str(days.min()), str(days.max()))
    return {"read": len(days), "kept": len(days), "rejected": {}, "known_from": first, "known_to": last}
