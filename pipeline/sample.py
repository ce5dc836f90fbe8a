"""Stage sample: which observations train, stop, calibrate and judge; and which of the user's own columns know too much."""

import msgspec

from features.catalogue import Catalogue
from models.leaks import Limits, asked, by_strength, changes, screen
from models.protocols import check_draw, split_by_protocol
from models.sample import check_split, split_by_time, without_compromised
from models.sample_recent import recent_split
from models.sufficiency import told_bad
from pipeline.datasets import case_path, read_json, write_json
from pipeline.frames import read_frame, write_frame
from pipeline.horizon import embargo_days
from pipeline.own_columns import observed, own_columns, versioned
from pipeline.params import load_params, load_training
from pipeline.stage import run_stage


def sample(use_case):
    """Write `development/samples.parquet` (observation_id, sample) and `development/leaks.json`; the split is checked a second way."""
    params = load_params()
    folder = case_path(use_case, "development")
    observations = read_frame(folder / "observations.parquet")
    maturity = read_json(folder / "maturity.json")
    samples = split(observations, use_case=use_case, params=params, protocol=maturity["protocol"], horizon_days=maturity["horizon_days"])
    training = load_training(params.source.name, use_case)
    if training.action == "recalibrate":
        samples = recent_split(samples, observations, since=training.since, share=params.calibrate.recent_share, seed=getattr(params.sample, use_case).seed)
    write_frame(folder / "samples.parquet", observations[["observation_id"]].assign(sample=samples))
    notes = {name: samples.attrs[name] for name in ("by", "judged_by", "notes", "warnings")} | _leaks(folder, observations, params.leaks)
    write_json(folder / "leaks.json", notes)


def split(observations, *, use_case, params, protocol, horizon_days):
    """Sample names on the observations' index: by the source's published protocol where it has one, else by the parameters.

    protocol: as a dict, or None; horizon_days: how far the observations' target looks ahead. The split is checked a second way.
    Its attrs are those of `models.sample.split_by_time` and `warnings`, sentences for the run's summary. Raises: RiskError where it cannot be learned from.
    """
    samples = _dealt(observations, use_case, params, protocol, horizon_days)
    samples.attrs["warnings"] = _warnings(observations, samples)
    return samples


def _dealt(observations, use_case, params, protocol, horizon_days):
    rules = getattr(params.sample, use_case)
    shares = {"validation_share": rules.validation_share, "calibration_share": rules.calibration_share, "seed": rules.seed}
    if protocol is not None and protocol["kind"] != "by_time":
        samples = split_by_protocol(observations, protocol, number=params.sample.round, **shares)
        check_draw(observations, samples, protocol)
        return samples
    # Published dates may count the horizon alone, and then stand as published.
    apart = {"horizon_days": horizon_days, "embargo_days": embargo_days(params, use_case, horizon_days), "known_labels": protocol is None}
    # A published protocol says what is judged, and so whose rows: to keep customers apart is ours to choose only where there is none.
    window = {"out_of_time_days": rules.out_of_time_days, "customers": rules.customers} if protocol is None else _inclusive(protocol)
    samples = split_by_time(observations, **apart, **shares, **window)
    check_split(observations, samples, by=samples.attrs["by"], customers=window.get("customers", "shared"), **apart)
    return without_compromised(samples, observations) if "compromised" in observations else samples


def _warnings(observations, samples):
    """What the summary of the run says of the samples: that the split fell back on customers, and that bad ones are few."""
    return [*(samples.attrs["notes"] if samples.attrs["by"] == "customer" else []), *told_bad(observations, samples)]


def _inclusive(protocol):
    return {name: f"{day} 23:59:59" if name.endswith("_to") else day for name, day in protocol.items() if name != "kind"}


def _leaks(folder, observations, rules):
    """What the screen asked and found of the columns beyond the tables' contracts: the project's own are computed from dated rows, the user's are not.

    Returns findings, screened (columns, and each rule with the number of columns it was asked of) and left_out: the columns that `leaks.drop` drops,
    which are all that read what a finding reads.
    """
    catalogue = Catalogue.from_dict(read_json(folder / "catalogue.json"))
    reads = {each.name: own_columns(each, catalogue.use_case) for each in catalogue.features}
    own = [name for name, columns in reads.items() if columns]
    limits = Limits(**{name: value for name, value in msgspec.structs.asdict(rules).items() if name != "drop"})
    later = _later(folder, catalogue)
    findings = _found(folder, observations, own, later, limits) if own else []
    told = [finding | {"reads": reads[finding["column"]], "also": _also(finding["column"], reads)} for finding in findings]
    left_out = sorted({name for finding in told for name in (finding["column"], *finding["also"])})
    counts = dict.fromkeys(("value", "presence", "bad_values", "good_values"), len(own)) | {"changed": len(later["columns"])}
    return {"findings": told, "screened": {"columns": len(own), "rules": asked(limits, counts)}, "left_out": left_out}


def _later(folder, catalogue):
    """What `models.leaks.changes` takes: the frame of later values, its columns, and those that only rows observed again can show."""
    frame = read_frame(folder / "later.parquet")
    again = [name for name in observed(catalogue) if name in frame]
    return {"later": frame, "columns": [*(name for name in versioned(catalogue) if name in frame), *again], "again": again}


def _found(folder, observations, own, later, limits):
    """Findings, strongest first; a column that the values give away is not named a second time for its changes."""
    frame = read_frame(folder / "features.parquet", own)
    found = screen(frame, observations["target"], observations["as_of"], columns=own, customers=observations["customer_id"], limits=limits)
    named = {finding["column"] for finding in found}
    follow = changes(target=observations.set_index("observation_id")["target"], limits=limits, **later) if later["columns"] else []
    return by_strength([*found, *(finding for finding in follow if finding["column"] not in named)])


def _also(column, reads):
    """The other columns that read one of the user's columns that this one reads."""
    return [name for name, columns in reads.items() if name != column and set(columns) & set(reads[column])]


if __name__ == "__main__":
    run_stage(sample)
