"""A recalibration within stage train: the champion's own trees with a curve fitted on what became known since."""

import msgspec

from features.errors import RiskError
from models.bundle import VERSION, load_bundle, make_bundle
from models.grades import scale_of
from models.sample import CALIBRATION
from models.scoring import encode, raw_scores
from pipeline.columns import read_columns
from pipeline.places import bundle_path

# What the champion says of a refit of its own: the recalibrated bundle is judged by itself.
REFIT = ("describes", "validated", "refit_on", "last_as_of", "out_of_fold")


def recalibrated(path, rows, champion, *, curves_of, counts, about):
    """The champion with new curves, and the raw scores (n,) of the rows that fitted them; its trees, columns, grades' cuts and points stay.

    path: the feature file; rows: customer_id, target and sample, its rows in order; curves_of: as `pipeline.train.curves_of` with its parameters; counts: of
    the samples; about: what else its training says. Raises: RiskError when the feature file lacks a column of the champion.
    """
    calibrating = rows["sample"].eq(CALIBRATION).to_numpy()
    matrix = encode(_columns(path, champion, calibrating), champion)
    raw_score = raw_scores(champion, matrix)
    part, manifest = rows[calibrating], champion.manifest
    curves, prior, probability = curves_of(raw_score, part["target"].to_numpy(), part["customer_id"].to_numpy())
    kept = {name: value for name, value in manifest.training.items() if name not in REFIT}
    training = kept | {"counts": counts, "calibration": curves["knots"].method, "prior": prior, "recalibrated": champion.hash, **about}
    grades = scale_of([(grade.name, grade.upper) for grade in manifest.grades], probability)
    return make_bundle(champion.booster_text, msgspec.structs.replace(manifest, training=training, grades=grades, version=VERSION, **curves)), raw_score


def champion_to_recalibrate(bundle):
    """The bundle of a hash under var/bundles. Raises: RiskError when its folder is gone or holds another one."""
    if not bundle_path(bundle).is_dir():
        raise RiskError(f"the bundle {bundle[:12]}, whose trees are to be recalibrated, is not in {bundle_path(bundle)}: restore that folder, or "
                        "`risk retrain --action refit`.")
    found = load_bundle(bundle_path(bundle))
    if found.hash != bundle:
        raise RiskError(f"{bundle_path(bundle)} holds the bundle {found.hash[:12]} and not the one it is named by: restore that folder.")
    return found


def _columns(path, champion, rows):
    try:
        return read_columns(path, champion.names, rows=rows)
    except RiskError as error:
        raise RiskError(f"the champion cannot be recalibrated: {error} Or `risk retrain --action refit`.") from error
