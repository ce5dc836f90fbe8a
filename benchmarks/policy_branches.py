"""One simulated portfolio that goes on under many policies at once, each seeing what its own decisions made of the records.

Common random numbers: every draw of the simulator has a stream of its own, so who defaults when, what happens on the accounts, in court and in the
statements, and whose invoices would be issued when and paid how late, is the same in every branch. What differs is what was decided: the amounts of invoices
and contracts (none for who is stopped), with them payments, exposures and what a default costs; and the numbers of later invoices, which move the time of
a payment within its day.
"""

import copy
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.policy_accounts import NONE, Account, factors, reviewed, usual_exposure
from benchmarks.policy_family import decide
from features.catalogue import Catalogue
from features.feeders.duck import featurize as feed
from models.target import drop_in_default
from pipeline.columns import read_columns
from pipeline.datasets import TABLES, case_path, read_json
from pipeline.featurize import available_columns
from pipeline.frames import write_frame
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.sources.simulated import Portfolio, last_day, settings_from
from pipeline.spine import active_customers, end_of
from serving.standing import standing_catalogue

STANDING = ("capacity", "days_past_due", "open_lawsuit_amount")
DECIDED, MONTHS = ("invoices", "payments", "contracts", "exposures"), 3
BRANCHES = Path("data/branches")
# Months after the last one judged in which nobody gets anything new, until what is open is paid or lost: terms of 60 days, paid three months late, and a
# default known a month later.
RUN_OFF = 6


class Branch:
    """A portfolio under one policy scored by one scorer; without them it is let go on. `folder` holds its tables."""

    def __init__(self, portfolios, tables, folder, *, policy=None, scorer=None):
        self.portfolios, self.tables, self.folder, self.policy, self.scorer = portfolios, dict(tables), folder, policy, scorer
        self.decisions, self.account, self.begun = {}, Account(0.0, 0.0), portfolios[0].month
        self.free = _frame(tables["exposures"], ("customer_id", "known_at", "exposure"))
        if policy is not None:
            folder.mkdir(parents=True)
            for path in TABLES.iterdir():
                (folder / path.name).symlink_to(path.resolve())

    def decide(self, book, fixed, catalogue):
        """Decide the whole book by what is known in this branch; holds until decided anew. `fixed` are the columns that no decision moves; `catalogue`
        declares those that one may."""
        if self.policy is None:
            return
        names = {*self.scorer.names, *STANDING}
        for table in DECIDED:
            replace_table(self.folder / f"{table}.parquet", self.tables[table])
        columns = fixed | featurized(self.folder, book, catalogue.only([name for name in catalogue.names if name in names]))
        usual = usual_exposure(self.free, book)
        decided = decide(self.policy, *self.scorer.shape(self.scorer.raw(columns)), {name: columns[name] for name in STANDING} | {"exposure": usual})
        factor = factors(decided, usual)
        self.decisions |= {customer: (float(share) or 1.0, share == 0) for customer, share in zip(book["customer_id"], factor, strict=True)}
        self.account += reviewed(decided, factor)

    def month(self):
        """One month on, by the decisions that hold."""
        rows = stepped(self.portfolios, self.decisions)
        self.account += Account(_sum(rows.get("invoices"), "amount"), self._lost(rows.get("outcomes")))
        for table in self.tables:
            if table in rows:
                schema = self.tables[table].schema
                self.tables[table] = pa.concat_tables([self.tables[table], rows[table].select(schema.names).cast(schema)])
        bound = [customer for customer, decision in self.decisions.items() if decision != (1.0, False)]
        month_end = _frame(rows["exposures"], ("customer_id", "known_at", "exposure"))
        self.free = pd.concat([self.free, month_end[~month_end["customer_id"].isin(bound)]], ignore_index=True)

    def run_off(self):
        """Let what is open be paid or lost, without new business."""
        everybody = dict.fromkeys(_customers(self.portfolios), (1.0, True))
        for _ in range(RUN_OFF):
            rows = stepped(self.portfolios, everybody)
            self.account += Account(0.0, self._lost(rows.get("outcomes")))

    def _lost(self, outcomes):
        """What the defaults since the branch began cost, as the outcomes of a month say. A cure repeats its default."""
        if outcomes is None:
            return 0.0
        found = outcomes.to_pandas()
        since = pd.Timestamp(last_day(self.portfolios[0].settings.first_month, self.begun)) + pd.Timedelta(days=1)
        return float(found.loc[found["kind"].eq("default") & found["cured_at"].isna() & (found["occurred_at"] >= since), "loss"].sum())


