"""LightGBM's core, imported without the wrappers that nobody here uses.

Its own import looks for scikit-learn, pandas, matplotlib and dask and loads what it finds: 4.5 s of processor time here instead of 1.0,
paid by every stage and by the service at its start. Rows go in as numpy arrays, for which none of them is needed.
"""
import os
import sys

# OpenMP's threads spin while they wait for each other by default. On a machine that does anything else the spinning takes the processor from the one
# thread that has work: 100 trees on two threads took 4.5 s beside two busy processes and 1.1 s once waiting threads slept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

WRAPPED = ("sklearn", "pandas", "matplotlib", "graphviz", "dask", "cffi", "pyarrow")


def _import_core():
    hidden = [name for name in WRAPPED if name not in sys.modules]
    # None in sys.modules makes an import fail at once, which LightGBM takes for "not installed".
    sys.modules.update(dict.fromkeys(hidden))
    try:
        import lightgbm
    finally:
        for name in hidden:
            del sys.modules[name]
    return lightgbm


lgb = _import_core()
