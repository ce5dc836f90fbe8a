"""What reject inference changed, by the outcomes that are known."""
import numpy as np

from models.calibration import sigmoid
from models.discrimination import compare_auc
from models.probability_tests import calibration_offset


def what_changed(target, before, after, groups, *, rejected_before, rejected_after):
    """What the inference did, on accepted rows that judge: their outcomes alone are known.

    before, after: raw scores (log-odds) of the judged rows without and with it; rejected_*: of the rejected rows.
    Returns dict: auc (paired difference, after less before), offset_before and offset_after (`calibration_offset`), rejected (rows),
    rejected_mean_before and rejected_mean_after (mean probability).
    """
    return {"auc": compare_auc(target, after, before, groups=groups), "offset_before": calibration_offset(target, before, groups=groups),
            "offset_after": calibration_offset(target, after, groups=groups), "rejected": len(rejected_before),
            "rejected_mean_before": _mean(rejected_before), "rejected_mean_after": _mean(rejected_after)}


def _mean(raw_score):
    return float(np.mean(sigmoid(raw_score)))
