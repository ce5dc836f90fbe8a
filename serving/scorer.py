"""From a customer's features or raw records to the whole answer: score, reasons in words, decision, and how much was known and how fresh it is."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache, partial

import msgspec
import numpy as np

from features.arrays import Category
from features.compute import compute
from features.errors import RiskError
from features.feeders.records import from_rows, observations_of
from features.feeders.together import UNOWNED, one_each, together
from features.tables import TABLES
from models import policy as rules
from models import reasons, scoring
from models.decision_in_force import Held, decide_in_force
from models.overrides import Override
from serving import messages
from serving.daily_spend import REVIEWS
from serving.early_warning import life_cycle_catalogue
from serving.standing import policy_arguments, standing_catalogue
from serving.values import EPOCH, MICROSECOND, microseconds, moments_alike, parse_moment

# What the kernel calls a figure of a customer's standing, beside the model's columns.
STANDING = "standing."
# Rows explained at a time: few enough that little is left to do once the last are, many enough that the calls cost nothing.
PART = 100


@dataclass(frozen=True)
class Question:
    """Whom to score and when: as_of is naive UTC, nothing known later is read; requested_amount is asked for on top of the exposure, in minor units;
    own: the observation's own columns, for fraud those of the transaction to be judged; override: a person's decision in force, and the day it is used on;
    held: where the customer stands in its life cycle; spent: what decisions of the same day took before of what the policy allows for a day, minor units or,
    for fraud, reviews; draws: whether this one takes its part of it, or only looks what it would be decided as."""

    customer_id: str
    as_of: datetime
    requested_amount: int = 0
    own: dict = field(default_factory=dict)
    override: Override | None = None
    day: date | None = None
    held: Held | None = None
    spent: int = 0
    draws: bool = True


@dataclass(frozen=True)
class Asked:
    """What is to be scored: a Question with features by name (numbers, strings, None; one left out is not known), with raw records, {table: rows}, of which
    the kernel computes them, or with both, the records then being those behind the features.

    standing: name to number, see serving.standing; it wins over what records say, which are asked for it unless both features and it are given.
    languages: those of the sentences, none for an answer without words. freshness: as an Answer has it, of records that are not at hand any more.
    row: the row of the published book (serving.published.BookRow) that is asked about, if one is.
    """

    question: Question
    values: Mapping | None = None
    records: Mapping | None = None
    standing: Mapping | None = None
    languages: tuple = messages.LANGUAGES
    freshness: Mapping | None = None
    row: object = None


class Unreadable(RiskError):
    """Records that the kernel cannot read: `errors` holds (place among what was asked, the RiskError) of each."""

    def __init__(self, errors):
        super().__init__(str(errors[0][1]))
        self.errors = errors


class Reason(msgspec.Struct, frozen=True):
    """One reason: contribution in log-odds (above 0 raises the risk), the columns behind it, strongest first, what the customer's figure is held against
    (kind, name, value and reference of models.reasons.Comparison, None where a publication of old has none), and a sentence per language."""

    message_id: str
    factor: str
    contribution: float
    values: tuple
    sentence: dict
    comparison: dict | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller is told; raw_score and sub_scores in log-odds, points on the bundle's scale, money in minor units. pd_low, pd_high: the
    probability's interval, None where the bundle has none. sub_scores, reasons: None where neither bundle nor publication can tell (serving.last_good).

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
    sub_scores: dict | None
    reasons: tuple | None
    decision: dict
    sufficiency: dict
    freshness: dict
    versions: dict


@dataclass(frozen=True)
class Scored:
    """An answer with the values it rests on, to be kept with it: every column of the bundle by name, the standing the policy saw, and the question. takes: what
    its decision takes of its day, in the unit of the question's `spent`. published: the row of scores it was read from, where no bundle scored it
    (serving.last_good). languages: as in Asked. faults: what this answer lacks, as sentences, beside what is wrong with all."""

    answer: Answer
    values: dict
    standing: dict
    question: Question
    takes: int = 0
    published: Mapping | None = None
    languages: tuple = ()
    faults: tuple = ()


class Scorer:
    """One bundle with its catalogue, context and policy; it keeps no state between questions and serves any number of threads."""

    # Whether it scores what is sent, and not only tells what was published.
    whole = True

    def __init__(self, bundle, *, catalogue, context, policy, hashes, columns):
        """catalogue: the published one, of which the bundle's columns are computed; hashes: of context and publication;
        columns: {table: {column: kind}} of the source.

        Raises RiskError when the catalogue lacks a column of the bundle.
        """
        self.bundle, self.context, self.policy, self.columns = bundle, context, policy, columns
        self.catalogue = catalogue.only(bundle.names)
        self.versions = {"bundle": bundle.hash, "policy": policy.hash, **hashes}
        self.kinds = {column.name: "number" if column.levels is None else "category" for column in bundle.manifest.columns}
        self._columns = {column.name: column for column in bundle.manifest.columns}
        standing = standing_catalogue(columns, preferred_basis=catalogue.preferred_basis)
        # Named apart, since a source's own column may be called exposure too.
        self._standing = standing.of([msgspec.structs.replace(each, name=STANDING + each.name) for each in standing.features])
        self._both = self.catalogue.of([*self.catalogue.features, *self._standing.features])
        self._warnings = life_cycle_catalogue(columns, preferred_basis=catalogue.preferred_basis)
        self.stands = standing.names
        self.own = self.catalogue.needs.get("observations", ())
        self._tables = tuple(table for table in self.catalogue.needs if table != "observations")

    @property
    def judges_transactions(self):
        """Whether a question is about one transaction, which must then be given with a customer's records."""
        return self.bundle.manifest.use_case == "fraud"

    def score_features(self, values, question, *, standing=None, records=None, **more):
        """Scored from features; arguments as in Asked."""
        return self.score_all([Asked(question, values, records, standing, **more)])[0]

    def score_records(self, records, question, *, standing=None):
        """Scored from a customer's raw records; arguments as in Asked. Raises Unreadable for rows the kernel cannot read."""
        return self.score_all([Asked(question, None, records, standing)])[0]

    def score_all(self, asked):
        """Scored of each Asked, in their order; see scored."""
        return list(self.scored(asked))

    def scored(self, asked, *, settled=None, undrawn=False):
        """Yield the Scored of each Asked, in their order: one computation and one matrix for all, and each answer to the bit the one it would have got alone.

        settled: called for the questions to decide, in the order of `asked`, once the first rows are explained: what is looked up meanwhile need not be waited
        for. undrawn: where all depend on their day, leave their decisions (None) to `decided_after`.

        LightGBM explains the next rows on a thread of its own while whoever asks does something with these. Raises Unreadable, with all of them, when the
        kernel cannot read somebody's rows.
        """
        if not asked:
            return
        given, standings = self._known(asked)
        names = self.bundle.names
        values = [{name: each.get(name) for name in names} for each in given]
        rows = [list(each.values()) for each in values]
        matrix = scoring.encode_rows(rows, self.bundle)
        parts = [slice(start, start + PART) for start in range(0, len(asked), PART)]
        for part, contributions in zip(parts, self._explained(matrix, parts), strict=True):
            if settled is not None:
                asked, settled = with_questions(asked, settled()), None
            yield from self._answers(asked[part], values[part], standings[part], matrix[part], contributions, undrawn=undrawn)

    def _explained(self, matrix, parts):
        """Yield the contributions of parts of a matrix."""
        if len(parts) < 2:
            yield scoring.contributions(self.bundle, matrix)
            return
        with ThreadPoolExecutor(1) as thread:
            waiting = [thread.submit(scoring.contributions, self.bundle, matrix[part]) for part in parts]
            try:
                for each in waiting:
                    yield each.result()
            finally:
                thread.shutdown(cancel_futures=True)

    def facts(self, asked):
        """What the life cycle asks about each beside its score (serving.early_warning), of its records: name to number or None. Raises Unreadable."""
        return self._computed(asked, self._warnings, range(len(asked)))

    def draws_on(self, scored):
        """What of its day a decision may take or depend on: the policy's currency, `reviews`, or None, for one that is the same whatever the day has spent."""
        if self.judges_transactions:
            return REVIEWS if scored.question.draws and rules.may_be_reviewed(self.policy, scored.answer.probability) else None
        return self.policy.spec.currency if scored.question.requested_amount > 0 else None

    def decided_after(self, scored, spent):
        """The same score decided anew after its day has spent so much: what a question with that `spent` would have got."""
        question = replace(scored.question, spent=spent)
        asked = Asked(question, languages=scored.languages)
        ((decision, takes),) = self._decisions([scored.answer.grade], [scored.answer.probability], [scored.standing], [asked])
        return replace(scored, answer=msgspec.structs.replace(scored.answer, decision=decision), question=question, takes=takes if question.draws else 0)

    def describe(self):
        """The bundle as a caller may see it: columns with their words, grades, policy and versions."""
        manifest = self.bundle.manifest
        columns = [_described(column) for column in manifest.columns]
        grades = [{"name": grade.name, "below": grade.upper, "probability": grade.probability} for grade in manifest.grades]
        about = {"use_case": manifest.use_case, "probability_name": manifest.probability_name, "training": manifest.training}
        return about | {"versions": self.versions, "grades": grades, "columns": columns}

    def _known(self, asked):
        """The features and the standing of each, given or as its records say them."""
        values, standings = [each.values for each in asked], [dict(each.standing or {}) for each in asked]
        raw = [place for place, each in enumerate(asked) if each.values is None]
        stand = [place for place, each in enumerate(asked) if each.values is not None and each.standing is None and each.records is not None]
        for places, catalogue in ((raw, self._both), (stand, self._standing)):
            for place, found in zip(places, self._computed([asked[place] for place in places], catalogue, places), strict=True):
                standings[place] = {name.removeprefix(STANDING): found[name] for name in self._standing.names} | standings[place]
                if values[place] is None:
                    values[place] = {name: found[name] for name in self.bundle.names}
        return values, standings

    def _computed(self, asked, catalogue, places):
        """Each one's columns by the catalogue, plain values by name. Those who bring other rows of what belongs to nobody are computed apart."""
        parts = _each(places, [partial(self._records, each, catalogue) for each in asked])
        found = [None] * len(asked)
        for group in _alike(asked, catalogue).values():
            for place, row in zip(group, self._group(catalogue, asked, parts, group, places), strict=True):
                found[place] = row
        return found

    def _records(self, each, catalogue):
        known = {table: rows for table, rows in each.records.items() if table in TABLES}
        return from_rows(known, customer_id=each.question.customer_id, needs=catalogue.needs)

    def _group(self, catalogue, asked, parts, group, places):
        """Rows of a group that is computed together; where that cannot be done each is alone, so that it is told whose rows it was."""
        try:
            return self._rows(catalogue, [asked[place] for place in group], [parts[place] for place in group])
        except RiskError:
            alone = [partial(self._rows, catalogue, [asked[place]], [parts[place]]) for place in group]
            return [rows[0] for rows in _each([places[place] for place in group], alone)]

    def _rows(self, catalogue, asked, parts):
        when = observations_of([self._asks(each.question) for each in asked], use_case=self.bundle.manifest.use_case)
        return _rows(compute(catalogue, together(parts), one_each(when), context=self.context))

    def _asks(self, question):
        return {"as_of": question.as_of} | {name: question.own.get(name) for name in self.own}

    def _answers(self, asked, values, standings, matrix, contributions, *, undrawn):
        """Yield the Scored of each row of a matrix whose contributions are known; undrawn: as in `scored`."""
        scores = scoring.score(self.bundle, matrix)
        manifest, grades = self.bundle.manifest, scores.grade_names().tolist()
        totals = [dict(zip(reasons.SUB_SCORES, row, strict=True)) for row in _transposed(reasons.sub_scores(self.bundle, contributions))]
        why = reasons.reasons(self.bundle, contributions, matrix)
        later = undrawn and not self.judges_transactions and all(each.question.requested_amount > 0 for each in asked)
        decisions = [(None, 0)] * len(asked) if later else self._decisions(grades, scores.probability, standings, asked)
        known, lows, highs = (~np.isnan(matrix)).sum(axis=1).tolist(), _plain(scores.pd_low), _plain(scores.pd_high)
        probabilities, raw_scores, points = scores.probability.tolist(), scores.raw_score.tolist(), scores.points.tolist()
        for place, each in enumerate(asked):
            question, (decision, takes) = each.question, decisions[place]
            freshness = each.freshness if each.records is None else freshness_of(each.records, question.as_of)
            answer = Answer(
                use_case=manifest.use_case,
                customer_id=question.customer_id,
                as_of=question.as_of,
                probability_name=manifest.probability_name,
                probability=probabilities[place],
                pd_low=lows[place],
                pd_high=highs[place],
                raw_score=raw_scores[place],
                points=points[place],
                grade=grades[place],
                sub_scores=totals[place],
                reasons=tuple(self._reason(reason, each.languages) for reason in why[place]),
                decision=decision,
                sufficiency=self._sufficiency(len(self.bundle.names), known[place], freshness),
                freshness=freshness or {},
                versions=self.versions,
            )
            yield Scored(answer, values[place], standings[place], question, takes, languages=each.languages)

    def _reason(self, reason, languages):
        compared = reason.comparison
        values = tuple({"name": name, "value": value, "contribution": contribution} for name, value, contribution in reason.columns)
        comparison = {"kind": compared.kind, "name": compared.name, "value": compared.value, "reference": compared.reference}
        sentence = worded(reason.message_id, reason.factor, reason.contribution, comparison, self._columns[compared.name].unit, languages)
        return Reason(reason.message_id, reason.factor, reason.contribution, values, sentence, comparison)

    def _decisions(self, grades, probabilities, standings, asked):
        """The decision on each, in plain values with its words, and what it takes of its day."""
        spent = [each.question.spent for each in asked]
        if self.judges_transactions:
            actions = [rules.FRAUD_ACTIONS[place] for place in rules.decide_fraud(self.policy, probabilities, ahead=spent).tolist()]
            return [({"action": action, "route": None, "reasons": (), "words": _words(action, None, (), each.languages)}, int(action == "review"))
                    for action, each in zip(actions, asked, strict=True)]
        names = dict.fromkeys(name for standing in standings for name in standing)
        arguments = policy_arguments({name: [standing.get(name) for standing in standings] for name in names})
        amounts = [each.question.requested_amount for each in asked]
        book = rules.decide_book(self.policy, grade=grades, pd_12m=probabilities, amount=amounts, spent=spent, **arguments)
        takes = rules.budget_spent(self.policy, book, pd_12m=probabilities, exposure=arguments["exposure"]).tolist()
        return [self._decision(book, takes, place, each, grades[place], probabilities[place], standings[place]) for place, each in enumerate(asked)]

    def _decision(self, book, takes, place, asked, grade, probability, standing):
        """One decision of a batch; a person's or a state's in its place, which are few, are worked out one by one."""
        question, taken = asked.question, takes[place]
        if question.override is None and question.held is None:
            decision, beside = book.one(place), {"override": None, "life_cycle": None}
        else:
            case = {**policy_arguments(standing), "grade": grade, "pd_12m": probability, "amount": question.requested_amount}
            decision, beside = decide_in_force(self.policy, override=question.override, held=question.held, day=question.day, spent=question.spent, **case)
            taken = rules.spent_by(self.policy, decision, pd_12m=probability, exposure=int(case["exposure"][0]))
        return msgspec.structs.asdict(decision) | beside | {"words": _words(decision.action, decision.route, decision.reasons, asked.languages)}, taken

    def _sufficiency(self, columns, known, present):
        """How much was known of a row of so many columns; `present` names the tables with rows, None where features came without records."""
        found = {"columns": columns, "known": known, "share": known / columns, "tables": None, "absent": None}
        if present is None:
            return found
        tables = {there: [table for table in self._tables if (table in present) == there] for there in (True, False)}
        return found | {"tables": tables[True], "absent": tables[False]}


