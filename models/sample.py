"""Which observations train, stop, calibrate and judge: by time with an embargo, by customer inside the past; and the rule checked a second
way."""
import hashlib

import msgspec
import numpy as np
import pandas as pd

from features.errors import RiskError

DEVELOPMENT, VALIDATION, CALIBRATION, OUT_OF_TIME = "development", "validation", "calibration", "out_of_time"
EMBARGO, UNUSED, COMPROMISED = "embargo", "unused", "compromised"
IN_SAMPLE = (DEVELOPMENT, VALIDATION, CALIBRATION)
USED = (*IN_SAMPLE, OUT_OF_TIME)
APART = "apart"
TIME = "datetime64[us]"
DAY = pd.Timedelta(days=1)


class Boundaries(msgspec.Struct, frozen=True):
    """The dates of a split, all inclusive: in-sample rows up to development_to, judged rows from out_of_time_from to out_of_time_to."""

    development_to: pd.Timestamp
    out_of_time_from: pd.Timestamp
    out_of_time_to: pd.Timestamp


def split_by_time(observations, *, horizon_days, embargo_days, out_of_time_days=None, development_to=None, out_of_time_from=None,
                  out_of_time_to=None, validation_share=0.15, calibration_share=0.15, validation_later_share=1.0, hold_out_share=0.25,
                  customers="shared", seed=0, group="customer_id", fall_back=True, known_labels=True):
    """Assign every observation to development, validation, calibration, out_of_time, embargo or unused.

    observations: one row per observation with as_of, status, target and the `group` column. Only matured rows with a target are used. The
    last `out_of_time_days` of matured as_of dates are out_of_time (or the three explicit dates, all inclusive); rows younger than
    out_of_time_from less embargo_days are the embargo, so no label window of an in-sample row reaches past the first out_of_time as_of.
    With `known_labels` rows whose target_known_at, where there is such a column, lies after out_of_time_from are embargo too: whoever learned on that day
    did not have them. A published protocol that counts the horizon alone takes them.
    Inside the past, customers (not rows) go to the three samples by a seeded hash of their id, dealt apart among those with and without a
    bad row, because a customer's consecutive windows hold the same default. Validation rows come from the last `validation_later_share` of
    the period. A customer may stand in the past and in out_of_time, where `customers` is "shared": the book is scored again every month.

    Where `customers` is "apart", `hold_out_share` of all customers, drawn by the same hash and apart by class, only judge and the others only
    teach; the earlier rows of the former and the later rows of the latter are unused. Nobody is chosen by where his rows lie: leaving out the
    past of everybody who is judged would leave a past of those alone who have gone, most of them by default.

    A history too short for the embargo falls back, where `fall_back` is set and no date is given, to a split by customer: `hold_out_share`
    of the customers are out_of_time, whatever the date. The embargo is never shortened instead.

    Returns a Series of sample names on the observations' index; its attrs hold by ("time" or "customer"), judged_by (its kind, by_time or
    by_customer), notes (sentences for the report) and boundaries.

    Raises: RiskError when the embargo is shorter than the horizon, no row is matured, or a sample would lack one of the two classes.
    """
    if embargo_days < horizon_days:
        raise RiskError(f"embargo_days {embargo_days} is shorter than horizon_days {horizon_days}: "
                        "a label window would reach into the judged period; raise embargo_days")
    usable = matured_rows(observations, group)
    given = development_to is not None or out_of_time_from is not None
    bounds = _boundaries(observations["as_of"][usable], embargo_days=embargo_days, out_of_time_days=out_of_time_days,
                         development_to=development_to, out_of_time_from=out_of_time_from, out_of_time_to=out_of_time_to)
    shares = {"validation_share": validation_share, "calibration_share": calibration_share, "seed": seed, "group": group}
    judging = _judging(observations, usable, hold_out_share, seed=seed, group=group) if customers == APART else None
    sample = _by_time(observations, usable, bounds, known_labels=known_labels, validation_later_share=validation_later_share, judging=judging, **shares)
    lacking = _lacking(sample, observations["target"])
    if lacking and fall_back and not given:
        sample = _by_customer(observations, usable, hold_out_share=hold_out_share, **shares)
        note = (f"The history is too short to judge on later dates ({lacking}): {hold_out_share:.0%} of the customers, drawn by a hash "
                "of their id, are held out instead, at all dates. The figures then say nothing about how the model ages.")
        return checked_split(sample, observations, by="customer", notes=[note], bounds=None)
    late = known_labels & sample.eq(EMBARGO) & observations["as_of"].astype(TIME).le(bounds.development_to)
    notes = [_note(bounds, embargo_days, int(late.sum())), *([] if judging is None else [_apart_note(observations, usable, bounds, judging, hold_out_share)])]
    return checked_split(sample, observations, by="time", notes=notes, bounds=bounds)


