"""What a bundle on trial said beside the champion: written by the service's shadow and by the night, read by `risk shadow` and a promotion."""

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from serving import ledger
from serving.schema import decisions, shadow_nights, shadow_scores

SIDES = ("champion", "shadow")


@dataclass(frozen=True)
class Night:
    """One published book scored by both: as_of its moment in ISO 8601, effect of `models.gate_effect.effect_of`."""

    as_of: str
    champion: str
    scored_at: datetime
    effect: dict


class Trials:
    """The trials of one source and use case."""

    def __init__(self, store, *, source, use_case):
        self._store, self._of = store, {"source": source, "use_case": use_case}

    def record_scores(self, rows):
        """Keep what was said of decisions: rows are mappings of the table's columns beside source, use_case and scored_at. A decision that is there stays, and
        one whose customer was erased since is left out."""
        now = self._store.now()
        with self._store.database.writing() as connection:
            there, known = _recorded(connection, rows)
            new = [{**row, **self._of, "scored_at": now} for row in rows if row["decision_id"] in known and (row["decision_id"], row["shadow"]) not in there]
            if new:
                connection.execute(sa.insert(shadow_scores), new)

    def record_night(self, shadow, *, champion, as_of, effect):
        """Keep what was said of a book; the same book again replaces it."""
        key = {**self._of, "shadow": shadow, "as_of": as_of}
        with self._store.database.writing() as connection:
            connection.execute(sa.delete(shadow_nights).where(*(shadow_nights.c[name] == value for name, value in key.items())))
            row = {**key, "champion": champion, "scored_at": self._store.now(), "effect": ledger.to_json(effect, "effect").decode()}
            connection.execute(sa.insert(shadow_nights), row)

    def nights(self, shadow, *, since=None):
        """Every Night of a bundle, oldest book first; since: scored from that moment on."""
        query = sa.select(shadow_nights).where(*self._where(shadow_nights, shadow, since)).order_by(shadow_nights.c.as_of)
        with self._store.database.reading() as connection:
            return [Night(row["as_of"], row["champion"], row["scored_at"], json.loads(row["effect"])) for row in connection.execute(query).mappings()]

    def scores(self, shadow, *, since=None):
        """{column: list} of what was said of decisions, in the order of their ids: <side>_probability, _grade and _action of both SIDES."""
        names = [f"{side}_{name}" for side in SIDES for name in ("probability", "grade", "action")]
        query = sa.select(*(shadow_scores.c[name] for name in names)).where(*self._where(shadow_scores, shadow, since)).order_by(shadow_scores.c.decision_id)
        with self._store.database.reading() as connection:
            rows = connection.execute(query).all()
        return {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def forget(self, *, but):
        """Delete what bundles other than `but` said of decisions and books: their trials are over."""
        with self._store.database.writing() as connection:
            for table in (shadow_scores, shadow_nights):
                of = [table.c[name] == value for name, value in self._of.items()]
                connection.execute(sa.delete(table).where(*of, table.c.shadow != but))

    def _where(self, table, shadow, since):
        of = [table.c[name] == value for name, value in {**self._of, "shadow": shadow}.items()]
        return of if since is None else [*of, table.c.scored_at >= since]


def _recorded(connection, rows):
    """(decision id, bundle) of what is kept already, and the ids of decisions that still name their customer."""
    there, known = set(), set()
    for part in ledger.parts(row["decision_id"] for row in rows):
        kept = sa.select(shadow_scores.c.decision_id, shadow_scores.c.shadow).where(shadow_scores.c.decision_id.in_(part))
        there |= {tuple(row) for row in connection.execute(kept)}
        known |= set(connection.execute(sa.select(decisions.c.id).where(decisions.c.id.in_(part), decisions.c.customer_id.is_not(None))).scalars())
    return there, known
