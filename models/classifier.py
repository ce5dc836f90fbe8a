"""LightGBM trained natively on a numpy matrix: regularised, monotone where the catalogue says so, the same trees for the same inputs."""
import hashlib

import msgspec
import numpy as np

from features.errors import RiskError
from models.histograms import level_counts
from models.lightgbm_core import lgb

# Any of these in a row's place would leave the trees dependent on the machine's threads or on histogram order.
FIXED = {"objective": "binary", "metric": "binary_logloss", "deterministic": True, "force_row_wise": True, "verbosity": -1,
         "feature_pre_filter": False}

MANY_ROWS = 100_000
# Bad validation rows below which the best number of trees is asked of every row in turn: the minimum of a log-loss over a dozen bad rows is luck.
FEW_BAD = 30
FOLDS = 5
COLUMNS_A_TREE, LEAST_SHARE = 32, 0.25
REFITS = ("none", "validation", "all")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the trees are grown; `settings_for` chooses values by sample size. Shares are in (0, 1], counts are rows or trees.

    `extra_trees` cuts each candidate column at one random place instead of the best of all (Geurts, Ernst, Wehenkel 2006): among a hundred
    near-copies of a few facts, with some hundred bad rows, the best cut is mostly luck.
    """

    learning_rate: float = 0.03
    num_leaves: int = 6
    min_child_samples: int = 60
    max_trees: int = 2000
    min_trees: int = 40
    early_stopping_rounds: int = 100
    subsample: float = 0.7
    colsample: float = 0.25
    l2: float = 10.0
    extra_trees: bool = True
    max_bin: int = 127
    seed: int = 0
    threads: int = 1
    monotone: bool = True
    refit: str = "validation"


# Ways to grow between a hundred and some thousand bad rows, the most careful first. Where a few columns tell nearly all (the Polish ratios), random
# cuts and strong shrinkage cost; where many columns tell a little each (the simulated book), best cuts follow noise. docs/experiments.md has figures.
SHAPES = ({}, {"extra_trees": False, "l2": 3.0},
          {"extra_trees": False, "l2": 0.0, "num_leaves": 15, "min_child_samples": 40, "colsample": 0.6})


def candidates_for(rows, bad, columns, **given):
    """The Settings among which validation rows choose: those of `settings_for`, and bolder ones where there are bad rows enough to tell.

    Arguments as for `settings_for`; what is given holds for all, so that giving every one of a shape's settings leaves one candidate.
    """
    shapes = SHAPES if 100 <= bad < 5_000 and rows < MANY_ROWS else SHAPES[:1]
    given = {name: value for name, value in given.items() if value is not None}
    return tuple(dict.fromkeys(settings_for(rows, bad, columns, **{**shape, **given}) for shape in shapes))


def candidates(given, target, columns):
    """The Settings among which validation rows choose, by the development sample's targets and the number of columns; `given` are the train parameters."""
    grow = {name: value for name, value in msgspec.structs.asdict(given).items() if name in Settings.__struct_fields__}
    return candidates_for(len(target), int(target.sum()), columns, **grow)


