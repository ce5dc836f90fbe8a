"""Published ways to judge without dates: at random, fold by fold, or fold by fold with every customer on one side; one round at a time.

Rows are drawn by scikit-learn in the order of observation_id, so a comparison with anybody who used the same splitter is on the same rows.
"""
import numpy as np
import pandas as pd

from features.errors import RiskError
from models.sample import CALIBRATION, IN_SAMPLE, OUT_OF_TIME, TIME, UNUSED, USED, VALIDATION, checked_split, customer_places, deal, matured_rows

DAY = pd.Timedelta(days=1)


def rounds_of(protocol):
    """How many rounds a protocol (a dict with kind and its fields) has; by_time has one."""
    counts = {"random": ("rounds",), "k_fold": ("folds", "repeats"), "grouped": ("folds",)}
    return int(np.prod([protocol[name] for name in counts.get(protocol["kind"], ())]))


def judged_by(protocol, number):
    """What is said of the judged rows of round `number` (from 0): the protocol's kind with the place of the round in it, counted from 1."""
    kind = protocol["kind"]
    if kind == "random":
        return {"kind": kind, "share": protocol["test_share"], "round": number + 1, "rounds": protocol["rounds"]}
    folds, repeats = protocol["folds"], protocol.get("repeats", 1)
    return {"kind": kind, "fold": number % folds + 1, "folds": folds, "repeat": number // folds + 1, "repeats": repeats}


def draw(observations, protocol, *, number=0, group="customer_id"):
    """The rows that train and those that judge in one round, as two masks on the observations' index.

    observations: one row per observation with observation_id, as_of, status, target and the `group` column; protocol: kind (random, k_fold,
    grouped) and its fields as in a source.yaml. Only matured rows with a target are drawn, of those the ones that `only` (column: value as
    text), `as_of_from` and `as_of_to` (days, inclusive) keep. Classes are in proportion on both sides. random takes `test_share` with seed +
    number; the folds are those of RepeatedStratifiedKFold (StratifiedKFold where repeats is 1) and StratifiedGroupKFold, shuffled with seed.

    Raises: RiskError when there is no such round, a column is missing, nothing is kept, or a class has fewer rows than folds.
    """
    if not 0 <= number < rounds_of(protocol):
        raise RiskError(f"sample.round {number} does not exist: the protocol {protocol['kind']} has rounds 0 to {rounds_of(protocol) - 1}")
    kept = matured_rows(observations, group) & _chosen(observations, protocol)
    # Strings, so that 10 stands before 9 here as in every other place that sorts ids.
    order = observations.loc[kept, "observation_id"].astype(str).sort_values(kind="stable").index
    rows = observations.loc[order]
    _refuse_too_few(rows["target"], protocol)
    train, judged = _places(rows, protocol, number, group)
    return tuple(pd.Series(observations.index.isin(order[side]), index=observations.index) for side in (train, judged))


def split_by_protocol(observations, protocol, *, number=0, validation_share=0.15, calibration_share=0.15, seed=0, group="customer_id"):
    """Assign every observation to development, validation, calibration, out_of_time (the judged rows of this round) or unused.

    Arguments as for `draw`. The rows that train are dealt to three samples by customer, as `models.sample.split_by_time` deals the past.
    Returns a Series of sample names; its attrs hold by (the protocol's kind), judged_by, notes and boundaries (empty).

    Raises: RiskError as `draw`, or when a sample lacks one of the two classes.
    """
    train, judged = draw(observations, protocol, number=number, group=group)
    sample = pd.Series(UNUSED, index=observations.index, dtype="str")
    sample[judged] = OUT_OF_TIME
    place = customer_places(observations[train], seed=seed, group=group)
    sample[train] = deal(place, ((VALIDATION, validation_share), (CALIBRATION, calibration_share)))
    notes = [_note(protocol, number), *_shared_note(observations, train, judged, group)]
    return checked_split(sample, observations, by=protocol["kind"], notes=notes, bounds=None, judged_by=judged_by(protocol, number))


def check_draw(observations, samples, protocol, *, group="customer_id"):
    """Verify a drawn split by counting and sorting, sharing no code with `draw` and without scikit-learn.

    observations, samples: as for `split_by_protocol`. Checked: no observation_id twice; only matured rows are used, and all of those that
    the filters keep; the judged share and its bad rate are those of the protocol; no customer is in two in-sample samples, nor, where the
    protocol is grouped, among the judged and the others.

    Raises: RiskError that names the broken rule and how many rows or customers break it.
    """
    used = samples.isin(USED)
    rows = pd.DataFrame({"id": observations["observation_id"], "group": observations[group], "target": observations["target"], "sample": samples})[used]
    if (twice := int(rows["id"].duplicated().sum())):
        raise RiskError(f"samples: {twice} observations are used twice; every row may stand in one sample only")
    unripe = int((used & (observations["status"].ne("matured") | observations["target"].isna())).sum())
    if unripe:
        raise RiskError(f"samples: {unripe} used observations are not matured; only matured ones may train or judge")
    _refuse_other_rows(observations, used, protocol)
    _refuse_shared(rows[rows["sample"].isin(USED if protocol["kind"] == "grouped" else IN_SAMPLE)])
    if protocol["kind"] != "grouped":
        _refuse_unlike(rows, protocol)


def _chosen(observations, protocol):
    """Rows that the protocol's filters keep."""
    kept = pd.Series(True, index=observations.index)
    for column, value in protocol.get("only", {}).items():
        if column not in observations:
            raise RiskError(f"protocol {protocol['kind']}: `only` names the column {column}, which the observations lack; "
                            "correct source.yaml or bring the column")
        kept &= observations[column].astype("str").eq(value)
    as_of = observations["as_of"].astype(TIME)
    if protocol.get("as_of_from"):
        kept &= as_of >= pd.Timestamp(protocol["as_of_from"])
    if protocol.get("as_of_to"):
        kept &= as_of < pd.Timestamp(protocol["as_of_to"]) + DAY
    if not kept.any():
        raise RiskError(f"protocol {protocol['kind']}: its filters keep none of {len(observations)} observations; correct them in source.yaml")
    return kept


def _places(rows, protocol, number, group):
    """Positions of the rows that train and of those that judge."""
    # Half a second of start-up that only these protocols cost.
    from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

    kind, seed, target, nothing = protocol["kind"], protocol["seed"], rows["target"].to_numpy().astype(int), np.zeros(len(rows))
    if kind == "random":
        return next(StratifiedShuffleSplit(1, test_size=protocol["test_share"], random_state=seed + number).split(nothing, target))
    folds = protocol["folds"]
    if kind == "grouped":
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(nothing, target, rows[group].astype(str))
    elif protocol["repeats"] > 1:
        splits = RepeatedStratifiedKFold(n_splits=folds, n_repeats=protocol["repeats"], random_state=seed).split(nothing, target)
    else:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(nothing, target)
    return next(split for place, split in enumerate(splits) if place == number)


def _refuse_too_few(target, protocol):
    bad = int(target.sum())
    least, wanted = min(bad, len(target) - bad), protocol.get("folds", 2)
    if least < wanted:
        raise RiskError(f"protocol {protocol['kind']}: {bad} bad of {len(target)} rows cannot be dealt to {wanted} sides with both classes on each; "
                        "bring more rows or lower its folds")


def _note(protocol, number):
    found = judged_by(protocol, number)
    if found["kind"] == "random":
        return (f"Judged on {found['share']:.0%} of the rows, drawn at random with the classes in proportion (round {found['round']} of {found['rounds']}). "
                "The figures say nothing about later dates.")
    repeat = f", repeat {found['repeat']} of {found['repeats']}" if found["repeats"] > 1 else ""
    whole = "; every customer is wholly on one side" if found["kind"] == "grouped" else ""
    return f"Judged on fold {found['fold']} of {found['folds']}{repeat}, drawn at random{whole}. The figures say nothing about later dates."


def _shared_note(observations, train, judged, group):
    customers = observations.loc[judged, group]
    share = float(customers.isin(set(observations.loc[train, group])).mean())
    return [f"{share:.0%} of the judged rows belong to customers that also train, so the figures flatter the model on new customers."] if share else []


def _refuse_other_rows(observations, used, protocol):
    """The filters again, by plain comparison of texts."""
    days = observations["as_of"].astype(TIME).dt.strftime("%Y-%m-%d")
    allowed = observations["status"].eq("matured") & observations["target"].notna()
    allowed &= (days >= (protocol.get("as_of_from") or "")) & (days <= (protocol.get("as_of_to") or "9999"))
    for column, value in protocol.get("only", {}).items():
        allowed &= np.array([str(given) == value for given in observations[column]])
    if (odd := int((used != allowed).sum())):
        raise RiskError(f"samples: {odd} observations are used against the filters of the protocol, or left out within them")


def _refuse_shared(rows):
    sides = rows.groupby("group")["sample"].nunique()
    if (shared := int((sides > 1).sum())):
        raise RiskError(f"samples: {shared} customers stand in two samples at once, first {sides[sides > 1].index[0]}; their defaults would be shared")


def _refuse_unlike(rows, protocol):
    """A drawn side has the protocol's share of either class, to the row that rounding may cost."""
    share = protocol["test_share"] if protocol["kind"] == "random" else 1 / protocol["folds"]
    judged = rows["sample"].eq(OUT_OF_TIME)
    for name, side in (("bad", rows["target"].eq(1.0)), ("good", rows["target"].eq(0.0))):
        expected, found = share * side.sum(), int((judged & side).sum())
        if abs(found - expected) > 1.0:
            raise RiskError(f"samples: {found} {name} rows are judged where {expected:.1f} are expected by the protocol {protocol['kind']}")