def worded(message_id, factor, contribution, comparison, unit, languages):
    """A reason's sentence in each language."""
    said = messages.Said(message_id, factor, contribution > 0, unit=unit, **comparison)
    return {language: messages.reason_sentence(said, language=language) for language in languages}


def with_questions(asked, questions):
    """Each Asked with another question in the place of its own."""
    return [replace(each, question=question) for each, question in zip(asked, questions, strict=True)]


def _each(places, calls):
    """What each call gives. Raises Unreadable with the errors of all that fail, by place."""
    found, errors = [], []
    for place, call in zip(places, calls, strict=True):
        try:
            found.append(call())
        except RiskError as error:
            errors.append((place, error))
    if errors:
        raise Unreadable(errors)
    return found


def _alike(asked, catalogue):
    """Places of those whose rows of what belongs to nobody are the same, {those rows: places}."""
    read = [table for table in UNOWNED if table in catalogue.needs]
    groups = {}
    for place, each in enumerate(asked):
        groups.setdefault(msgspec.json.encode([each.records.get(table) for table in read]), []).append(place)
    return groups


def _rows(columns):
    """Columns as rows, plain values by name."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*map(_plain, columns.values()), strict=True)]


def _transposed(columns):
    return zip(*(column.tolist() for column in columns.values()), strict=True)


def _plain(column):
    """A column's values: floats, categories' levels, and None where missing."""
    values = column.strings() if isinstance(column, Category) else column
    return [value if value == value else None for value in values.tolist()]


@lru_cache(maxsize=4096)
def _words(action, route, codes, languages):
    """An action, a route and reasons in words, by language; None where none is asked for."""
    return {
        language: {
            "action": messages.label("action", action, language=language),
            "route": messages.label("route", route, language=language) if route else None,
            "reasons": [messages.policy_reason(code, language=language) for code in codes],
        }
        for language in languages
    } or None


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
    known = [row["known_at"] for row in rows if row.get("known_at") is not None]
    if known and (alike := moments_alike(known)) is not None:
        past = alike[alike <= microseconds(as_of)]
        return EPOCH + int(past.max()) * MICROSECOND if len(past) else None
    return max((moment for moment in map(parse_moment, known) if moment and moment <= as_of), default=None)
