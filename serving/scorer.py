"""From a customer's features or raw records to the whole answer: score, reasons in words, decision, and how much was known and how fresh it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import msgspec
import numpy as np

from features.arrays import Category
from features.catalogue import Catalogue
from features.compute import compute
from features.feeders.records import from_rows, observations_of
from features.tables import TABLES
from models import policy as rules
from models import reasons, scoring
from models.decision_in_force import Held, decide_in_force
from models.overrides import Override
from serving import messages
from serving.daily_spend import REVIEWS
from serving.inbound import parse_moment
from serving.standing import policy_arguments, standing_catalogue


@dataclass(frozen=True)
class Question:
    """Whom to score and when: as_of is naive UTC, nothing known later is read; requested_amount is asked for on top of the exposure, in minor units;
    own: the observation's own columns, for fraud those of the transaction to be judged; override: a person's decision in force, and the day it is used on;
    held: where the customer stands in its life cycle; spent: what decisions of the same day took before of what the policy allows for a day, minor units or,
    for fraud, reviews; draws: whether this one takes its part of it."""

    customer_id: str
    as_of: datetime
    requested_amount: int = 0
    own: dict = field(default_factory=dict)
    override: Override | None = None
    day: date | None = None
    held: Held | None = None
    spent: int = 0
    draws: bool = True


class Reason(msgspec.Struct, frozen=True):
    """One reason: contribution in log-odds (above 0 raises the risk), the columns behind it, strongest first, and a sentence per language."""

    message_id: str
    factor: str
    contribution: float
    values: tuple
    sentence: dict


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller is told; raw_score and sub_scores in log-odds, points on the bundle's scale, money in minor units. pd_low, pd_high: the
    probability's interval, None where the bundle has none.

    sufficiency: how many of the model's columns are known, and which of its tables have rows (None when features came without records). freshness: per
    table the latest moment at which anything was known. versions: hashes of bundle, policy, context and publication.
    """

    use_case: str
    customer_id: str
    as_of: datetime
    probability_name: str
    probability: float
    pd_low: float | None
    pd_high: float | None
    raw_score: float
    points: float
    grade: str
    sub_scores: dict
    reasons: tuple
    decision: dict
    sufficiency: dict
    freshness: dict
    versions: dict


@dataclass(frozen=True)
class Scored:
    """An answer with the values it rests on, to be kept with it: every column of the bundle by name, the standing the policy saw, and the question. takes: what
    its decision takes of its day, in the unit of the question's `spent`. published: the row of scores it was read from, where no bundle scored it
    (serving.last_good)."""

    answer: Answer
    values: dict
    standing: dict
    question: Question
    takes: int = 0
    published: Mapping | None = None