def without_compromised(samples, observations):
    """The samples with the judged and the calibration rows of customers known to be compromised set apart as `compromised`, and a note that counts them.

    observations: compromised (see `models.target.compromised`) and target, on the samples' index. Rows that trees learn from stay: their labels are
    true. The curve, the grades and the cut-off are fitted on calibration rows, and must stand on such rows as are judged.

    Raises: RiskError when the rest of either sample lacks a class.
    """
    judged, calibration = samples.eq(OUT_OF_TIME), samples.eq(CALIBRATION)
    held = (judged | calibration) & observations["compromised"]
    note = (f"{int((held & judged).sum()):,} of {int(judged.sum()):,} judged rows and {int((held & calibration).sum()):,} of {int(calibration.sum()):,} "
            "calibration rows are left out: their customers were known to be compromised when these transactions happened.")
    about = {**samples.attrs, "notes": [*samples.attrs["notes"], note]}
    kept = samples.mask(held, COMPROMISED)
    if (lacking := _lacking(kept, observations["target"])):
        raise RiskError(f"samples: {lacking} once the compromised customers are left out; lengthen sample.fraud.out_of_time_days or set "
                        "observe.fraud.compromised_days")
    kept.attrs = about
    return kept


def check_split(observations, samples, *, horizon_days, embargo_days, by="time", customers="shared", group="customer_id", known_labels=True):
    """Verify the rule of a split by sorting label windows and customers, sharing no code with `split_by_time`.

    observations: as_of, status, target, the `group` column; samples: sample names on the same index. Checked: only matured rows are used;
    no customer stands in two in-sample samples; and by time, no in-sample label window (as_of, as_of + horizon_days] overlaps an
    out_of_time one that starts later or earlier, the gap between them is at least embargo_days, and with `known_labels` no in-sample label
    became known after the first out_of_time row; by customer, or where `customers` are apart, no customer is on both sides.

    Raises: RiskError that names the broken rule and how many rows or customers break it.
    """
    frame = pd.DataFrame({"as_of": observations["as_of"].astype(TIME), "group": observations[group], "target": observations["target"],
                          "status": observations["status"], "sample": samples})
    used = frame[frame["sample"].isin(USED)]
    unripe = used[(used["status"] != "matured") | used["target"].isna()]
    if len(unripe):
        raise RiskError(f"samples: {len(unripe)} used observations are not matured; only matured ones may train or judge")
    # By time a customer may stand in the past and be judged later: the book is scored again every month.
    scopes = IN_SAMPLE if by == "time" and customers != APART else USED
    _refuse_shared(used[used["sample"].isin(scopes)])
    if by == "time":
        _refuse_overlap(used, horizon_days=horizon_days, embargo_days=embargo_days)
        if known_labels and "target_known_at" in observations:
            _refuse_later_labels(used.assign(known_at=observations["target_known_at"]))


def matured_rows(observations, group):
    """Which rows may train or judge: matured ones with a target, as a mask.

    Raises: RiskError when a column is missing, no row is matured or the matured ones have one class.
    """
    for column in ("as_of", "status", "target", group):
        if column not in observations:
            raise RiskError(f"observations: column {column} is missing; label the observations before sampling them")
    usable = _matured(observations)
    if not usable.any():
        counts = observations["status"].value_counts().to_dict()
        raise RiskError(f"observations: none of {len(observations)} rows is matured ({counts}); "
                        "shorten the horizon or bring outcomes up to a later date")
    if observations["target"][usable].nunique() < 2:
        bad = int(observations["target"][usable].sum())
        raise RiskError(f"observations, column target: {bad} of {int(usable.sum())} matured rows are bad; "
                        "a model needs both classes, so bring more outcomes")
    return usable


def learned_rows(observations, samples, training, *, by):
    """Which rows a bundle with this `training` summary has learned from, as a mask: those in sample, or after a refit all that are matured."""
    return all_matured(observations, samples, by=by) if training.get("refit_on") == "all_matured" else samples.isin(IN_SAMPLE)


