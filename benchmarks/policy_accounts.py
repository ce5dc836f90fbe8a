"""What a policy earns on a simulated book: invoices, losses and reviews; its replay on matured history; and figures over seeds. Money in minor units."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats

from models.policy import ACTIONS, MINOR_UNITS
from models.policy_file import ROUTES

NONE = "none"
# What a signature costs in whole currency units, at the 80 an hour of params.yaml (fraud: 20 a quarter of an hour): an hour of one person; an hour and a
# half of each of two; five people for an hour and as much again to prepare the papers.
CASE_COSTS = {"automatic": 0, "one_person": 80, "two_persons": 240, "committee": 800}
QUARTER_DAYS = 365.25 / 4
USUAL_MONTHS = 12


@dataclass(frozen=True)
class Account:
    """What a book did over some months: invoiced, lost to defaults and spent on reviews, in minor units; decisions made, those of them that nobody had to
    sign, and those that stopped or reduced a customer."""

    invoiced: float
    lost: float
    reviews: float = 0.0
    decisions: int = 0
    automatic: int = 0
    stopped: int = 0
    reduced: int = 0

    def __add__(self, other):
        return Account(*(mine + theirs for mine, theirs in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def profit(self, margin):
        """`margin` of what was invoiced, less losses and reviews."""
        return margin * self.invoiced - self.lost - self.reviews


def usual_exposure(exposures, rows):
    """What each row's customer has open when nobody restricts it: the mean of its last USUAL_MONTHS unrestricted month ends known by as_of; (n,), 0 for none.

    exposures: customer_id, known_at, exposure of unrestricted month ends; rows: customer_id, as_of.
    """
    usual = np.zeros(len(rows))
    for as_of, places in rows.groupby("as_of").indices.items():
        last = exposures[exposures["known_at"] <= as_of].groupby("customer_id").tail(USUAL_MONTHS)
        usual[places] = rows["customer_id"].iloc[places].map(last.groupby("customer_id")["exposure"].mean()).fillna(0.0)
    return usual


def factors(decisions, usual):
    """The share of its usual business that each customer may do: granted over usual exposure, 0 where declined, 1 where nothing was asked for."""
    asked = np.asarray(usual, dtype=np.int64)
    granted = np.where(asked > 0, np.minimum(decisions.limit / np.maximum(asked, 1), 1.0), 1.0)
    return np.where(decisions.action == ACTIONS.index("decline"), 0.0, granted)


def reviewed(decisions, factor):
    """The Account of deciding alone, for one quarter: a case costs what its route does, as often in a quarter as the policy has the customer reviewed. A
    refusal costs nothing: it stands without a signature, and only going back on it would need one."""
    cost = np.array([CASE_COSTS[route] for route in ROUTES])[decisions.route] * MINOR_UNITS * (factor > 0)
    counts = {"decisions": len(decisions), "automatic": int((decisions.route == ROUTES.index("automatic")).sum()), "stopped": int((factor == 0).sum()),
              "reduced": int(((factor > 0) & (factor < 1)).sum())}
    return Account(0.0, 0.0, float((cost * QUARTER_DAYS / decisions.review_days).sum()), **counts)


def business(rows, invoices, payments, defaults, *, until):
    """What hangs on each decision of history: (invoiced, open), minor units (n,), of the invoices issued after a row's as_of, up to the customers' next date
    or `until` (inclusive), and of these what was open when the customer defaulted.

    rows: customer_id, as_of on dates common to all; invoices, payments: as in the tables; defaults: customer_id, occurred_at.
    """
    dates = np.sort(rows["as_of"].unique())
    own = invoices[(invoices["issued_at"] > dates[0]) & (invoices["issued_at"] <= until)]
    own = own.assign(as_of=dates[np.searchsorted(dates, own["issued_at"].to_numpy()) - 1], open=open_at_default(own, payments, defaults))
    sums = own.groupby(["customer_id", "as_of"])[["amount", "open"]].sum()
    found = sums.reindex(pd.MultiIndex.from_frame(rows[["customer_id", "as_of"]])).fillna(0.0)
    return found["amount"].to_numpy(), found["open"].to_numpy()


def open_at_default(invoices, payments, defaults):
    """What of each invoice had not been paid when its customer next defaulted, (n,); 0 where it did not."""
    asked = invoices[["invoice_id", "customer_id", "issued_at", "amount"]].assign(place=np.arange(len(invoices))).sort_values("issued_at", kind="stable")
    fallen = defaults[["customer_id", "occurred_at"]].rename(columns={"occurred_at": "default_at"}).sort_values("default_at", kind="stable")
    met = pd.merge_asof(asked, fallen, left_on="issued_at", right_on="default_at", by="customer_id", direction="forward")
    met = met[met["default_at"].notna()]
    paid = payments.merge(met[["invoice_id", "default_at"]], on="invoice_id")
    paid = paid[paid["occurred_at"] < paid["default_at"]].groupby("invoice_id")["amount"].sum()
    found = np.zeros(len(invoices))
    found[met["place"]] = np.maximum(met["amount"] - met["invoice_id"].map(paid).fillna(0), 0)
    return found


def replayed(factor, invoiced, opened, *, loss_given_default):
    """The Account of matured history had each row's business been scaled by `factor`, reviews aside: its invoices, and of what was open at default the share
    that the book loses."""
    return Account(float((factor * invoiced).sum()), float((factor * opened).sum() * loss_given_default))


def gain_error(customers, gains):
    """The standard error of what rows gain in sum, minor units; rows of one customer hang together. customers, gains: (n,)."""
    by_customer = pd.Series(np.asarray(gains)).groupby(np.asarray(customers)).sum()
    return float(np.sqrt(len(by_customer)) * by_customer.std())


def best(accounts, margin, *, doubt=None):
    """The name of the account that earns most, less its `doubt` ({name: minor units}) where there is one; of equals the first."""
    return max(accounts, key=lambda name: accounts[name].profit(margin) - (doubt[name] if doubt else 0.0))


def mean_interval(values, *, level=0.95):
    """{mean, low, high}: the mean over seeds and Student's interval of it; without ends for a single seed."""
    values = np.asarray(values, dtype=np.float64)
    half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return {"mean": float(values.mean()), "low": float(values.mean() - half), "high": float(values.mean() + half)}
