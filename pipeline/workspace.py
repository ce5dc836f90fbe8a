"""A folder in which the stages run apart from the checkout: for benchmarks and tests, which must not touch `data/` and `var/`."""

import contextlib
import os
import shutil
from pathlib import Path

from pipeline.params import change_params
from pipeline.use import initialise

ROOT = Path(__file__).resolve().parent.parent
CODE = ("features", "models", "serving", "pipeline")


@contextlib.contextmanager
def workspace(folder, changes=()):
    """Work in `folder`, which gets the parameters, the rule files and the code by link; `changes` are (dotted key, value) of the parameters.

    The state under var/ is made for the source the parameters name; the working directory is restored at the end.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        link = folder / name
        if not link.exists():
            link.symlink_to(ROOT / name, target_is_directory=True)
    for name in ("params.yaml", "policy.yaml", "life_cycle.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    with _inside(folder):
        change_params(changes)
        initialise()
        yield folder


@contextlib.contextmanager
def _inside(folder):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
