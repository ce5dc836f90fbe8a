"""Stage sample: which observations train, stop, calibrate and judge; and which of the user's own columns know too much."""

from features.catalogue import Catalogue
from features.tables import TABLES
from models.leaks import screen
from models.protocols import check_draw, split_by_protocol
from models.sample import check_split, split_by_time
from pipeline.datasets import case_path, read_json, write_json
from pipeline.frames import read_frame, write_frame
from pipeline.horizon import embargo_days
from pipeline.params import load_params
from pipeline.stage import run_stage


def sample(use_case):
    """Write `development/samples.parquet` (observation_id, sample) and `development/leaks.json`; the split is checked a second way."""
    params = load_params()
    folder = case_path(use_case, "development")
    observations = read_frame(folder / "observations.parquet")
    maturity = read_json(folder / "maturity.json")
    samples = split(observations, use_case=use_case, params=params, protocol=maturity["protocol"], horizon_days=maturity["horizon_days"])
    write_frame(folder / "samples.parquet", observations[["observation_id"]].assign(sample=samples))
    notes = {name: samples.attrs[name] for name in ("by", "judged_by", "notes")} | {"findings": _leaks(folder, observations, params.leaks)}
    write_json(folder / "leaks.json", notes)


def split(observations, *, use_case, params, protocol, horizon_days):
    """Sample names on the observations' index: by the source's published protocol where it has one, else by the parameters.

    protocol: as a dict, or None; horizon_days: how far the observations' target looks ahead. The split is checked a second way.
    """
    rules = getattr(params.sample, use_case)
    shares = {"validation_share": rules.validation_share, "calibration_share": rules.calibration_share, "seed": rules.seed}
    if protocol is not None and protocol["kind"] != "by_time":
        samples = split_by_protocol(observations, protocol, number=params.sample.round, **shares)
        check_draw(observations, samples, protocol)
        return samples
    apart = {"horizon_days": horizon_days, "embargo_days": embargo_days(params, use_case, horizon_days)}
    window = {"out_of_time_days": rules.out_of_time_days} if protocol is None else _inclusive(protocol)
    samples = split_by_time(observations, **apart, **shares, **window)
    check_split(observations, samples, by=samples.attrs["by"], **apart)
    return samples


def _inclusive(protocol):
    return {name: f"{day} 23:59:59" if name.endswith("_to") else day for name, day in protocol.items() if name != "kind"}


def _leaks(folder, observations, rules):
    """Findings over the columns beyond the tables' contracts: the project's own are computed from dated rows, the user's are not."""
    catalogue = Catalogue.from_dict(read_json(folder / "catalogue.json"))
    own = [feature.name for feature in catalogue.features if _beyond_contract(feature)]
    if not own:
        return []
    frame = read_frame(folder / "features.parquet", own)
    return screen(frame, observations["target"], observations["as_of"], columns=own, limit_auc=rules.max_auc)


def _beyond_contract(feature):
    return any(TABLES[table].column(column) is None for table, columns in feature.needs.items() for column in columns)


if __name__ == "__main__":
    run_stage(sample)
