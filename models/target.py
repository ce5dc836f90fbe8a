"""The one module that looks forward: what happened in (as_of, as_of + horizon], and whether that window may be judged yet."""
import numpy as np
import pandas as pd

from features.errors import RiskError

MATURED, IMMATURE, INDETERMINATE = "matured", "immature", "indeterminate"
DECISION, REJECTED = "decision", "rejected"
TIME = "datetime64[us]"
FOREVER = pd.Timestamp("2262-01-01")


def label_defaults(observations, outcomes, *, horizon_days, reporting_lag_days, complete_to, grey_days=0):
    """Label every observation by the first default in its window, if the window may be judged at `complete_to`.

    observations: one row per (customer_id, as_of); a source that brings its own `target` is labelled from it, see `label_given`.
    outcomes: customer_id, kind, occurred_at, known_at and, where recorded, cured_at; read are kind "default" and kind "past_due", known by
    `complete_to`: the latter are the grey zone, stretches of being past due long enough to be no good customer and too short for a default
    (`models.past_due`).
    Returns one row per observation, same index: status (matured, immature, indeterminate), target (1.0, 0.0, NaN unless matured),
    target_known_at (the moment from which the label may be learned from), default_at (first default in the window, null without one) and
    event_seen (a default in the window was known at `complete_to`, whatever the status; for the ledger only).

    The window is open at as_of and closed at as_of + horizon_days. A row is matured when as_of + horizon_days + reporting_lag_days
    <= complete_to (both ends in days). A default cured within `grey_days` of its day is indeterminate: a slip of paper, not a failure. So is
    a window that meets a grey stretch and holds no default.
    An immature row has no target even when its default has already happened: bad rows become visible early and good ones only at the end
    of the window, so taking the visible ones would fill young cohorts with defaults.

    Raises: RiskError when a column is missing, dates are null, or grey_days exceeds reporting_lag_days.
    """
    if "target" in observations:
        return label_given(observations, complete_to=complete_to, label_after_days=horizon_days + reporting_lag_days)
    if grey_days > reporting_lag_days:
        raise RiskError(f"grey_days {grey_days} exceeds reporting_lag_days {reporting_lag_days}: "
                        "a row could mature before its cure is seen; raise reporting_lag_days")
    _need(observations, "observations", ("customer_id", "as_of"))
    events = _events(outcomes, "default", complete_to, key="customer_id")
    # A slip must not hide a real default later in the same window, so each kind is looked up on its own.
    quick = (events["cured_at"] - events["occurred_at"] <= pd.Timedelta(days=grey_days)) & (grey_days > 0)
    first, slip = (_first_after(observations, kind, key="customer_id") for kind in (events[~quick], events[quick]))
    as_of = observations["as_of"].astype(TIME)
    window_end = as_of + pd.Timedelta(days=horizon_days)
    mature_at, inside = window_end + pd.Timedelta(days=reporting_lag_days), first["occurred_at"] <= window_end
    known_at = np.maximum(mature_at, first["known_at"].where(inside).fillna(as_of))
    slipped = (slip["occurred_at"] <= window_end) & ~inside
    grey = slipped | (_meets(observations, window_end, _events(outcomes, "past_due", complete_to, key="customer_id")) & ~inside)
    labels = _labels(mature_at, first["occurred_at"].where(inside), grey, known_at, complete_to)
    return labels.assign(event_seen=inside | slipped)


def label_fraud(observations, outcomes, *, feedback_days, complete_to):
    """Label every transaction by whether it was reported as fraud, once `feedback_days` have passed.

    observations: one row per transaction (transaction_id, as_of); outcomes: transaction_id, kind, occurred_at, known_at; only kind "fraud"
    known by `complete_to` is read. Returns the columns of `label_defaults`; a row is matured when as_of + feedback_days <= complete_to, and
    a younger one has no target, reported or not, because "no complaint yet" is not "genuine".

    Raises: RiskError when a column is missing or dates are null.
    """
    if "target" in observations:
        return label_given(observations, complete_to=complete_to, label_after_days=feedback_days)
    _need(observations, "observations", ("transaction_id", "as_of"))
    events = _events(outcomes, "fraud", complete_to, key="transaction_id").drop_duplicates("transaction_id")
    found = events.set_index("transaction_id").reindex(observations["transaction_id"].to_numpy()).set_axis(observations.index)
    mature_at = observations["as_of"].astype(TIME) + pd.Timedelta(days=feedback_days)
    # A report that comes after the feedback days makes the label younger, not the transaction good.
    known_at = np.maximum(mature_at, found["known_at"].fillna(mature_at))
    return _labels(mature_at, found["occurred_at"], found["occurred_at"].isna() & False, known_at, complete_to)