def all_matured(observations, samples, *, by):
    """Every matured row with a known target, as a mask, whatever its sample; of a drawn protocol (`by`, as the samples' attrs have it) only the rows that
    it draws from: the others are not of the published data set.

    observations: status, target; samples: sample names on the same index.
    """
    matured = _matured(observations)
    return matured if by in ("time", "customer") else matured & samples.isin(USED)


def _matured(observations):
    return observations["status"].eq("matured") & observations["target"].notna()


def _boundaries(as_of, *, embargo_days, out_of_time_days, development_to, out_of_time_from, out_of_time_to):
    as_of = as_of.astype(TIME)
    last = pd.Timestamp(out_of_time_to) if out_of_time_to is not None else as_of.max()
    if out_of_time_from is not None:
        start = pd.Timestamp(out_of_time_from)
    else:
        start = as_of[as_of > last - DAY * (out_of_time_days or 0)].min() if out_of_time_days else as_of.max()
    end = start - DAY * embargo_days
    if development_to is not None:
        # A day given with its last second ends where its embargo begins.
        if pd.Timestamp(development_to).normalize() > end.normalize():
            raise RiskError(f"development_to {development_to} is less than embargo_days {embargo_days} before out_of_time_from "
                            f"{start.date()}; move it to {end.date()} or earlier")
        end = pd.Timestamp(development_to)
    return Boundaries(development_to=end, out_of_time_from=start, out_of_time_to=last)


def _by_time(observations, usable, bounds, *, known_labels, validation_share, calibration_share, validation_later_share, judging, seed, group):
    as_of = observations["as_of"].astype(TIME)
    past, before = usable & (as_of <= bounds.development_to), usable & (as_of < bounds.out_of_time_from)
    if known_labels and "target_known_at" in observations:
        past &= observations["target_known_at"].astype(TIME) <= bounds.out_of_time_from
    between = before & ~past
    judged = usable & (as_of >= bounds.out_of_time_from) & (as_of <= bounds.out_of_time_to)
    if judging is not None:
        past, judged = past & ~judging, judged & judging
    sample = pd.Series(UNUSED, index=observations.index, dtype="str")
    sample[between], sample[judged] = EMBARGO, OUT_OF_TIME
    if not past.any():
        return sample
    place = customer_places(observations[past], seed=seed, group=group)
    sample[past] = deal(place, ((VALIDATION, validation_share), (CALIBRATION, calibration_share)))
    early = as_of < as_of[past].quantile(1.0 - validation_later_share)
    sample[past & sample.eq(VALIDATION) & early] = UNUSED
    return sample


def _judging(observations, usable, hold_out_share, *, seed, group):
    """Rows of the customers that only judge, as a mask."""
    place = customer_places(observations[usable], seed=seed, group=group)
    return usable & (place < hold_out_share).reindex(observations.index, fill_value=False)


def _by_customer(observations, usable, *, hold_out_share, validation_share, calibration_share, seed, group):
    sample = pd.Series(UNUSED, index=observations.index, dtype="str")
    place = customer_places(observations[usable], seed=seed, group=group)
    rest = 1.0 - hold_out_share
    shares = ((OUT_OF_TIME, hold_out_share), (VALIDATION, validation_share * rest), (CALIBRATION, calibration_share * rest))
    sample[usable] = deal(place, shares)
    return sample


def customer_places(rows, *, seed, group):
    """Each row's customer (its `group`) as a place in [0, 1), ordered by hash within those that have a bad row and those that have none."""
    bad = rows["target"].groupby(rows[group]).max()
    # Dealt apart: with some hundred bad customers a plain hash would give one sample twice the bad rate of another.
    order = pd.DataFrame({"bad": bad, "hash": [_hash(customer, seed) for customer in bad.index]})
    order = order.sort_values(["bad", "hash"], kind="stable")
    by_class = order.groupby("bad")
    place = by_class.cumcount() / by_class["hash"].transform("size")
    return rows[group].map(place)


def _hash(customer, seed):
    # Not Python's hash, which changes with every process, nor pandas', which may change with its version.
    return hashlib.blake2b(f"{seed}/{customer}".encode(), digest_size=8).hexdigest()