class Scorer:
    """One bundle with its catalogue, context and policy; it keeps no state between questions and serves any number of threads."""

    # Whether it scores what is sent, and not only tells what was published.
    whole = True

    def __init__(self, bundle, *, catalogue, context, policy, hashes, columns):
        """catalogue: the published one, of which the bundle's columns are computed; hashes: of context and publication;
        columns: {table: {column: kind}} of the source.

        Raises RiskError when the catalogue lacks a column of the bundle.
        """
        self.bundle, self.context, self.policy = bundle, context, policy
        self.catalogue = catalogue.only(bundle.names)
        self.versions = {"bundle": bundle.hash, "policy": policy.hash, **hashes}
        self.kinds = {column.name: "number" if column.levels is None else "category" for column in bundle.manifest.columns}
        self._columns = {column.name: column for column in bundle.manifest.columns}
        self._standing = standing_catalogue(columns, preferred_basis=catalogue.preferred_basis)
        self._needs = Catalogue(bundle.manifest.use_case, [*self.catalogue.features, *self._standing.features]).needs
        self.own = self.catalogue.needs.get("observations", ())
        self._tables = tuple(table for table in self.catalogue.needs if table != "observations")

    @property
    def judges_transactions(self):
        """Whether a question is about one transaction, which must then be given with a customer's records."""
        return self.bundle.manifest.use_case == "fraud"

    def score_features(self, values, question, *, standing=None, records=None, freshness=None):
        """Scored from features by name (numbers, strings, None; one left out is not known).

        standing: name to number, see serving.standing; computed from the records behind the features where those are given and it is not.
        freshness: as an Answer has it, of records that are not at hand any more.
        """
        if standing is None and records is not None:
            standing = self._stand(*self._read(records, question, self._standing.needs))
        columns = {name: [values.get(name)] for name in self.bundle.names}
        return self._score(columns, values, standing or {}, freshness if records is None else freshness_of(records, question.as_of), question)

    def score_row(self, row, question):
        """Scored from a row of the published book (serving.published.BookRow)."""
        return self.score_features(row.features, question, records=row.records, standing=row.score.get("standing"))

    def score_records(self, records, question, *, standing=None):
        """Scored from a customer's raw records, {table: rows}, as the kernel computes them; standing given wins over what the records say.

        Raises RiskError for rows the kernel cannot read.
        """
        rows, when = self._read(records, question, self._needs)
        columns = compute(self.catalogue, rows, when, context=self.context)
        values = {name: _plain(column) for name, column in columns.items()}
        return self._score(columns, values, self._stand(rows, when) | (standing or {}), freshness_of(records, question.as_of), question)

    def draws_on(self, scored):
        """What of its day a decision may take or depend on: the policy's currency, `reviews`, or None, for one that is the same whatever the day has spent."""
        if not scored.question.draws:
            return None
        if self.judges_transactions:
            return REVIEWS if rules.may_be_reviewed(self.policy, scored.answer.probability) else None
        return self.policy.spec.currency if scored.question.requested_amount > 0 else None

    def decided_after(self, scored, spent):
        """The same score decided anew after its day has spent so much: what a question with that `spent` would have got."""
        question = replace(scored.question, spent=spent)
        decision, takes = self._decide(scored.answer.grade, scored.answer.probability, scored.standing, question)
        return replace(scored, answer=msgspec.structs.replace(scored.answer, decision=decision), question=question, takes=takes)

    def describe(self):
        """The bundle as a caller may see it: columns with their words, grades, policy and versions."""
        manifest = self.bundle.manifest
        columns = [_described(column) for column in manifest.columns]
        grades = [{"name": grade.name, "below": grade.upper, "probability": grade.probability} for grade in manifest.grades]
        about = {"use_case": manifest.use_case, "probability_name": manifest.probability_name, "training": manifest.training}
        return about | {"versions": self.versions, "grades": grades, "columns": columns}

    def _score(self, columns, values, standing, freshness, question):
        """freshness: None where features came without records."""
        matrix = scoring.encode(columns, self.bundle)
        scores = scoring.score(self.bundle, matrix)
        contributions = scoring.contributions(self.bundle, matrix)
        grade = str(scores.grade_names()[0])
        manifest = self.bundle.manifest
        decision, takes = self._decide(grade, float(scores.probability[0]), standing, question)
        answer = Answer(
            use_case=manifest.use_case,
            customer_id=question.customer_id,
            as_of=question.as_of,
            probability_name=manifest.probability_name,
            probability=float(scores.probability[0]),
            pd_low=_plain(scores.pd_low),
            pd_high=_plain(scores.pd_high),
            raw_score=float(scores.raw_score[0]),
            points=float(scores.points[0]),
            grade=grade,
            sub_scores={name: float(total[0]) for name, total in reasons.sub_scores(self.bundle, contributions).items()},
            reasons=tuple(self._reason(reason) for reason in reasons.reasons(self.bundle, contributions, matrix)[0]),
            decision=decision,
            sufficiency=self._sufficiency(matrix[0], freshness),
            freshness=freshness or {},
            versions=self.versions,
        )
        return Scored(answer, {name: values.get(name) for name in self.bundle.names}, standing, question, takes)

    def _reason(self, reason):
        name, value, _ = reason.columns[0]
        unit = self._columns[name].unit
        sentence = {
            language: messages.reason_sentence(name, value, unit=unit, contribution=reason.contribution, language=language) for language in messages.LANGUAGES
        }
        values = tuple({"name": name, "value": value, "contribution": contribution} for name, value, contribution in reason.columns)
        return Reason(reason.message_id, reason.factor, reason.contribution, values, sentence)

    def _decide(self, grade, probability, standing, question):
        """The decision with its words, and what it takes of its day."""
        if self.judges_transactions:
            action = rules.FRAUD_ACTIONS[int(rules.decide_fraud(self.policy, [probability], ahead=question.spent)[0])]
            return _with_words({"action": action, "route": None, "reasons": ()}), int(action == "review")
        case = {**policy_arguments(standing), "grade": grade, "pd_12m": probability, "amount": question.requested_amount}
        decision, beside = decide_in_force(self.policy, override=question.override, held=question.held, day=question.day, spent=question.spent, **case)
        takes = rules.spent_by(self.policy, decision, pd_12m=probability, exposure=int(case["exposure"][0]))
        return _with_words(msgspec.structs.asdict(decision) | beside), takes

    def _sufficiency(self, row, present):
        """How much was known of a row (columns,); `present` names the tables with rows, None where features came without records."""
        known = int((~np.isnan(row)).sum())
        found = {"columns": len(row), "known": known, "share": known / len(row), "tables": None, "absent": None}
        if present is None:
            return found
        tables = {there: [table for table in self._tables if (table in present) == there] for there in (True, False)}
        return found | {"tables": tables[True], "absent": tables[False]}

    def _stand(self, rows, when):
        return {name: _plain(column) for name, column in compute(self._standing, rows, when).items()}

    def _read(self, records, question, needs):
        known = {table: rows for table, rows in records.items() if table in TABLES}
        own = {name: question.own.get(name) for name in self.own}
        row = {"as_of": question.as_of, **own}
        return from_rows(known, customer_id=question.customer_id, needs=needs), observations_of([row], use_case=self.bundle.manifest.use_case)


def _plain(column):
    """The first value of a column: a float, a category's level, or None."""
    if isinstance(column, Category):
        return column.levels[int(column.codes[0])] if column.codes[0] >= 0 else None
    value = column.item(0)
    return value if value == value else None


def _with_words(decision):
    """A decision with its action, route and reasons in words of every language."""
    words = {
        language: {
            "action": messages.label("action", decision["action"], language=language),
            "route": messages.label("route", decision["route"], language=language) if decision["route"] else None,
            "reasons": [messages.policy_reason(code, language=language) for code in decision["reasons"]],
        }
        for language in messages.LANGUAGES
    }
    return decision | {"words": words}


def _described(column):
    words = {language: messages.feature_name(column.name, language=language) for language in messages.LANGUAGES}
    about = {"name": column.name, "kind": "number" if column.levels is None else "category", "unit": column.unit, "factor": column.factor}
    return about | {"scope": column.scope, "direction": column.direction, "levels": column.levels, "words": words}


def freshness_of(records, as_of):
    """The latest moment at which anything of each table was known up to as_of, {table: moment}; a table without such a row is left out."""
    found = {table: _latest(rows, as_of) for table, rows in records.items()}
    return {table: moment for table, moment in found.items() if moment}


def _latest(rows, as_of):
    """The latest known_at of rows up to as_of, or None."""
    moments = (parse_moment(row.get("known_at")) for row in rows)
    return max((moment for moment in moments if moment and moment <= as_of), default=None)
