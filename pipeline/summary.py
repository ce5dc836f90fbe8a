"""What a person reads at the end of a run."""

from pipeline.datasets import INGEST, case_path, read_json
from pipeline.frames import read_frame
from pipeline.in_force import in_force
from pipeline.params import load_params

NAMES = {"default": "Customers: default within 12 months", "fraud": "Transactions: fraud"}


def summary(*, seconds):
    """A short account of the run: book, defaults, discrimination and calibration out of time, grades, factors, drift, retraining, where to look."""
    source, about = load_params().source.name, read_json(INGEST)
    lines = ["", f"{about['description']}" + ("  - SIMULATED, not real customers" if about["simulated"] else ""),
             f"known up to {about['today']}: " + ", ".join(f"{table['kept']:,} {name}" for name, table in about["tables"].items() if name != "observations")]
    for use_case in load_params().use_cases:
        lines += ["", NAMES[use_case], *_case_lines(source, use_case), *monitoring_lines(use_case)]
    lines += ["", *_where(load_params().use_cases), f"done in {seconds:.0f} s"]
    return "\n".join(lines)


def monitoring_lines(use_case):
    """Drift, data quality and the retrain decision, a line each."""
    drift, quality = (read_json(case_path(use_case, "monitoring", f"{name}.json")) for name in ("drift", "quality"))
    retrain = read_json(case_path(use_case, "retrain.json"))
    moved = f", most in {drift['reasons'][0]['column']}" if drift["reasons"] else ""
    return [f"  drift        {drift['verdict']}: {len(drift['reasons'])} of {len(drift['columns'])} columns moved beyond chance{moved}; feed {quality['verdict']}",
            f"  retrain      {retrain['action']}: {retrain['reasons'][0]}"]


def _case_lines(source, use_case):
    full, leaks = read_json(case_path(use_case, "evaluation", "full.json")), read_json(case_path(use_case, "development", "leaks.json"))
    scores = read_frame(case_path(use_case, "scores.parquet"), ["customer_id", "grade"])
    factors = read_json(case_path(use_case, "explanation", "importance.json"))["factors"][:4]
    force = in_force(source, use_case)
    lines = [f"  book         {len(scores):,} {'customers' if use_case == 'default' else 'transactions'} scored by "
             f"{'champion' if force.champion else 'candidate'} {force.bundle[:12]}",
             f"  out of time  {full['rows']:,} rows of {full['customers']:,} customers, {full['bad']:,} bad ({full['rate']:.2%})",
             f"  AUC          {_with_interval(full['discrimination'], 'auc', 'low', 'high')}, Gini {_with_interval(full['discrimination'], 'gini', 'gini_low', 'gini_high')}, "
             f"average precision {full['discrimination']['average_precision']['average_precision']:.3f}",
             f"  calibration  mean {full['probability']['mean']:.2%} against {full['probability']['observed']:.2%} observed, slope {full['probability']['line']['slope']:.2f}; "
             f"{full['grades_inside']:.0%} of grades inside their 95 % interval",
             "  grades       " + ", ".join(f"{grade} {count:,}" for grade, count in scores["grade"].value_counts().sort_index().items()),
             "  factors      " + ", ".join(f"{factor['factor'].replace('_', ' ')} {factor['share']:.0%}" for factor in factors)]
    return lines + [f"  leaks        {finding['detail']}" for finding in leaks["findings"][:3]]


def _with_interval(figures, name, low, high):
    return f"{figures[name]:.3f} ({figures[low]:.3f} to {figures[high]:.3f})"


def _where(use_cases):
    pages = [str(case_path(use_case, "reports", "index.html")) for use_case in use_cases]
    return ["reports      " + ", ".join(pages), "experiments  .venv/bin/mlflow ui --backend-store-uri sqlite:///var/mlflow.db",
            "service      .venv/bin/risk serve, then http://127.0.0.1:8000/docs"]