def compromised(observations, reports, *, days=None):
    """Whether each observation's customer was known to be compromised at as_of, as a mask on the observations' index.

    observations: customer_id, as_of; reports: customer_id, known_at of frauds. A customer is compromised from the moment a fraud of his is known
    (known_at <= as_of; one that happened and is not reported yet counts for nothing) for `days`, or for good without a number: the account is blocked,
    and what follows on it needs no score. Le Borgne, Siblini, Lebichot and Bontempi (Reproducible Machine Learning for Credit Card Fraud Detection,
    chapter 3) leave such cards out of the judged rows, not of the training rows, whose labels are true all the same; so does `models.sample`.
    """
    _need(observations, "observations", ("customer_id", "as_of"))
    _need(reports, "outcomes", ("customer_id", "known_at"), dates=("known_at",))
    known = pd.DataFrame({"customer_id": reports["customer_id"].array, "known_at": reports["known_at"].astype(TIME).to_numpy()})
    known = known.sort_values("known_at", kind="stable").astype({"customer_id": observations["customer_id"].dtype})
    last = pd.merge_asof(_asked(observations, "customer_id"), known, left_on="as_of", right_on="known_at", by="customer_id", direction="backward")
    last = last.set_index("row").sort_index()
    held = last["known_at"].notna() if days is None else last["known_at"] > last["as_of"] - pd.Timedelta(days=days)
    return held.set_axis(observations.index).rename("compromised")


def without_rejected(observations):
    """The labelled observations with those whose `decision` is rejected made indeterminate, without a target: nobody can have seen what became of an
    application that was not let happen, and no default of it is no good outcome.

    observations: status, target and, where the source has it, decision.
    """
    if DECISION not in observations:
        return observations
    rejected = observations[DECISION].eq(REJECTED)
    return observations.assign(status=observations["status"].mask(rejected, INDETERMINATE), target=observations["target"].mask(rejected))


def label_given(observations, *, complete_to, label_after_days):
    """Take the target a source brought, as far as it was known at `complete_to`.

    observations: as_of, target (1, 0 or null) and, where the source has it, target_known_at; a null target_known_at counts as
    as_of + label_after_days. A target known later is immature; a null target that should be known by then is indeterminate.
    Returns the columns of `label_defaults`, with default_at null.

    Raises: RiskError when as_of is null, target holds anything but 0, 1 and null, or a row whose decision is rejected has one: nobody can have seen it.
    """
    _need(observations, "observations", ("as_of", "target"))
    target = pd.to_numeric(observations["target"], errors="coerce").astype("float64")
    strange = observations["target"].notna() & ~target.isin([0.0, 1.0])
    if strange.any():
        raise RiskError(f"observations, column target: {int(strange.sum())} rows are neither 0, 1 nor null; map them in the source's SQL")
    known_at = observations["as_of"].astype(TIME) + pd.Timedelta(days=label_after_days)
    if "target_known_at" in observations:
        known_at = observations["target_known_at"].astype(TIME).fillna(known_at)
    passed = known_at <= pd.Timestamp(complete_to)
    if DECISION in observations and (told := int((target.notna() & observations[DECISION].eq(REJECTED)).sum())):
        raise RiskError(f"observations: {told} rows with decision = rejected have a target: leave it null, or call them accepted where they were let happen.")
    status = np.select([~passed, target.isna()], [IMMATURE, INDETERMINATE], MATURED)
    nothing = pd.Series(pd.NaT, index=observations.index).astype(TIME)
    return pd.DataFrame({"status": status, "target": target.where(status == MATURED), "target_known_at": known_at,
                         "default_at": nothing, "event_seen": target.eq(1.0)}, index=observations.index)


def first_default_at(observations, outcomes, *, complete_to):
    """When each observation's first default after its as_of happened, of those known by `complete_to`: timestamps, null without one.

    observations: customer_id, as_of; outcomes as for `label_defaults`; how far ahead the default lies is not asked.
    """
    return _first_after(observations, _events(outcomes, "default", complete_to, key="customer_id"), key="customer_id")["occurred_at"]


def drop_in_default(observations, outcomes):
    """Return the observations whose customer is not in default at as_of.

    A customer is in default from occurred_at (inclusive) until cured_at (exclusive; null: not cured). Read by when it happened, not by when
    it was known: a row whose default happened before as_of has nothing left to predict. For a book scored today pass the outcomes known
    today.
    """
    _need(observations, "observations", ("customer_id", "as_of"))
    events = _events(outcomes, "default", FOREVER, key="customer_id")
    if events.empty:
        return observations
    # The latest end so far, because a short default may lie inside an older one that was never cured.
    ends = events["cured_at"].fillna(FOREVER).groupby(events["customer_id"]).cummax()
    spans = events.assign(until=ends)[["customer_id", "occurred_at", "until"]].astype({"customer_id": observations["customer_id"].dtype})
    last = pd.merge_asof(_asked(observations, "customer_id"), spans, left_on="as_of", right_on="occurred_at", by="customer_id",
                         direction="backward").set_index("row").sort_index()
    return observations[~(last["until"] > last["as_of"]).to_numpy()]


