"""`risk policy diff`: two policies on today's book and on matured history, and the loss to expect of what they grant."""

import contextlib
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.errors import RiskError
from models.bundle import load_bundle
from models.clusters import cluster_codes
from models.forecast import forecast, severity, within
from models.horizon import MONTH_DAYS, horizon_of
from models.policy import MINOR_UNITS, decide_book, load_policy, spent_before
from models.sample import CALIBRATION
from models.what_if import Cases, compare_credit, compare_fraud
from pipeline.columns import read_columns
from pipeline.computed import computed
from pipeline.datasets import INGEST, TABLES, case_path, read_json
from pipeline.featurize import available_columns
from pipeline.frames import read_frame
from pipeline.in_force import in_force
from pipeline.outcomes import known_outcomes
from pipeline.params import load_params
from pipeline.reports.records import names, open_tables
from pipeline.spine import end_of
from serving.standing import policy_arguments, standing_catalogue

WORKING_DAYS = 21


def policy_diff(old, new, use_case, *, ask="0", months=(3, 6, 12), movers=10):
    """Compare two policy files and return a dict: `old` and `new` (path, hash), `currency`, `book` and `history` (of `models.what_if`; history is None where
    nothing was judged), and for default `forecast` (see `book_forecast`).

    ask: what each customer asks for on top of its exposure once a month, a share (`10%`) or whole currency units (`50000`). Raises: RiskError for a faulty
    policy, when the stages have not run, or for an `ask` that is neither.
    """
    policies = [load_policy(path, use_case) for path in (old, new)]
    params = load_params()
    how = {"repeats": params.validate.repeats, "seed": params.validate.seed}
    compare = compare_credit if use_case == "default" else compare_fraud
    cases = {"book": _book(use_case, ask), "history": _history(use_case, ask, policies[1], params)}
    # On history a customer comes several times, and what it was then is no news.
    found = {side: None if each is None else compare(*policies, each.cases, movers=movers if side == "book" else 0, **how) for side, each in cases.items()}
    for side, each in cases.items():
        if each is not None:
            found[side] |= {"first": each.first, "last": each.last}
    about = {side: {"path": str(path), "hash": policy.hash} for side, path, policy in zip(("old", "new"), (old, new), policies, strict=True)}
    ahead = book_forecast(policies, cases["book"].cases, cases["history"], use_case, params, months=months) if use_case == "default" else None
    _name_movers(found["book"]["movers"], params, read_json(case_path(use_case, "book", "about.json"))["as_of"])
    return {**about, "use_case": use_case, "currency": policies[1].spec.currency, "ask": ask, **found, "forecast": ahead}


class _Read:
    """Cases with their first and last day, and what history knows of defaults: a frame of loss, exposure and customer_id of bad rows."""

    def __init__(self, cases, days, *, bad=None, target=None):
        self.cases, self.bad, self.target = cases, bad, target
        self.first, self.last = (f"{day:%Y-%m-%d}" for day in (days.min(), days.max()))


def book_forecast(policies, cases, history, use_case, params, *, months):
    """The loss to expect of today's book at what each policy grants: {"severity": {"rate", "known" (past defaults it is drawn from)}, "asset_correlation",
    "ahead": a list, one per number of months, of {"months", "old", "new", "constant_rate"}}, the last three as `models.forecast.forecast` gives them, loss in
    minor units.

    Beside both PDs' forecasts that of a constant rate: every customer as likely to default as the matured rows were, granted what the new policy grants;
    None without history.
    """
    manifest = load_bundle(in_force(params.source.name, use_case).folder).manifest
    horizon = horizon_months(manifest.probability_name)
    past = ([], [], []) if history is None else (history.bad[name] for name in ("loss", "exposure", "customer_id"))
    cost = severity(*past, assumed=policies[1].spec.default.limits.loss_given_default)
    granted = [decide_book(policy, **cases.asked(), spent=spent_before(policy, cases.day, **cases.asked())).limit for policy in policies]
    how = {"asset_correlation": params.evaluate.asset_correlation, "seed": params.validate.seed}
    counts = manifest.training["counts"]
    found = []
    for ahead in months:
        p = within(cases.probability, ahead, horizon_months=horizon)
        sides = {side: forecast(p, limit, cost, estimated_from=counts[CALIBRATION]["bad_customers"], **how)
                 for side, limit in zip(("old", "new"), granted, strict=True)}
        flat = None
        if history is not None and history.target.any():
            rate = np.full(len(p), within(history.target.mean(), ahead, horizon_months=horizon))
            flat = forecast(rate, granted[1], cost, estimated_from=history.bad["customer_id"].nunique(), **how)
        found.append({"months": ahead, **sides, "constant_rate": flat})
    return {"severity": {"rate": cost.rate, "known": int(len(cost.pool))}, "asset_correlation": params.evaluate.asset_correlation, "ahead": found}


def horizon_months(name):
    """Months that a probability of this name looks ahead."""
    count, unit = horizon_of(name)
    return count if unit == "m" else count / MONTH_DAYS


