"""What the stages monitor, performance and decide write of a use case, small: two matured cohorts, the older one with too few defaults, and an open one."""

from pipeline.datasets import case_path, write_json

SLIP = ("invoices: 12% of the amounts in amount of 2024-03 are about 100 times the same customers' usual ones, as in another unit or currency: "
        "bring them to minor units.")
DRIFT = {
    "verdict": "moderate", "reasons": [{"column": "raw_score"}, {"column": "inv_days_late_mean_180d"}], "columns": [{}] * 40, "left_out": [], "note": None,
    "sentences": ["2 of 40 columns moved beyond chance; together they carry 12.0% of what the model uses: look at them, 900 rows against 3,000 that the model "
                  "learned from.", "The score moved: PSI 0.310, of which 0.010 is chance, higher values.",
                  "Column inv_days_late_mean_180d moved: PSI 0.123, of which 0.004 is chance; it carries 12.0% of what the model uses."]}
QUALITY = {"verdict": "whole", "faults": [], "stale": [], "tables": {"payments": {"known_to": "2024-01-31"}}}


def estimate(auc=0.8, rate=0.04, *, rows=1000):
    """A label-free estimate with the AUC's interval 0.1 and the rate's 0.02 to both sides."""
    known = auc is not None
    return {"rows": rows, "bad": rate * rows, "auc": auc, "auc_low": auc - 0.1 if known else None, "auc_high": auc + 0.1 if known else None,
            "rate": rate, "rate_low": rate - 0.02, "rate_high": rate + 0.02}


def cohort(month, bad=None, auc=None, *, rows=1000, promised=None):
    """One cohort, open without a number of bad rows; without an AUC too few of them are bad."""
    about = {"cohort": month, "rows": rows, "customers": rows, "estimate": promised or estimate(rows=rows)}
    ends = {"auc": auc} | ({} if auc is None else {"auc_low": auc - 0.05, "auc_high": auc + 0.05})
    return about if bad is None else about | {"bad": bad, "rate": bad / rows} | ends


def grade(name, bad, expected, p_holm, *, rows=500):
    return {"grade": name, "rows": rows, "bad": bad, "expected": expected, "p_holm": p_holm}


LINE = {"offset": 0.3, "offset_low": 0.1, "offset_high": 0.5, "slope": 0.9, "slope_low": 0.7, "slope_high": 1.1}
RECENT = {"first": "2022-10-31", "last": "2023-03-31", "cohorts": 2, "rows": 2000, "customers": 1100, "bad": 52, "expected": 40.4, "auc": 0.74, "auc_low": 0.69,
          "auc_high": 0.79, "auc_promised": 0.8, "auc_promised_se": 0.01, "line": LINE,
          "grades": [grade("A", 2, 3.0, 1.0), grade("D", 30, 18.2, 0.0004), grade("E", 20, 19.2, 1.0), grade("C", 0, 0.0, None, rows=0)]}
PERFORMANCE = {
    "bundle": "ab" * 32, "cutoff": "2022-12-31", "development": {"auc": 0.82, "auc_low": 0.78, "auc_high": 0.86}, "recent": RECENT, "new_bad": 52,
    "cohorts": [cohort("2022-10", bad=4), cohort("2023-01", bad=48, auc=0.74)], "open": [cohort("2024-01", promised=estimate(0.81, 0.035))],
    "held": {"auc": {"cohorts": 2, "held": 1, "mean_error": 0.06, "mean_width": 0.2},
             "rate": {"cohorts": 2, "held": 2, "mean_error": -0.004, "mean_width": 0.04}}}
NOTHING_KNOWN = PERFORMANCE | {"recent": None, "cohorts": [], "held": {}}
RETRAIN = {"action": "none", "wanted": "refit", "attention": ["the inputs drifted (moderate); matured cohorts say whether that matters"],
           "reasons": ["AUC is 0.740 (0.690 to 0.790) on the cohorts 2022-10-31 to 2023-03-31, where the model promised 0.800",
                       "refit needs 100 matured bad customers since the training cutoff, there are 52"],
           "gain": {"figure": "auc", "gain": 0.05, "low": -0.01, "high": 0.11},
           "waiting": {"rows": 1000, "unforeseen_bad": 6.2, "low": -2.0, "high": 15.4, "auc_lost": 0.06}, "evidence": {"faults": []}}


def write_health(use_case, *, drift=DRIFT, quality=QUALITY, performance=PERFORMANCE, retrain=RETRAIN):
    """Write the four files; one that is None is left out."""
    for content, place in ((drift, ("monitoring", "drift.json")), (quality, ("monitoring", "quality.json")), (performance, ("performance", "performance.json")),
                           (retrain, ("retrain.json",))):
        if content is not None:
            write_json(case_path(use_case, *place), content)
