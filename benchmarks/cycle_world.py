"""A small installation of its own, with a simulated portfolio that gets a month older when asked: what `risk cycle` is killed in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.params import change_params
from pipeline.workspace import ROOT

COPIED = ("features", "models", "serving", "pipeline", "params.yaml", "policy.yaml", "life_cycle.yaml", "dvc.yaml", ".dvcignore")
# Small and quick; figures of the model mean nothing here. The gate lets all pass, so that a retraining ends in a promotion, and there is a use case for credit.
SMALL = [("train.max_trees", 40), ("report.customers", 2), ("explain.rows", 200), ("explain.repeats", 20), ("explain.interaction_rows", 50),
         ("explain.check_rows", 20), ("validate.learning_draws", 1), ("validate.repeats", 50), ("validate.learning_trees", 20), ("validate.weak_columns", 5),
         ("evaluate.bootstrap_rounds", 50), ("monitor.evidently_rows", 100), ("monitor.evidently_columns", 3), ("challenge.candidates", 8),
         ("gate.auc_margin", 1.0), ("gate.auc_least", 0.01), ("gate.slope_low", 0.001), ("gate.slope_high", 1000.0), ("gate.offset_max", 100.0),
         ("gate.ece_margin", 1.0), ("gate.violations_max", 1.0), ("gate.fairness_margin", 1.0), ("gate.grades_moved_max", 1.0), ("gate.approvals_max", 1.0),
         ("gate.loss_rise_max", 100.0), ("decide.bad_to_refit", 1), ("decide.bad_to_recalibrate", 1000000),
         ("cycle.webhook_patience_seconds", 0)]
# Days after which a model is refitted: one makes every cycle retrain, the other none.
ALWAYS, NEVER = 0, 100_000


class World:
    """An installation in a folder: its code and parameters copied, DVC without git, a portfolio in files."""

    def __init__(self, folder, *, customers=300, months=60, seed=1):
        """Build it, or where the folder holds one give it today's code and go on with it."""
        self.project = Path(folder) / "project"
        there = (self.project / "var" / "champion").exists()
        (self.project.parent / "home").mkdir(parents=True, exist_ok=True)
        self.project.mkdir(exist_ok=True)
        for name in COPIED:
            if not there or (ROOT / name).is_dir():
                _copy(ROOT / name, self.project / name)
        if not there:
            self._build(customers, months, seed)

    def _build(self, customers, months, seed):
        self.call(sys.executable, "-m", "dvc", "init", "--no-scm", "-q")
        change_params(SMALL, self.project / "params.yaml")
        self.risk("simulate", "calm", "--to", "sim", "--customers", str(customers), "--months", str(months), "--seed", str(seed))
        self.risk("use", "./sim/source", "--data", "./sim")
        change_params([("use_cases", ["default"])], self.project / "params.yaml")
        self.risk("run")
        self.risk("customers", "advance", "--take-over", "--by", "lin", "--reason", "the book of the start")

    def new_month(self, *, retrain):
        """Let the portfolio live a month more; retrain: whether the next decision asks for a refit, for which it lives a quarter: the observations' distance,
        so that a cohort matures."""
        self.risk("simulate", "--to", "sim", "--step", "3" if retrain else "1")
        change_params([("decide.oldest_days", ALWAYS if retrain else NEVER)], self.project / "params.yaml")

    def risk(self, *arguments, check=True):
        """`risk` with these arguments, to its end."""
        return self.call(sys.executable, "-m", "pipeline.cli", *arguments, check=check)

    def call(self, *command, check=True):
        """A command in the project; raises RuntimeError with what it printed when it fails and `check`."""
        done = subprocess.run(command, cwd=self.project, env=self.environment(), capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def start(self, *arguments):
        """`risk` with these arguments in a process group of its own, its output in `log` beside the project."""
        with open(self.project.parent / "log", "ab") as log:
            command = [sys.executable, "-m", "pipeline.cli", *arguments]
            return subprocess.Popen(command, cwd=self.project, env=self.environment(), stdout=log, stderr=log, start_new_session=True)

    def environment(self):
        """This interpreter, the project's own code, an empty home folder."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        extra = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        code = os.pathsep.join([str(self.project), *(each for each in extra if each and Path(each).resolve() != ROOT)])
        return {**os.environ, "PATH": path, "HOME": str(self.project.parent / "home"), "PYTHONPATH": code, "CI": "true"}


def _copy(place, to):
    if place.is_dir():
        shutil.copytree(place, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        shutil.copy(place, to)
