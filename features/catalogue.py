"""The catalogue: every feature declared once, and which of them a source's tables allow."""

from functools import cached_property

import msgspec

from features.accounts import PREFERRED_BASIS
from features.declarations import declare
from features.errors import RiskError
from features.feature import Feature
from features.fraud import JUDGED
from features.tables import TABLES
from features.terms import walk

USE_CASES = ("default", "fraud")
FACTORS = ("solvency", "profitability", "cash_flow", "payment_behaviour", "contracts", "transactions", "disputes", "background")
SCOPES = ("own", "peer", "counterparty")
WINDOWED = ("count", "sum", "mean", "sd", "min", "max", "recency", "distinct", "last", "concentration", "largest_share", "newcomers", "decay")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
# By op what may be asked of it; an op that is not here has no measure to get wrong.
MEASURES = {
    "window": WINDOWED,
    "statement": ("age_days", "filing_days", "missing", "first_filing_days"),
    "open_items": (
        *("open_amount", "open_count", "overdue_amount", "overdue_count", "overdue_amount_days", "largest_amount", "oldest_days", "partial_amount"),
        *("overdue_0d", "overdue_30d", "overdue_60d", "overdue_90d"),
    ),
    "contracts": ("due", "on_time", "late", "breached", "due_amount", "breached_amount", "delay_days"),
    "counterparty": ("count", "frauds"),
    "moment": ("hour", "weekday", "remainder"),
    "compare": COMPARISONS,
}


class Catalogue:
    """The features of one use case, in the order of their columns, and those left out: {name: "table.column" that is missing}.

    `preferred_basis` is the basis of statements that they read where a customer files several.
    """

    def __init__(self, use_case, declared, left_out=None, *, preferred_basis=PREFERRED_BASIS):
        self.use_case, self.preferred_basis = use_case, preferred_basis
        self.features = tuple(declared)
        self.left_out = dict(left_out or {})

    @cached_property
    def names(self):
        """Column names in order."""
        return tuple(each.name for each in self.features)

    @cached_property
    def categories(self):
        """Name and place of every category."""
        return tuple((each.name, place) for place, each in enumerate(self.features) if each.kind == "category")

    def __len__(self):
        return len(self.features)

    def __getitem__(self, name):
        return self._by_name[name]

    @cached_property
    def _by_name(self):
        return {each.name: each for each in self.features}

    def select(self, *scopes):
        """The catalogue of the features of these scopes, order kept."""
        return self.of([each for each in self.features if each.scope in scopes])

    def of(self, declared):
        """A catalogue of these features instead, all else kept."""
        return Catalogue(self.use_case, declared, self.left_out, preferred_basis=self.preferred_basis)

    def only(self, names):
        """The catalogue of the named features in that order.

        Raises RiskError when a name is not declared.
        """
        unknown = [name for name in names if name not in self._by_name]
        if unknown:
            raise RiskError(
                f"The catalogue of {self.use_case} has no feature {', '.join(unknown[:5])}; "
                "the tables lack its columns or the bundle was trained with another version."
            )
        return self.of([self._by_name[name] for name in names])

    @cached_property
    def needs(self):
        """What all features read together: {table: tuple of columns}."""
        found = {}
        for each in self.features:
            for table, columns in each.needs.items():
                found.setdefault(table, {}).update(dict.fromkeys(columns))
        return {table: tuple(columns) for table, columns in found.items()}

    def to_dict(self):
        """Plain dicts and lists, ready for JSON."""
        about = {"use_case": self.use_case, "preferred_basis": self.preferred_basis}
        return about | {"features": msgspec.to_builtins(self.features), "left_out": self.left_out}

    @classmethod
    def from_dict(cls, stored):
        """The catalogue that `to_dict` gave."""
        features = msgspec.convert(stored["features"], tuple[Feature, ...])
        return cls(stored["use_case"], features, stored["left_out"], preferred_basis=stored.get("preferred_basis", PREFERRED_BASIS))


def build_catalogue(use_case, columns, *, preferred_basis=PREFERRED_BASIS):
    """The Catalogue of a use case over tables with these columns: {table: {column: kind}}, as `features.feeders.duck.columns_of` gives
    them. `preferred_basis` is the basis of statements that is read where a customer files several.

    Features whose columns the tables lack are left out and named; columns beyond the contract become features, unless they are ids, names
    or free text.
    Raises RiskError for an unknown use case, a duplicate name, or a declaration that breaks the catalogue's rules.
    """
    if use_case not in USE_CASES:
        raise RiskError(f"Use case {use_case!r} is unknown; choose one of {', '.join(USE_CASES)}.")
    # the observations of a new use of the book do not exist yet when their catalogue is built
    columns = _with_own_columns(columns) if use_case == "fraud" else columns
    declared = declare(use_case, columns)
    check(declared)
    lacking = {each.name: _first_missing(each, columns) for each in declared}
    kept = [each for each in declared if lacking[each.name] is None]
    return Catalogue(use_case, kept, {name: gap for name, gap in lacking.items() if gap}, preferred_basis=preferred_basis)


def _with_own_columns(columns):
    """A fraud observation is a transaction and carries its columns."""
    judged = {name: kind for name, kind in columns.get("transactions", {}).items() if name in JUDGED}
    return {**columns, "observations": {**columns.get("observations", {}), **judged}}


def _first_missing(each, columns):
    return next(
        (
            f"{table}.{name}"
            for table, names in each.needs.items()
            for name in (*names, *_undated(table))
            if name not in columns.get(table, ())
        ),
        None,
    )


def _undated(table):
    """What a table cannot be read without, whatever is asked of it."""
    return () if table == "observations" else TABLES[table].filled


def check(declared):
    """Refuse declarations with a duplicate name or an unknown factor, scope or measure.

    Raises RiskError naming the feature.
    """
    seen = set()
    for each in declared:
        if each.name in seen:
            raise RiskError(f"Feature {each.name} is declared twice; a catalogue's names are unique.")
        seen.add(each.name)
        _check_one(each)


def _lacking(term):
    needs = {"concentration": ("by",), "largest_share": ("by",), "newcomers": ("by", "value"), "decay": ("value",)}
    return [name for name in needs.get(term.measure, ()) if not getattr(term, name)]


def _check_one(each):
    for value, allowed, what in (
        (each.factor, FACTORS, "factor"),
        (each.scope, SCOPES, "scope"),
        (each.kind, ("number", "category"), "kind"),
    ):
        if value not in allowed:
            raise RiskError(f"Feature {each.name} has the unknown {what} {value!r}; choose one of {', '.join(allowed)}.")
    for term in walk(each.how):
        _check_term(each.name, term)


def _check_term(name, term):
    if term.measure not in MEASURES.get(term.op, (term.measure,)):
        raise RiskError(f"Feature {name} asks for the unknown measure {term.measure!r}; choose one of {', '.join(MEASURES[term.op])}.")
    if wrong := [each.test for each in term.where if each.test not in COMPARISONS]:
        raise RiskError(f"Feature {name} filters by the unknown test {wrong[0]!r}; choose one of {', '.join(COMPARISONS)}.")
    if term.op == "window" and (lacking := _lacking(term)):
        raise RiskError(f"Feature {name} asks for {term.measure} without {' and '.join(lacking)}; state what to compare by, or in how many days.")
    if not (1 if term.op == "window" else 0) <= term.span < 1 << 32:
        raise RiskError(f"Feature {name} has a window of {term.span} seconds, outside the packed key's 1 to {(1 << 32) - 1}.")
