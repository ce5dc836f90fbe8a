"""The drift verdict in words: columns that data faults explain are left out, the others judged and said in sentences."""
from models.stability import MISSING, NEW, column_shift, verdict

SAID = 5


def judge_drift(reference, current, *, thresholds, repeats=1.0, faulty=()):
    """The verdict on {column: Histogram} of a book against a DriftReference.

    repeats: rows a customer has in the book, as the average row sees it; faulty: columns that a data fault explains, which are left out; where they carry
    `least_weight` of the model's contributions together, the score is, too, since it reads them.

    Returns what `stability.verdict` gives, and {"left_out": [column], "sentences": [str], "rows": {"reference", "current"}, "periods"}.
    """
    left_out = _left_out(reference, faulty, thresholds)
    judged = [each for each in reference.columns if each.bins.column not in left_out and each.bins.column in current]
    shifts = [column_shift(each.bins.column, each.histogram, current[each.bins.column], noise=each.noise, current_effect=repeats,
                           ordered=each.bins.levels is None) for each in judged]
    found = verdict(shifts, thresholds=thresholds, score=reference.score, weights={each.bins.column: each.weight for each in reference.columns})
    rows = {"reference": reference.rows, "current": max((counts.rows for counts in current.values()), default=0)}
    return {**found, "left_out": left_out, "sentences": _sentences(found, left_out, reference, rows), "rows": rows, "periods": reference.periods}


def _left_out(reference, faulty, thresholds):
    known = reference.by_name
    left_out = [name for name in faulty if name in known]
    carried = sum(known[name].weight for name in left_out)
    return sorted({*left_out, *([reference.score] if carried >= thresholds.least_weight else [])})


def _sentences(found, left_out, reference, rows):
    """What a person reads: the verdict, the columns that moved most, what was left out, and how much could be seen."""
    by_name = {each["column"]: each for each in found["columns"]}
    told = [_verdict_sentence(found, rows)]
    told += [_moved_sentence(by_name[reason["column"]], reference.score) for reason in found["reasons"][:SAID]]
    if len(found["reasons"]) > SAID:
        told.append(f"More columns moved: {len(found['reasons']) - SAID}.")
    if left_out:
        also = ", and so was the score, which reads them" if reference.score in left_out else ""
        told.append(f"{len(left_out) - (reference.score in left_out)} columns were left out, since a data fault explains them{also}.")
    if reference.periods < 2:
        told.append("The reference has one date, so how columns move from date to date could not be measured, and usual movement may be called drift.")
    return told


def _verdict_sentence(found, rows):
    moved, columns = len(found["reasons"]), len(found["columns"])
    about = f"{rows['current']:,} rows against {rows['reference']:,} that the model learned from"
    if not moved:
        return f"No drift beyond chance in {columns} columns, {about}."
    weight = sum(each["weight"] for each in found["reasons"] if each["weight"] < 1)
    used = f"; together they carry {weight:.1%} of what the model uses"
    return {"none": f"{moved} of {columns} columns moved beyond chance{used}: too little to matter, {about}.",
            "moderate": f"{moved} of {columns} columns moved beyond chance{used}: look at them, {about}.",
            "severe": f"{moved} of {columns} columns moved beyond chance{used}, some of them far, {about}."}[found["verdict"]]


def _moved_sentence(shift, score):
    name = "The score" if shift["column"] == score else f"Column {shift['column']}"
    used = "" if shift["column"] == score else f"; it carries {shift['weight']:.1%} of what the model uses"
    return f"{name} {_change(shift)}{used}."


def _change(shift):
    if shift["kind"] == MISSING:
        return f"is missing in {shift['missing_current']:.1%} of the rows instead of {shift['missing_reference']:.1%}"
    if shift["kind"] == NEW:
        return f"has a rare or new level in {shift['unseen_current']:.1%} of the rows, where {shift['unseen_reference']:.1%} were to be expected"
    side = "" if shift["higher"] is None else f", {'higher' if shift['higher'] > 0.5 else 'lower'} values"
    return f"moved: PSI {shift['psi']:.3f}, of which {shift['psi_noise']:.3f} is chance{side}"