def ledger(observations, labels, *, months=1, definition="event"):
    """Count matured, immature and indeterminate rows per cohort, the naive rate beside the matured one.

    A cohort is `months` calendar months of as_of. Returns one row per cohort: cohort (first day), rows, matured, immature, indeterminate,
    bad (matured with target 1), matured_rate (bad / matured, NaN without matured rows), naive_rate (events seen so far / rows), which
    takes every row without an event for a good one and so falls towards the present however constant the risk is, and `definition`, the
    word for what counts as bad. Where the observations say so, compromised counts the rows of customers known to be compromised.
    """
    as_of = observations["as_of"].astype(TIME)
    index = (as_of.dt.year * 12 + as_of.dt.month - 1) // months * months
    counts = pd.DataFrame({"rows": 1, **{s: labels["status"].eq(s).astype(int) for s in (MATURED, IMMATURE, INDETERMINATE)},
                           "bad": labels["target"].eq(1.0).astype(int), "seen": labels["event_seen"].astype(int)}, index=observations.index)
    if "compromised" in observations:
        counts["compromised"] = observations["compromised"].astype(int)
    table = counts.groupby(index.to_numpy()).sum()
    table.insert(0, "cohort", pd.to_datetime([f"{i // 12:04d}-{i % 12 + 1:02d}-01" for i in table.index]).astype(TIME))
    table["matured_rate"] = table["bad"] / table["matured"].where(table["matured"] > 0)
    table["naive_rate"] = table["seen"] / table["rows"]
    return table.drop(columns="seen").assign(definition=definition).reset_index(drop=True)


def _labels(mature_at, event_at, grey, known_at, complete_to):
    matured = mature_at <= pd.Timestamp(complete_to)
    status = np.select([~matured, grey], [IMMATURE, INDETERMINATE], MATURED)
    target = event_at.notna().astype("float64").where(status == MATURED)
    return pd.DataFrame({"status": status, "target": target, "target_known_at": known_at.astype(TIME), "default_at": event_at.astype(TIME),
                         "event_seen": event_at.notna()}, index=event_at.index)


def _events(outcomes, kind, complete_to, *, key):
    """Outcomes of one kind known by `complete_to` (inclusive), by occurred_at, with cured_at added where the source has none."""
    dates = ("occurred_at", "known_at")
    _need(outcomes, "outcomes", (key, "kind", *dates), dates=dates, only=outcomes.get("kind") == kind)
    events = outcomes[outcomes["kind"] == kind]
    cured_at = events["cured_at"] if "cured_at" in events else pd.Series(pd.NaT, index=events.index)
    events = pd.DataFrame({key: events[key], "occurred_at": events["occurred_at"].astype(TIME), "known_at": events["known_at"].astype(TIME),
                           "cured_at": cured_at.astype(TIME)})
    return events[events["known_at"] <= pd.Timestamp(complete_to)].sort_values(["occurred_at", "known_at"], kind="stable")


def _asked(observations, key):
    as_of = observations["as_of"].astype(TIME)
    asked = pd.DataFrame({key: observations[key].array, "as_of": as_of.to_numpy(), "row": np.arange(len(observations))})
    return asked.sort_values("as_of", kind="stable")


def _first_after(observations, events, *, key):
    """The first event strictly after each observation's as_of: occurred_at, known_at, cured_at; null without one."""
    found = pd.merge_asof(_asked(observations, key), events.astype({key: observations[key].dtype}), left_on="as_of",
                          right_on="occurred_at", by=key, direction="forward", allow_exact_matches=False)
    return found.sort_values("row").set_index(observations.index)[["occurred_at", "known_at", "cured_at"]]


def _meets(observations, window_end, stretches):
    """Whether each observation's window (as_of, window_end] meets one of its customer's stretches, which lie apart."""
    asked = _asked(observations, "customer_id").assign(window_end=lambda rows: window_end.to_numpy()[rows["row"]]).sort_values("window_end", kind="stable")
    found = pd.merge_asof(asked, stretches.astype({"customer_id": observations["customer_id"].dtype}), left_on="window_end", right_on="occurred_at",
                          by="customer_id").sort_values("row").set_index(observations.index)
    # The latest that begins by the window's end is also the one that ends last.
    return found["occurred_at"].notna() & ~(found["cured_at"] <= found["as_of"])


def _need(frame, table, columns, *, dates=("as_of",), only=None):
    missing = [c for c in columns if c not in frame]
    if missing:
        raise RiskError(f"{table}: column {', '.join(missing)} is missing; it has {', '.join(map(str, frame.columns))}")
    rows = frame if only is None else frame[only]
    for column in (c for c in dates if c in frame):
        if (empty := int(rows[column].isna().sum())):
            raise RiskError(f"{table}, column {column}: {empty} of {len(rows)} rows have no date; "
                            "fill them or drop the rows in the source's SQL")