def _book(use_case, ask):
    scores = read_frame(case_path(use_case, "scores.parquet"))
    if use_case == "fraud":
        rows = scores.merge(read_frame(case_path(use_case, "book", "observations.parquet"), ["observation_id", "amount"]), on="observation_id", how="left")
        return _Read(_transactions(rows, rows["p_fraud"]), rows["as_of"])
    standing = read_columns(case_path(use_case, "book", "standing.parquet"))
    same = pq.read_table(case_path(use_case, "book", "standing.parquet"), columns=["observation_id"])["observation_id"].to_pylist()
    if same != scores["observation_id"].tolist():
        raise RiskError(f"{use_case}: the scores are of another book than today's: run `dvc repro` first.")
    name = next(column for column in scores if horizon_of(column))
    return _Read(_credit(scores, scores[name], standing, ask), scores["as_of"])


def _history(use_case, ask, policy, params):
    """The out-of-time rows with what was known of them on their day and what became of them; None where no row is bad or none was judged."""
    path = case_path(use_case, "evaluation", "predictions.parquet")
    if not path.exists():
        return None
    rows = read_frame(path)
    if use_case == "fraud":
        rows = rows.merge(read_frame(case_path(use_case, "development", "observations.parquet"), ["observation_id", "amount"]), on="observation_id", how="left")
        return _Read(_transactions(rows, rows["probability"], target=rows["target"]), rows["as_of"])
    standing = standing_of(rows, use_case, params)
    bad = realised(rows, standing, params)
    lgd = policy.spec.default.limits.loss_given_default
    rate = np.zeros(len(rows))
    rate[bad.index] = np.where(np.isfinite(bad["loss"]) & (bad["exposure"] > 0), bad["loss"] / bad["exposure"].where(bad["exposure"] > 0, 1), lgd)
    cases = _credit(rows, rows["probability"], standing, ask, loss_rate=rate)
    return _Read(cases, rows["as_of"], bad=bad, target=rows["target"].to_numpy())


def standing_of(rows, use_case, params):
    """What the policy asks for of each row (observation_id, customer_id, as_of), as of its day: columns of `serving.standing`."""
    catalogue = standing_catalogue(available_columns(case_path(use_case, "development"), use_case), preferred_basis=params.featurize.preferred_basis)
    return computed(rows, catalogue, threads=params.featurize.threads)


def realised(rows, standing, params):
    """The bad rows' index with customer_id, as_of, exposure on the day, and occurred_at and loss (minor units) of the first default after it, missing where the
    source does not say."""
    bad = rows.loc[rows["target"] == 1, ["customer_id", "as_of"]]
    exposure = np.asarray(standing.get("exposure", np.full(len(rows), np.nan)))[bad.index]
    nothing = bad.assign(exposure=exposure, occurred_at=pd.NaT, loss=np.nan)
    if not (TABLES / "outcomes.parquet").exists():
        return nothing
    outcomes = known_outcomes("default", params.observe.default, known_by=end_of(read_json(INGEST)["today"]))
    if "loss" not in outcomes:
        return nothing
    known = outcomes[["customer_id", "occurred_at", "loss"]].sort_values("occurred_at")
    met = pd.merge_asof(bad.reset_index().sort_values("as_of"), known, left_on="as_of", right_on="occurred_at", by="customer_id", direction="forward",
                        allow_exact_matches=False).set_index("index").reindex(bad.index)
    return bad.assign(exposure=exposure, occurred_at=met["occurred_at"], loss=met["loss"].astype("float64"))


def _transactions(rows, probability, *, target=None):
    day = rows["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    months = max((day.max() - day.min() + 1) / MONTH_DAYS, 1 / MONTH_DAYS)
    amount = np.abs(rows["amount"].fillna(0).to_numpy()).astype(np.int64)
    return Cases(rows["customer_id"].to_numpy(), probability.to_numpy(), day, months, amount=amount,
                 loss_rate=None if target is None else target.to_numpy(dtype=np.float64))


def _credit(rows, probability, standing, ask, *, loss_rate=None):
    arguments = policy_arguments(standing)
    exposure = np.broadcast_to(arguments["exposure"], len(rows))
    book = rows["as_of"].to_numpy().astype("datetime64[D]").astype(np.int64)
    # Requests of a month come in on its working days, in the order of a drawn permutation of the customers.
    code = cluster_codes(rows["customer_id"])
    order = np.random.default_rng(0).permutation(code.max() + 1)[code]
    return Cases(rows["customer_id"].to_numpy(), probability.to_numpy(), book * WORKING_DAYS + order % WORKING_DAYS, len(np.unique(book)),
                 grade=rows["grade"].to_numpy(), amount=_asked(ask, exposure), exposure=exposure, capacity=arguments["capacity"], facts=arguments["facts"],
                 loss_rate=loss_rate)


def _asked(ask, exposure):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", ask)
    if match is None:
        raise RiskError(f"--ask {ask} is neither a share of the exposure, such as 10%, nor whole currency units, such as 50000.")
    if match[2]:
        return (exposure * (float(match[1]) / 100)).astype(np.int64)
    return np.full(len(exposure), int(float(match[1]) * MINOR_UNITS))


def _name_movers(movers, params, as_of):
    with contextlib.closing(open_tables(TABLES, as_of=as_of, threads=params.ingest.threads)) as connection:
        known = names(connection, {mover["customer_id"] for mover in movers})
    for mover in movers:
        mover["name"] = known.get(mover["customer_id"])
