"""Columns such as a book has, drawn anew each time: heavy-tailed, tied, mostly missing, categories with rare levels, all of them correlated."""

import numpy as np

from features.arrays import Category

COLUMNS, FACTORS, LOADING = 100, 5, 0.6
KINDS = ("heavy", "tied", "missing", "category", "plain")
# Of each ten columns, in this order.
PATTERN = ("heavy", "heavy", "heavy", "tied", "tied", "missing", "missing", "category", "category", "plain")
LEVELS = (3, 8, 30, 300)


def names(columns=COLUMNS):
    """Column names; the kind is the part before the underscore."""
    return [f"{PATTERN[place % len(PATTERN)]}_{place:02d}" for place in range(columns)]


def draw(rng, rows, *, moved=None, by=0.0, columns=COLUMNS):
    """{name: float array or Category} of independent rows; the normal variable behind the column `moved` is shifted by `by` of its standard deviations."""
    common = rng.standard_normal((rows, FACTORS))
    return {name: _column(rng, name, place, common, by if name == moved else 0.0) for place, name in enumerate(names(columns))}


def draw_clustered(rng, customers, dates, *, keep=0.9, market=5, columns=COLUMNS):
    """As `draw`, of customers seen at each of `dates`, whose hidden variables keep the share `keep` from one date to the next; the first `market` columns are
    the same for all customers of a date and wander from date to date. Returns (columns, customer codes, date codes), date after date."""
    state = rng.standard_normal((columns, customers))
    found, world = [], rng.standard_normal(columns)
    for _ in range(dates):
        state = keep * state + np.sqrt(1 - keep**2) * rng.standard_normal(state.shape)
        world = 0.5 * world + np.sqrt(0.75) * rng.standard_normal(columns)
        found.append([np.full(customers, world[place]) if place < market else state[place] for place in range(columns)])
    hidden = [np.concatenate([date[place] for date in found]) for place in range(columns)]
    shaped = {name: values if place < market else _shaped(rng, name, place, values)
              for place, (name, values) in enumerate(zip(names(columns), hidden, strict=True))}
    return shaped, np.tile(np.arange(customers), dates), np.repeat(np.arange(dates), customers)


def _column(rng, name, place, common, shift):
    own = rng.standard_normal(len(common))
    return _shaped(rng, name, place, LOADING * common[:, place % FACTORS] + np.sqrt(1 - LOADING**2) * own + shift)


def _shaped(rng, name, place, normal):
    kind = name.split("_")[0]
    if kind == "heavy":
        return np.sinh(1.5 * normal) if place % 2 else np.exp(1.5 * normal)
    if kind == "tied":
        return np.maximum(np.floor(np.exp(normal) - (0.5 if place % 2 else 1.5)), 0.0)
    if kind == "missing":
        return np.where(rng.random(len(normal)) < (0.3 if place % 2 else 0.8), np.nan, normal)
    if kind == "category":
        return _category(normal, LEVELS[place // 10 % len(LEVELS)])
    return normal


def _category(normal, count):
    """Levels in an order that the normal variable follows, each next one rarer (Zipf)."""
    share = 1 / np.arange(1, count + 1)
    cuts = np.cumsum(share / share.sum())[:-1]
    # Logistic instead of normal quantiles: near enough, and without a solver.
    place = np.searchsorted(cuts, 1 / (1 + np.exp(-1.702 * normal)))
    return Category(place.astype(np.int32), tuple(f"L{number:03d}" for number in range(count)))
