"""What a person reads at the end of a run."""

from models.bundle import load_bundle
from models.horizon import horizon_of
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.frames import read_frame
from pipeline.in_force import in_force
from pipeline.params import load_params
from pipeline.state import pages_folder

NAMES = {"default": "Customers: default", "fraud": "Transactions: fraud"}
# Rules of a book that a reader would not expect (pipeline/book.py).
SAID = ("open", "latest")
VERDICTS = {"level": "within the intervals the scorecard is as good: the simpler model would do",
            "mixed": "better in one figure and worse in another beyond chance: decide by which of them matters",
            "worse": "the scorecard is better: use the simpler model, or look for what the trees learned that does not last"}
UNITS = {"m": "month", "d": "day"}


def summary(*, seconds):
    """A short account of the run: book, defaults, discrimination and calibration out of time, grades, factors, drift, retraining, where to look."""
    params, about = load_params(), read_json(INGEST)
    lines = ["", f"{about['description']}" + ("  - SIMULATED, not real customers" if about["simulated"] else ""),
             f"known up to {about['today']}: " + ", ".join(f"{table['kept']:,} {name}" for name, table in about["tables"].items()
                                                        if name != "observations" or len(about["tables"]) == 1)]
    for use_case in params.use_cases:
        lines += ["", _heading(params.source.name, use_case), *_case_lines(params.source.name, use_case), *monitoring_lines(use_case)]
    lines += ["", *_where(params.source.name, params.use_cases), f"done in {seconds:.0f} s"]
    return "\n".join(lines)


def monitoring_lines(use_case):
    """Drift, data quality and the retrain decision, a line each."""
    drift, quality = (read_json(case_path(use_case, "monitoring", f"{name}.json")) for name in ("drift", "quality"))
    retrain, moved = read_json(case_path(use_case, "retrain.json")), drift["reasons"]
    most = f", most of all {moved[0]['column']}" if moved else ""
    note = [f"               {drift['note']}"] if drift["note"] else []
    return [f"  drift        {drift['verdict']}: {len(moved)} of {len(drift['columns'])} columns moved beyond chance{most}; feed {quality['verdict']}", *note,
            f"  retrain      {retrain['action']}: {retrain['reasons'][0]}"]


def _case_lines(source, use_case):
    full, leaks = read_json(case_path(use_case, "evaluation", "full.json")), read_json(case_path(use_case, "development", "leaks.json"))
    scoring = load_bundle(in_force(source, use_case).folder)
    other, refitted = full["bundle"] != scoring.validated, scoring.hash != scoring.validated
    note = [f"  candidate    what follows describes the candidate {full['bundle'][:12]}, not the champion"] if other else []
    note += [f"  refitted     what scores was grown again on every matured row; judged was {scoring.validated[:12]}"] if refitted else []
    figures = [*_performance_lines(full), *_capacity_lines(full), *_challenge_lines(use_case), *_factor_lines(use_case)]
    return [*_book_lines(source, use_case), *note, *figures, *_leak_lines(leaks["findings"], use_case),
            *_warning_lines(leaks["warnings"] + read_json(case_path(use_case, "model", "model.json"))["training"]["warnings"])]


def _warning_lines(warnings):
    return [f"  note         {sentence}" for sentence in warnings]


def _leak_lines(findings, use_case, shown=3):
    rest = ", ".join(finding["column"] for finding in findings[shown:])
    told = [f"  leak?        {finding['detail']}" for finding in findings[:shown]]
    where = case_path(use_case, "development", "leaks.json")
    return [*told, *([f"               and {len(findings) - shown} more: {rest} ({where})"] if rest else [])]


def _heading(source, use_case):
    horizon = horizon_of(load_bundle(in_force(source, use_case).folder).manifest.probability_name)
    return NAMES[use_case] + (f" within {horizon[0]} {UNITS[horizon[1]]}{'s' if horizon[0] > 1 else ''}" if horizon else "")


