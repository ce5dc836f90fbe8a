"""Reject inference on simulated selection, where what the rejected would have done is known.

    python -m benchmarks.reject_inference [--seeds 20]

Applications have six columns and a seventh that only the past officer saw. Three past rules: the columns alone, the columns and what the officer
saw, and half chance. Trees learn from the accepted 60 %, with and without inference, and are judged on new accepted applications (what anybody can
measure) and on all new applications (what only a simulation knows).
"""

import argparse

import numpy as np

from models.classifier import Settings, fit_trees
from models.discrimination import auc
from models.probability_tests import log_loss
from models.reject_inference import inferred

COLUMNS = [f"x{place}" for place in range(6)]
HOW = {"columns": COLUMNS, "categorical": [], "directions": {}, "settings": Settings(num_leaves=6, colsample=0.7, extra_trees=False, min_child_samples=30)}
ROUNDS, ROWS, ACCEPTED = 120, 6000, 0.6
WAYS = (("none", 1.0), ("parcelling", 1.0), ("parcelling", 1.5), ("fuzzy", 1.0), ("fuzzy", 1.5))
PAST = {"columns": (1.0, 0.0, 0.3), "columns and what the officer saw": (1.0, 1.0, 0.3), "half chance": (0.5, 0.0, 1.0)}


def applications(rng, rows, past):
    """Columns, outcome, and whether the past rule accepted each."""
    x, seen = rng.normal(size=(rows, 6)), rng.normal(size=rows)
    risk = 0.9 * x[:, 0] + 0.6 * np.tanh(2 * x[:, 1]) + 0.5 * x[:, 2] * (x[:, 3] > 0)
    target = (rng.uniform(size=rows) < 1 / (1 + np.exp(2.2 - risk - 0.8 * seen))).astype(float)
    by_columns, by_seen, by_chance = past
    officer = by_columns * risk + by_seen * seen + by_chance * rng.normal(size=rows)
    return x, target, officer <= np.quantile(officer, ACCEPTED)


def tried(seed, past):
    """{way: figures} of one draw."""
    rng = np.random.default_rng(seed)
    (x, target, accepted), (new, new_target, new_accepted) = (applications(rng, ROWS, past) for _ in range(2))
    half = rng.uniform(size=ROWS) < 0.5
    first = fit_trees(x[accepted & half], target[accepted & half], rounds=ROUNDS, **HOW)
    plain = fit_trees(x[accepted], target[accepted], rounds=ROUNDS, **HOW)
    rejected, held = x[~accepted], accepted & ~half
    found = {}
    for method, prudence in WAYS:
        booster = plain
        if method != "none":
            places, labels, weight = inferred(method, raw_score=raw(first, x[held]), target=target[held], rejected=raw(first, rejected), prudence=prudence,
                                              seed=seed)
            booster = fit_trees(np.vstack([x[accepted], rejected[places]]), np.concatenate([target[accepted], labels]), rounds=ROUNDS,
                                weight=np.concatenate([np.ones(accepted.sum()), weight]), **HOW)
        found[method, prudence] = figures(raw(booster, new), new_target, new_accepted)
    return found


def raw(booster, matrix):
    """Log-odds."""
    return booster.predict(matrix, raw_score=True, num_threads=1)


def figures(score, target, accepted):
    """AUC and log-loss on the accepted and on all, and the mean PD of the rejected over their true rate."""
    probability = 1 / (1 + np.exp(-score))
    return {"auc_accepted": auc(target[accepted], score[accepted]), "auc_all": auc(target, score),
            "loss_accepted": log_loss(target[accepted], probability[accepted]),
            "loss_all": log_loss(target, probability), "rejected_over_true": probability[~accepted].mean() / target[~accepted].mean()}


def main():
    """Print a line for every past rule and way: means over the seeds, and for AUC on all the difference from none with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    for name, past in PAST.items():
        draws = [tried(seed, past) for seed in seeds]
        print(f"past rule: {name}")
        for way in WAYS:
            print("  " + _line(way, draws))


def _line(way, draws):
    mean = {key: np.mean([draw[way][key] for draw in draws]) for key in draws[0][way]}
    gain = np.array([draw[way]["auc_all"] - draw[WAYS[0]]["auc_all"] for draw in draws])
    change = f"{gain.mean():+.4f} ± {gain.std() / len(gain) ** 0.5:.4f}"
    return (f"{way[0]:<10} {way[1]:.1f}: AUC accepted {mean['auc_accepted']:.4f}, all {mean['auc_all']:.4f} ({change}); "
            f"log-loss accepted {mean['loss_accepted']:.4f}, all {mean['loss_all']:.4f}; mean PD of the rejected over their true rate "
            f"{mean['rejected_over_true']:.2f}")


if __name__ == "__main__":
    main()