def settings_for(rows, bad, columns, **given):
    """Settings for a sample of `rows` with `bad` bad ones and so many columns; anything `given` wins.

    Few bad rows ask for small trees and strong shrinkage, since every split then rests on a handful of them; many allow larger ones. Beyond
    MANY_ROWS a tree costs so much that fewer, bolder ones are grown: on simulated fraud 260 trees took 5 s where 1,665 took 100 s, no better.
    A tree sees COLUMNS_A_TREE columns, at least a quarter and at most all of them: few per tree tell near-copies apart, but a fixed share of a
    file of five columns would leave each tree one. No leaf holds less than a fiftieth of the rows where there are few.
    """
    if bad < 100:
        sized = {"num_leaves": 5, "min_child_samples": 40, "l2": 5.0}
    elif bad < 5_000:
        sized = {} if rows < MANY_ROWS else {"num_leaves": 8, "learning_rate": 0.1, "extra_trees": False}
    else:
        sized = {"num_leaves": 31, "min_child_samples": 200, "learning_rate": 0.04, "l2": 20.0, "extra_trees": False}
    # A refit on the validation rows too takes as long as the growing, and an eighth more of very many rows teaches nothing that is seen.
    sized["refit"] = "validation" if rows < MANY_ROWS else "none"
    sized["min_child_samples"] = max(10, min(sized.get("min_child_samples", Settings().min_child_samples), rows // 50))
    sized["colsample"] = min(1.0, max(LEAST_SHARE, COLUMNS_A_TREE / columns))
    return msgspec.convert(sized | {name: value for name, value in given.items() if value is not None}, Settings)


def train(matrix, target, *, validation, columns, categorical, directions, settings, groups=None, calibration=None):
    """Choose by the validation rows how to grow and when to stop, and grow the final trees. Arguments as for `choose` and `refitted`, but
    `settings`, one Settings or several to choose among. The returned booster predicts log-odds with raw_score."""
    how = {"columns": columns, "categorical": categorical, "directions": directions}
    candidates = settings if isinstance(settings, tuple) else (settings,)
    chosen, rounds, stopped_at = choose(matrix, target, validation=validation, candidates=candidates, groups=groups, **how)
    return refitted(matrix, target, validation=validation, calibration=calibration, rounds=rounds, settings=chosen, stopped_at=stopped_at, **how)


def choose(matrix, target, *, validation, columns, categorical, directions, candidates, groups=None):
    """The Settings and the number of trees with the lowest log-loss on the validation rows, by trees grown on the development rows.

    matrix: float64 (rows, columns), NaN missing, categories as codes; target: 0 or 1; validation: (matrix, target) of later or other
    customers; columns: names in order; categorical: names of the coded columns; directions: {name: 1, -1 or 0}; candidates: Settings, of
    which the first wins a tie; groups: customer ids of the development and then the validation rows.

    With fewer than FEW_BAD bad validation rows the log-loss is the mean over FOLDS folds of customers, development and validation together.

    Returns (settings, number of trees, the booster that was stopped, or None where folds chose). Raises: RiskError when a sample has one class, shapes
    disagree, or no column varies.
    """
    how = {"columns": columns, "categorical": categorical, "directions": directions, "groups": groups}
    tried = [(*stopped(matrix, target, validation=validation, settings=each, **how), each) for each in candidates]
    _, rounds, booster, settings = min(tried, key=lambda found: found[0])
    return settings, rounds, booster


def stopped(matrix, target, *, validation, columns, categorical, directions, settings, groups=None):
    """The lowest log-loss on the validation rows that trees grown with these settings on the development rows reach, how many trees reach it, and the
    booster (None where folds were asked). Arguments and errors as for `choose`, which compares these losses."""
    _refuse_unfit(matrix, target, columns, "development")
    _refuse_unfit(*validation, columns, "validation")
    how = {"columns": columns, "categorical": categorical, "directions": directions, "settings": settings}
    if validation[1].sum() < FEW_BAD:
        return *_rounds_by_folds(*stacked((matrix, target), validation), groups=groups, **how), None
    return _best_rounds(matrix, target, validation, **how)


def refitted(matrix, target, *, validation, calibration, rounds, columns, categorical, directions, settings, stopped_at=None):
    """The final trees, so many `rounds` of them, on what `settings.refit` says: none (the development rows), validation (and those) or all (and the
    calibration rows too, which are (matrix, target) or None). Other arguments as for `choose`, whose booster `stopped_at` holds the trees of the
    development rows already. The returned booster holds these trees only.

    Raises: RiskError when the refit is unknown or its rows are not there.
    """
    if settings.refit not in REFITS or (settings.refit == "all" and calibration is None):
        raise RiskError(f"train.refit {settings.refit} is unknown or lacks its rows; use {', '.join(REFITS)}")
    # LightGBM hands back the trees up to the best one; the least number that is asked may be more.
    if settings.refit == "none" and stopped_at is not None and stopped_at.num_trees() == rounds:
        return normalised(stopped_at)
    samples = ((matrix, target), validation, calibration)[: REFITS.index(settings.refit) + 1]
    return fit_trees(*stacked(*samples), rounds=rounds, columns=columns, categorical=categorical, directions=directions, settings=settings)


def fit_trees(matrix, target, *, rounds, columns, categorical, directions, settings, weight=None):
    """Grow exactly `rounds` trees on all given rows, without stopping. Arguments as for `train`; weight: (rows,) or None for 1 each. Returns
    the normalised booster."""
    grown = _dataset(matrix, target, columns, categorical, settings.max_bin, weight)
    return normalised(lgb.train(parameters(columns, directions, settings), grown, num_boost_round=rounds))


def out_of_fold(matrix, target, groups, *, rounds, columns, categorical, directions, settings, folds=5):
    """Raw scores (log-odds) of every row by trees that never saw its group.

    Groups (customers) are dealt to `folds` by a hash of their id, apart for those with and without a bad row. Used to calibrate on all rows
    of a small sample. Raises: RiskError when a fold would lack a class.
    """
    fold = grouped_folds(target, groups, folds=folds, seed=settings.seed)
    given = {"rounds": rounds, "columns": columns, "categorical": categorical, "directions": directions, "settings": settings}
    raw_score = np.empty(len(target))
    for number in range(folds):
        away = fold == number
        _refuse_unfit(matrix[~away], target[~away], columns, f"fold {number}")
        booster = fit_trees(matrix[~away], target[~away], **given)
        raw_score[away] = booster.predict(matrix[away], raw_score=True, num_threads=settings.threads)
    return raw_score


def columns_of(described):
    """What the functions here ask of columns described as the bundle keeps them (name, levels, direction): columns, categorical, directions."""
    return {"columns": [column.name for column in described], "categorical": [column.name for column in described if column.levels is not None],
            "directions": {column.name: column.direction for column in described}}


def grouped_folds(target, groups, *, folds, seed):
    """A fold number per row; a group's rows share it, and groups with a bad row are dealt evenly."""
    ids, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    bad = np.bincount(code, weights=np.asarray(target, dtype=np.float64)) > 0
    mixed = np.array([hashlib.blake2b(f"{seed}/{i}".encode(), digest_size=8).hexdigest() for i in ids])
    order = np.lexsort((mixed, bad))
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    return (place % folds)[code]


def freeze_levels(values, *, min_rows=20, max_levels=200):
    """The levels of a categorical column that get a code of their own, most frequent first, ties by name.

    values: a Category, or strings with None or NaN missing. Levels seen on fewer than `min_rows` rows, or beyond `max_levels`, share the unseen bucket, which
    is thereby trained on something and can later take a level never seen before.
    """
    kept = [(-count, name) for name, count in level_counts(values).items() if count >= min_rows]
    return tuple(name for _, name in sorted(kept)[:max_levels])


def audit_monotone(booster, matrix, *, columns, directions, rows=100, steps=9, seed=0, threads=1):
    """Sweep every directed column over its quantiles on real rows and list where the raw score moves the wrong way.

    matrix: real rows; `rows` of them are drawn by seed. A column's grid is its distinct quantiles over the matrix, missing left out.
    Returns one dict per directed column: column, direction, rows, violations (rows with any wrong step beyond 1e-9), worst (largest wrong
    step, log-odds). LightGBM constrains while it grows; this looks at what came out.
    """
    pick = np.sort(np.random.default_rng(seed).permutation(len(matrix))[:rows])
    base = np.ascontiguousarray(matrix[pick])
    watched = [(j, name) for j, name in enumerate(columns) if directions.get(name, 0)]
    return [_swept(booster, base, j, name, directions[name], _grid(matrix[:, j], steps), threads) for j, name in watched]


def normalised(booster):
    """The booster as its own text read back, without the block of training parameters: what is saved is then what was measured."""
    return lgb.Booster(model_str=booster_text(booster))


def booster_text(booster):
    """The booster's text without its parameters block, whose thread count would change the bundle's hash and nothing else."""
    text = booster.model_to_string(num_iteration=-1)
    head, found, tail = text.partition("\nparameters:\n")
    return head + tail.partition("end of parameters\n")[2] if found else text


def stacked(*samples):
    """(matrix, target) of samples one after the other; parts that lie one behind the other in one matrix are read where they are."""
    matrix = joined([each[0] for each in samples])
    return matrix, samples[0][1] if len(samples) == 1 else np.concatenate([each[1] for each in samples])


def joined(parts):
    """Row blocks as one matrix: a view where they are neighbours in one, which spares the copy that would be the peak of the memory; else a copy."""
    whole, ends = parts[0].base, [part.ctypes.data + part.nbytes for part in parts]
    whole_rows = whole is not None and whole.ndim == 2 and whole.flags.c_contiguous and all(
        part.base is whole and part.shape[1] == whole.shape[1] for part in parts)
    neighbours = whole_rows and all(part.ctypes.data == end for part, end in zip(parts[1:], ends, strict=False))
    if len(parts) == 1 or not neighbours:
        return parts[0] if len(parts) == 1 else np.vstack(parts)
    first = (parts[0].ctypes.data - whole.ctypes.data) // whole.strides[0]
    return whole[first : first + sum(map(len, parts))]


def _rounds_by_folds(matrix, target, *, groups, columns, categorical, directions, settings):
    """The lowest log-loss, averaged over grouped folds that each leave a part of the customers out, and the number of trees that has it."""
    fold = grouped_folds(target, np.arange(len(target)) if groups is None else groups, folds=FOLDS, seed=settings.seed)
    parts = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(FOLDS)]
    parts = [(kept, away) for kept, away in parts if 0 < target[kept].sum() < len(kept) and len(away)]
    stop = lgb.early_stopping(settings.early_stopping_rounds, verbose=False)
    found = lgb.cv(parameters(columns, directions, settings), _dataset(matrix, target, columns, categorical, settings.max_bin),
                   settings.max_trees, folds=parts, callbacks=[stop])
    losses = found["valid binary_logloss-mean"]
    return losses[-1], max(len(losses), min(settings.min_trees, settings.max_trees))


def _best_rounds(matrix, target, validation, *, columns, categorical, directions, settings):
    """The lowest log-loss on the validation rows, the number of trees that has it, and the booster."""
    booster = stopped_trees(matrix, target, validation, columns=columns, categorical=categorical, directions=directions, settings=settings)
    loss = booster.best_score["valid_0"]["binary_logloss"]
    return loss, max(booster.best_iteration, min(settings.min_trees, settings.max_trees)), booster


def stopped_trees(matrix, target, validation, *, columns, categorical, directions, settings):
    """Trees grown on the given rows until the validation rows' log-loss no longer falls; the booster predicts with its best number of them.
    Arguments as for `choose`."""
    grown = _dataset(matrix, target, columns, categorical, settings.max_bin)
    watched = lgb.Dataset(validation[0], validation[1], reference=grown)
    # Log-loss, not AUC: with some dozens of bad validation rows the AUC's maximum is luck.
    stop = lgb.early_stopping(settings.early_stopping_rounds, verbose=False)
    return lgb.train(parameters(columns, directions, settings), grown, settings.max_trees, valid_sets=[watched], callbacks=[stop])


def _dataset(matrix, target, columns, categorical, max_bin, weight=None):
    # LightGBM refuses some characters in names; the bundle keeps the real ones in order.
    places = [j for j, name in enumerate(columns) if name in set(categorical)]
    return lgb.Dataset(matrix, target, weight=weight, feature_name=[f"c{j}" for j in range(len(columns))], categorical_feature=places, free_raw_data=True,
                       params={"max_bin": max_bin, "feature_pre_filter": False, "verbosity": -1})


def parameters(columns, directions, settings):
    """LightGBM's own parameters of some Settings; arguments as for `choose`."""
    # Bagging and column sampling are off in LightGBM unless a frequency or share below 1 is given.
    chosen = {"learning_rate": settings.learning_rate, "num_leaves": settings.num_leaves, "min_child_samples": settings.min_child_samples,
              "bagging_fraction": settings.subsample, "bagging_freq": 1 if settings.subsample < 1 else 0,
              "feature_fraction": settings.colsample, "extra_trees": settings.extra_trees,
              # LightGBM's own 100 rows a level would leave a small file's categories without a single cut.
              "min_data_per_group": settings.min_child_samples, "lambda_l2": settings.l2,
              "max_bin": settings.max_bin, "seed": settings.seed, "num_threads": settings.threads}
    signs = [directions.get(name, 0) for name in columns]
    if settings.monotone and any(signs):
        chosen |= {"monotone_constraints": signs, "monotone_constraints_method": "basic"}
    return FIXED | chosen


def _refuse_unfit(matrix, target, columns, sample):
    if matrix.shape != (len(target), len(columns)):
        raise RiskError(f"{sample}: a matrix of shape {matrix.shape} does not fit {len(target)} targets and {len(columns)} column names")
    bad = int(np.sum(target))
    if bad == 0 or bad == len(target):
        raise RiskError(f"{sample}: {bad} bad of {len(target)} rows; training needs both classes, "
                        "so bring more customers or a longer history")


def _swept(booster, base, place, name, direction, grid, threads):
    block = np.repeat(base, len(grid), axis=0)
    block[:, place] = np.tile(grid, len(base))
    raw_score = booster.predict(block, raw_score=True, num_threads=threads).reshape(len(base), len(grid))
    wrong = np.maximum(-direction * np.diff(raw_score, axis=1), 0.0) if len(grid) > 1 else np.zeros((len(base), 1))
    worst = wrong.max(axis=1)
    return {"column": name, "direction": direction, "rows": len(base), "violations": int((worst > 1e-9).sum()), "worst": float(worst.max())}


def _grid(values, steps):
    present = values[~np.isnan(values)]
    return np.unique(np.quantile(present, np.linspace(0, 1, steps), method="nearest")) if len(present) else np.array([])