def stepped(portfolios, decisions):
    """What became known in one month of all blocks, {table: Arrow table}."""
    found = {}
    for portfolio in portfolios:
        for table, rows in portfolio.step(decisions).items():
            found.setdefault(table, []).append(pa.table(rows))
    return {table: pa.concat_tables(parts) for table, parts in found.items()}


def begun(months):
    """The portfolios of the working directory's parameters after so many months without decisions."""
    settings = settings_from(load_params().simulated)
    portfolios = [Portfolio(settings, block) for block in range(settings.blocks)]
    for portfolio in portfolios:
        for _ in range(months):
            portfolio.advance()
    return portfolios


def played(policies, scorers, *, first, last):
    """{(scorer, policy): Account} of months `first` to `last` (first exclusive, last inclusive) of `policies` ({(scorer, name): Policy}), and of NONE.

    All branches go on side by side. The one without a policy keeps the tables of the working directory up to date; what no decision moves is read from there.
    """
    rules, portfolios = load_params().observe.default, begun(first)
    settings = portfolios[0].settings
    everything = {path.stem: pq.read_table(path) for path in sorted(TABLES.glob("*.parquet"))}
    tables = {table: everything[table] for table in DECIDED}
    free = Branch(portfolios, everything, TABLES)
    branches = {key: Branch(copy.deepcopy(portfolios), tables, BRANCHES / f"{number}", policy=policy, scorer=scorers[key[0]])
                for number, (key, policy) in enumerate(policies.items())}
    fixed, moved = by_what_is_decided(catalogue(), {name for scorer in scorers.values() for name in scorer.names})
    for month in range(first, last):
        if (month - first) % MONTHS == 0:
            _keep(free)
            book = booked(last_day(settings.first_month, month), rules)
            columns = featurized(TABLES, book, fixed, scratch=BRANCHES)
            for branch in branches.values():
                branch.decide(book, columns, moved)
        for branch in (free, *branches.values()):
            branch.month()
    for branch in (free, *branches.values()):
        branch.run_off()
    return {(NONE, NONE): free.account} | {key: branch.account for key, branch in branches.items()}


def booked(day, rules):
    """Whom the book of a day holds: observation_id, customer_id, as_of. Who does business moves an account, whatever is decided of him."""
    rows = active_customers(pd.DatetimeIndex([day]).as_unit("us"), active_days=rules.active_days)
    return drop_in_default(rows, known_outcomes("default", rules, known_by=end_of(day))).reset_index(drop=True)


def catalogue():
    """The catalogue that the scorers learned with, and the standing that policies ask for."""
    folder = case_path("default", "development")
    learned_with = Catalogue.from_dict(read_json(folder / "catalogue.json"))
    standing = standing_catalogue(available_columns(folder, "default"), preferred_basis=learned_with.preferred_basis)
    return learned_with.of([*learned_with.features, *standing.only(STANDING).features])


def by_what_is_decided(catalogue, names):
    """Two catalogues, of the named features and the standing: those that no decision moves, the same in every branch, and those that one may."""
    asked = [each for each in catalogue.features if each.name in names or each.name in STANDING]
    return tuple(catalogue.of([each for each in asked if bool(set(each.needs) & set(DECIDED)) == moved]) for moved in (False, True))


def featurized(tables, book, catalogue, *, scratch=None):
    """The catalogue's columns of a book, from the tables of a folder."""
    folder = (scratch or tables) / "book"
    write_frame(folder / "observations.parquet", book)
    feed(tables, folder / "observations.parquet", folder / "features.parquet", catalogue=catalogue, threads=1)
    return read_columns(folder / "features.parquet")


def _keep(branch):
    """Write the branch's tables; a default whose cure became known stands once, with it."""
    outcomes = branch.tables["outcomes"].to_pandas().drop_duplicates(["customer_id", "transaction_id", "kind", "occurred_at"], keep="last")
    tables = branch.tables | {"outcomes": pa.Table.from_pandas(outcomes, schema=branch.tables["outcomes"].schema, preserve_index=False)}
    for table, rows in tables.items():
        replace_table(branch.folder / f"{table}.parquet", rows)


def replace_table(path, table):
    """Write a table in place of what is there, which may be another branch's by link."""
    beside = path.with_name(path.name + ".part")
    pq.write_table(table, beside, compression="none")
    os.replace(beside, path)


def _customers(portfolios):
    return [f"C{number:07d}" for number in range(1, portfolios[0].settings.customers + 1)]


def _sum(table, column):
    return 0.0 if table is None else float(np.sum(table[column].to_numpy()))


def _frame(table, columns):
    return table.select(list(columns)).to_pandas()