def _book_lines(source, use_case):
    scores, force = read_frame(case_path(use_case, "scores.parquet"), ["grade"]), in_force(source, use_case)
    about, who = read_json(case_path(use_case, "book", "about.json")), "champion" if force.champion else "candidate"
    what = {"default": "rows" if len(scores) > about["customers"] else "customers", "fraud": "transactions"}[use_case]
    rule = f": {about['words']}" if about["rule"] in SAID else ""
    grades = ", ".join(f"{grade} {count:,}" for grade, count in scores["grade"].value_counts().sort_index().items())
    return [f"  book         {len(scores):,} {what} scored by {who} {force.bundle[:12]}{rule}", f"  grades       {grades}"]


def _performance_lines(full):
    ranks, truth = full["discrimination"], full["probability"]
    rows, how = f"{full['rows']:,} rows of {full['customers']:,} customers, {full['bad']:,} bad ({full['rate']:.2%})", full["judged_by"]
    return [f"  out of time  {rows}" if how["kind"] == "by_time" else f"  judged on    {rows}: {how['words']}",
            f"  AUC          {_with_interval(ranks, 'auc', 'low', 'high')}, Gini {_with_interval(ranks, 'gini', 'gini_low', 'gini_high')}",
            f"  precision    average precision {ranks['average_precision']['average_precision']:.3f}",
            f"  calibration  mean {truth['mean']:.2%} against {truth['observed']:.2%} observed, slope {truth['line']['slope']:.2f}; "
            f"{full['grades_inside']:.0%} of grades inside their 95 % interval"]


def _capacity_lines(full):
    if "capacity" not in full:
        return []
    model, rules, difference = (full["capacity"][name] for name in ("model", "rules", "difference"))
    against = "" if rules is None else f"; rules {rules['precision']:.3f}, model less rules {_with_interval(difference, 'difference', 'low', 'high')}"
    found = f"{model['found']} of {model['compromised']} compromised customers found"
    precision = f"precision {_with_interval(model, 'precision', 'low', 'high')} of {model['best']:.3f} possible"
    return [f"  at capacity  {model['capacity']} customers a day: {precision}, {found}{against}"]


def _challenge_lines(use_case):
    """What the trees add over the scorecard, and whether it is more than chance."""
    found = read_json(case_path(use_case, "challengers", "challengers.json"))
    added, columns = found["comparison"], len(found["scorecard"]["columns"])
    if not columns:
        return ["  challenger   none: no column tells enough for a scorecard"]
    told = [f"  challenger   over a scorecard of {columns} column{'' if columns == 1 else 's'}: AUC {_added(added['auc'])}, "
            f"average precision {_added(added['average_precision'])}, log-loss {_added(added['log_loss'], 4)}"]
    return told + ([f"               {VERDICTS[added['verdict']]}"] if added["verdict"] in VERDICTS else [])


def _added(figure, digits=3):
    return "{:+.{digits}f} ({:+.{digits}f} to {:+.{digits}f})".format(*(figure[end] for end in ("difference", "low", "high")), digits=digits)


def _factor_lines(use_case):
    factors = read_json(case_path(use_case, "explanation", "importance.json"))["factors"][:4]
    return ["  factors      " + ", ".join(f"{factor['factor'].replace('_', ' ')} {factor['share']:.0%}" for factor in factors)]


def _with_interval(figures, name, low, high):
    return f"{figures[name]:.3f} ({figures[low]:.3f} to {figures[high]:.3f})"


def _where(source, use_cases):
    pages = {"reports": [pages_folder(source, use_case) for use_case in use_cases], "dossier": [case_path(use_case, "dossier") for use_case in use_cases]}
    return [*(f"{name:<12} {', '.join(str(folder / 'index.html') for folder in folders)}" for name, folders in pages.items()),
            "experiments  .venv/bin/mlflow ui --backend-store-uri sqlite:///var/mlflow.db",
            "service      .venv/bin/risk serve, then http://127.0.0.1:8000/docs"]
