"""What taking rejected applications in changed on accepted ones, for the stage validate."""

import numpy as np

from models.calibration import fit, log_odds, shifted
from models.classifier import fit_trees, stacked
from models.reject_effect import what_changed
from models.target import REJECTED
from pipeline.rejected import calibrated_log_odds, named_rejected


def changed(inputs, judged, samples, calibration, how, settings):
    """What the bundle's reject inference changed: `what_changed` against trees of the same settings and number that never saw a rejected row, both
    calibrated on the accepted calibration rows."""
    about, rejected = inputs.bundle.manifest.training, np.flatnonzero(named_rejected(inputs.rows)["sample"].eq(REJECTED))
    plain = fit_trees(*stacked(*samples), rounds=about["trees"], settings=settings, **how)
    raw = {name: plain.predict(inputs.encoded(places), raw_score=True, num_threads=settings.threads)
           for name, places in (("judged", judged), ("calibration", calibration), (REJECTED, rejected))}
    target, _, _, groups = inputs.figures(calibration)
    knots = fit(raw["calibration"], target, method=inputs.bundle.manifest.knots.method, groups=groups, seed=settings.seed)
    # Compared is what the rejected rows changed, not what the move to a long-run rate did.
    knots = shifted(knots, offset=(about["prior"] or {}).get("offset", 0.0))
    after = {name: log_odds(inputs.probability[places]) for name, places in (("judged", judged), (REJECTED, rejected))}
    found = what_changed(inputs.figures(judged)[0], calibrated_log_odds(knots, raw["judged"]), after["judged"], inputs.figures(judged)[3],
                         rejected_before=calibrated_log_odds(knots, raw[REJECTED]), rejected_after=after[REJECTED])
    return {**about["reject_inference"], **found}