def deal(place, shares):
    """A sample's name per place in [0, 1): each of `shares` (name, share) in turn, and development for the rest."""
    names, uppers = [name for name, _ in shares], np.cumsum([share for _, share in shares])
    return np.array([*names, DEVELOPMENT], dtype=object)[np.searchsorted(uppers, place.to_numpy(), side="right")]


def _lacking(sample, target):
    """A phrase naming the samples that lack a class, with their counts; empty when all four hold both."""
    counts = {name: (int((sample == name).sum()), int(target[sample == name].eq(1.0).sum())) for name in USED}
    return ", ".join(f"{name} has {rows} rows, {bad} bad" for name, (rows, bad) in counts.items() if bad == 0 or bad == rows)


def checked_split(sample, observations, *, by, notes, bounds, judged_by=None):
    """The sample with its attrs: by, notes, boundaries and judged_by. Raises: RiskError when a sample lacks a class."""
    if (lacking := _lacking(sample, observations["target"])):
        used = sample.isin(USED)
        bad = int(observations["target"][used].eq(1.0).sum())
        raise RiskError(f"samples: with {bad} bad of {int(used.sum())} rows {lacking}; each of {', '.join(USED)} needs both classes: "
                        "bring more customers or a longer history")
    dates = {} if bounds is None else {name: str(value) for name, value in msgspec.structs.asdict(bounds).items()}
    sample.attrs = {"by": by, "notes": notes, "boundaries": dates, "judged_by": judged_by or {"kind": f"by_{by}"}}
    return sample


def _note(bounds, embargo_days, late):
    known = f", and so are {late:,} earlier rows whose outcome was not known yet when judging began" if late else ""
    return (f"Observations up to {bounds.development_to.date()} are the past, those from {bounds.out_of_time_from.date()} to "
            f"{bounds.out_of_time_to.date()} are judged; the {embargo_days} days between are left out{known}.")


def _apart_note(observations, usable, bounds, judging, hold_out_share):
    as_of = observations["as_of"].astype(TIME)
    unused = (usable & judging & (as_of <= bounds.development_to), usable & ~judging & (as_of >= bounds.out_of_time_from) & (as_of <= bounds.out_of_time_to))
    (past, past_bad), (later, later_bad) = ((int(rows.sum()), int(observations["target"][rows].sum())) for rows in unused)
    return (f"Customers are kept apart: {hold_out_share:.0%} of them, drawn by a hash of their id, only judge and the others only teach; unused are "
            f"{past:,} earlier rows ({past_bad:,} bad) of the former and {later:,} later rows ({later_bad:,} bad) of the latter.")


def _refuse_shared(rows):
    pairs = rows[["group", "sample"]].drop_duplicates().sort_values("group", kind="stable")
    ids = pairs["group"].to_numpy()
    shared = np.unique(ids[1:][ids[1:] == ids[:-1]]) if len(ids) else ids
    if len(shared):
        raise RiskError(f"samples: {len(shared)} customers stand in two samples at once, first {shared[0]}; their defaults would be shared")


def _refuse_later_labels(used):
    judged = used["sample"].eq(OUT_OF_TIME)
    later = used.loc[~judged, "known_at"].to_numpy() > used.loc[judged, "as_of"].min()
    if (count := int(later.sum())):
        raise RiskError(f"samples: the labels of {count} in-sample observations became known after the first out_of_time one: whoever learned on that day "
                        "did not have them; lengthen the embargo by the reporting lag")


def _refuse_overlap(used, *, horizon_days, embargo_days):
    """Sweep all label windows by their start; the running latest end of the other side must not lie beyond a window's start."""
    order = used.sort_values("as_of", kind="stable")
    start = order["as_of"].to_numpy().astype("datetime64[s]").astype("int64")
    judged = order["sample"].eq(OUT_OF_TIME).to_numpy()
    end = start + horizon_days * 86400
    latest = [np.maximum.accumulate(np.where(side, end, np.iinfo("int64").min)) for side in (~judged, judged)]
    other = np.where(judged, latest[0], latest[1])
    if (crossed := int((other > start).sum())):
        raise RiskError(f"samples: {crossed} label windows start before a window of the other side has ended; lengthen the embargo")
    if judged.any() and not judged.all() and (gap := start[judged].min() - start[~judged].max()) < embargo_days * 86400:
        raise RiskError(f"samples: only {gap / 86400:.0f} days lie between the past and out_of_time; embargo_days asks for {embargo_days}")
