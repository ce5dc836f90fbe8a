"""What would change a grade: the fewest things a customer can do that lead to the next better one, and how far, each tried on the scoring path itself."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product

import numpy as np

from features.moves import GAUGES, MOVES
from features.readback import CLOSE, evaluate, read_back, understood
from models import scoring
from models.move_reference import INDUSTRY, MISSING_STATEMENT

MOST = 3


@dataclass(frozen=True)
class Step:
    """One thing to do: the move's name, the column in which it is told, that column before and after all of the moves (None: missing), the effort (the share
    of customers that the column alone passes), and every column that all of the moves change."""

    move: str
    column: str
    before: float | None
    after: float | None
    effort: float
    changed: tuple = field(default=())


@dataclass(frozen=True)
class Change:
    """What would change a grade. state: best (there is no better grade), found, none (no set of at most three moves does), unknown (nothing that could be
    moved is known, or too few customers stand in a better grade to say what is plausible). grade, target (the next better one) and reached (where the moves
    lead, which may be better still) are names, probability and after those before and after."""

    state: str
    grade: str
    target: str | None
    probability: float
    reached: str | None = None
    after: float | None = None
    steps: tuple = ()
    row: np.ndarray | None = None


def what_would_change(reference, row, *, most=MOST, threads=1):
    """The smallest set of moves that takes one encoded row (columns,) of the reference's bundle to the next better grade. Returns a Change.

    Fewest moves first, then least effort, then the order of `features.moves.MOVES`. A move is a business fact: every column made of what it changes follows.
    Its columns stay within what customers of the better grade show, or where they were. One and two moves are tried in all doses; three in their strongest,
    and in all doses where that reaches the grade. What is answered was scored as the row itself was.
    """
    row = np.asarray(row, dtype=np.float64)
    scores = scoring.score(reference.bundle, row[None], threads=threads)
    grade, names = int(scores.grade[0]), scores.grades
    about = {"grade": names[grade], "probability": float(scores.probability[0])}
    if grade == 0:
        return Change("best", target=None, **about)
    about["target"] = names[grade - 1]
    trial = _Trial(reference, row, grade - 1, float(scores.raw_score[0]), threads)
    if reference.limits(grade - 1) is None or not trial.moves:
        return Change("unknown", **about)
    chosen = _smallest(trial, most)
    if chosen is None:
        return Change("none", **about)
    doses, moved = chosen
    after = scoring.score(reference.bundle, moved[None], threads=threads)
    return Change("found", reached=names[int(after.grade[0])], after=float(after.probability[0]), steps=trial.steps(doses, moved), row=moved, **about)


def _smallest(trial, most):
    """The doses (moves,) and the moved row of the best set, or None."""
    options = trial.options()
    for size in range(1, most + 1):
        sets = list(combinations(sorted(options), size))
        if size > 2:
            strongest = [{place: options[place][-1] for place in each} for each in sets]
            reached = trial.tried(strongest)[2]
            sets = [each for each, found in zip(sets, reached, strict=True) if found]
        tries = [dict(zip(each, doses, strict=True)) for each in sets for doses in product(*(options[place] for place in each))]
        doses, moved, reached = trial.tried(tries)
        if reached.any():
            effort = np.where(reached, trial.effort(doses), np.inf)
            # The first of equals: the order of the moves, then the weaker dose.
            best = int(np.argmin(effort))
            return doses[best], moved[best]
    return None


class _Trial:
    """One customer's facts, the moves open to it, and what comes of them."""

    def __init__(self, reference, row, target, raw_score, threads):
        self.reference, self.row, self.target, self.raw_score, self.threads = reference, row, target, raw_score, threads
        self.values = dict(zip(reference.bundle.names, row.tolist(), strict=True))
        self.facts = read_back(reference.terms, self.values, gauges=GAUGES)
        self.understood = understood(reference.terms, self.values, self.facts)
        self.filed = self._filed()
        self.moves = [move for move in MOVES if self._is_open(move)]

    def options(self):
        """{move's place: doses} of those that alone lower the probability plausibly; the single moves."""
        tries, moved = self._alone
        useful = self._plausible(moved) & (scoring.raw_scores(self.reference.bundle, moved, threads=self.threads) < self.raw_score)
        found = {}
        for each, row, fits in zip(tries, moved, useful, strict=True):
            ((place, dose),) = each.items()
            column = self.reference.place[self.moves[place].lead]
            if fits and (row[column] - self.row[column]) * self.moves[place].direction > 0:
                found.setdefault(place, []).append(dose)
        return found

    def tried(self, tries):
        """Doses (n, moves), moved rows (n, columns) and whether each reaches the grade plausibly, for dicts {move's place: dose}."""
        doses = np.zeros((len(tries), len(self.moves)))
        for number, each in enumerate(tries):
            for place, dose in each.items():
                doses[number, place] = dose
        if not tries:
            return doses, doses, np.zeros(0, dtype=bool)
        moved = self._moved(doses)
        graded = scoring.score(self.reference.bundle, moved, threads=self.threads).grade
        return doses, moved, (graded <= self.target) & self._plausible(moved)

    def effort(self, doses):
        """The sum of the moves' own efforts (n,)."""
        return sum(np.array([self._efforts[place].get(dose, 0.0) for dose in doses[:, place].tolist()]) for place in range(len(self.moves)))

    @cached_property
    def _efforts(self):
        """By move the effort of each of its doses, {dose: share of customers}."""
        found = [{} for _ in self.moves]
        for each, row in zip(*self._alone, strict=True):
            ((place, dose),) = each.items()
            column = self.moves[place].lead
            at = self.reference.place[column]
            found[place][dose] = float(self.reference.passed(column, self.row[at], row[at]))
        return found

    @cached_property
    def _alone(self):
        """Every move on its own in each of its doses, and the moved rows."""
        tries = [{place: dose} for place, move in enumerate(self.moves) for dose in move.doses]
        return tries, self.tried(tries)[1]

    def steps(self, doses, moved):
        """The chosen moves in words' raw material, in the order of MOVES."""
        changed = tuple(name for name, place in self.reference.place.items() if _differs(moved[place], self.row[place]))
        return tuple(self._step(place, doses, moved, changed) for place in np.flatnonzero(doses))

    def _step(self, place, doses, moved, changed):
        column = self.moves[place].lead
        ends = (each[self.reference.place[column]] for each in (self.row, moved))
        before, after = (None if np.isnan(end) else float(end) for end in ends)
        return Step(self.moves[place].name, column, before, after, self._efforts[place][float(doses[place])], changed)

    def _is_open(self, move):
        known = self.facts.keys() | self.filed.keys() if move.name == "file_statement" else self.facts.keys()
        if move.lead not in self.understood or not set(move.needs) <= known:
            return False
        return move.name != "file_statement" or self.values[MISSING_STATEMENT] == 1

    def _filed(self):
        """The statement's facts of the customer that stands in for one that filed nothing; empty where a statement, if an old one, is known."""
        has_one = any(leaf.op in ("stock", "flow") for leaf in self.facts if leaf not in GAUGES)
        donor = None if has_one or self.values.get(MISSING_STATEMENT) != 1 else self.reference.donor(self.target + 1)
        if donor is None:
            return {}
        shown = read_back(self.reference.terms, dict(zip(self.reference.bundle.names, donor.tolist(), strict=True)), gauges=GAUGES)
        return {leaf: value for leaf, value in shown.items() if leaf.table == "statements" and not leaf.lag and leaf.op in ("stock", "flow", "statement")}

    def _moved(self, doses):
        count = len(doses)
        start = {leaf: np.repeat(value, count) for leaf, value in self.facts.items()}
        facts = dict(start)
        for place, move in enumerate(self.moves):
            if doses[:, place].any():
                if move.name == "file_statement":
                    facts |= {leaf: np.where(doses[:, place] > 0, value, facts.get(leaf, np.nan)) for leaf, value in self.filed.items()}
                move.apply(facts, doses[:, place])
        touched = {leaf for leaf, value in facts.items() if value is not start.get(leaf)}
        matrix, done = np.repeat(self.row[None], count, axis=0), {}
        for name in self.reference.terms:
            if name in self.understood and self.reference.leaves[name] & touched:
                self._write(matrix, name, evaluate(self.reference.terms[name], facts, done))
        for name, base in self.reference.peers.items():
            self._write_rank(matrix, name, base)
        return matrix

    def _write(self, matrix, name, values):
        place = self.reference.place[name]
        values = np.where(np.isfinite(values), values, np.nan)
        # What reading back rounds is no change: a column keeps its bits unless its fact moved.
        matrix[:, place] = np.where(_differs(values, self.row[place]), values, self.row[place])

    def _write_rank(self, matrix, name, base):
        values, place = matrix[:, self.reference.place[base]], self.reference.place[base]
        moved = _differs(values, self.row[place])
        if moved.any():
            industry = self.values.get(INDUSTRY, np.nan)
            ranks = self.reference.rank(name, base, industry, values)
            if ranks is not None:
                at = self.reference.place[name]
                matrix[:, at] = np.where(moved, ranks, matrix[:, at])

    def _plausible(self, moved):
        (low, high), missing = self.reference.limits(self.target)
        inside = (moved >= np.fmin(low, self.row)) & (moved <= np.fmax(high, self.row)) | (np.isnan(moved) & missing)
        return (inside | ~_differs(moved, self.row)).all(axis=1)


def _differs(new, old):
    """Whether a value is another, beyond what rounding does."""
    both = np.isnan(new) & np.isnan(old)
    return ~both & ~(np.abs(new - old) <= CLOSE * np.maximum(1.0, np.abs(old)))
