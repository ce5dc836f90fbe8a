"""One declared feature: its column, how it is computed, and what a reader of its reason needs to know."""

import msgspec

from features.derived import BUILT, DERIVED, LINKED
from features.terms import Term, walk


class Feature(msgspec.Struct, frozen=True):
    """One column: what it is called, how it is computed (`how`), and what the reader of a reason needs to know about it.

    `direction` is +1 where more is riskier, -1 where less is, 0 where that is not beyond doubt. `missing` says when the value is missing.
    """

    name: str
    how: Term
    unit: str
    factor: str
    missing: str
    kind: str = "number"
    direction: int = 0
    scope: str = "own"
    message_id: str = ""

    @property
    def needs(self):
        """The tables and columns it cannot do without: {table: tuple of columns}."""
        found = {}
        for term in walk(self.how):
            for table, columns in _term_needs(term).items():
                found.setdefault(table, {}).update(dict.fromkeys(columns))
        return {table: tuple(columns) for table, columns in found.items()}


def feature(name, how, **about):
    """A Feature whose message id follows from its name."""
    return Feature(name, how, message_id=f"feature.{name}", **about)


def renamed(each, name):
    """The Feature under another name."""
    return msgspec.structs.replace(each, name=name, message_id=f"feature.{name}")


def _term_needs(term):
    """What one term reads, its parts aside."""
    if not term.table:
        return {}
    if term.op == "own":
        return {"observations": (term.column,)}
    if term.op == "counterparty":
        return {"transactions": (term.column,), "observations": (term.column,)}
    if term.op == "series":
        own = {"customers": ("industry",)} if term.measure else {}
        return {"series": (f"{term.measure or 'market'}:{term.column}",), **own}
    if term.op == "open_items":
        return BUILT["settlements"]
    if term.op == "contracts":
        amount = ("amount",) if "amount" in term.measure else ()
        return {"contracts": ("contract_id", "due_on", "fulfilled_on", "status", *amount)}
    if term.table in BUILT:
        return BUILT[term.table]
    key = (term.key,) if term.op == "window" and term.key != "customer" else ()
    named = [term.column, term.by, *(condition.column for condition in term.where), *key]
    stored = tuple(dict.fromkeys(column for name in named for column in _stored(term.table, name)))
    found = {term.table: stored, **({"observations": key} if key else {})}
    for other, columns in (each for name in named for each in LINKED.get((term.table, name), {}).items()):
        found[other] = (*found.get(other, ()), *columns)
    return found


def _stored(table, name):
    """The stored columns behind a name that a term uses."""
    if not name or (table, name) in LINKED:
        return ()
    derived = DERIVED.get(table, {}).get(name)
    return derived.needs if derived else (name,)
