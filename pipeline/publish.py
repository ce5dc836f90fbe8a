"""`risk publish`: the book's records, features and scores for the service, with the overrides and states in force; the pointer moves last, and the review
calendar follows it.

Here and not in the score stage: what DVC computes must follow from files alone, while an override holds from a day to a day and a state from night to night.
"""

import datetime
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import load_bundle
from models.life_cycle import load_life_cycle
from models.life_cycle_file import BY_POLICY
from models.policy import load_policy
from models.scoring import encode_rows
from pipeline.alert_measure import measured
from pipeline.book_records import BookRecords
from pipeline.customer_facts import in_default
from pipeline.customers import LIFE_CYCLE
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.decision import decide_row
from pipeline.kept_reasons import explained_rows, lacks_reasons
from pipeline.last_said import Previously, any_decided, last_said
from pipeline.params import load_params
from pipeline.places import VAR, bundle_path
from pipeline.progress import progress
from pipeline.promote import open_store
from pipeline.reports.pages import index_name, report_name
from pipeline.reports.text import LANGUAGES
from pipeline.reports_in_force import publish_pages
from pipeline.score import POLICY
from pipeline.shadow import try_on_book
from pipeline.state import pages_folder, read_champion
from serving.life_cycle import LifeCycleLedger, held_of
from serving.overrides import USE_CASE as OVERRIDDEN
from serving.overrides import Overrides
from serving.published import BookRow, Published
from serving.published import publish as write_publication
from serving.published_reports import PORTFOLIO, write_reports
from serving.reviews import IN_DEFAULT, Reviews

CHUNK = 2000


def publish(use_case):
    """Publish what the score stage wrote with the champion, and return a sentence about it.

    Raises RiskError when there is no champion, the scores are another bundle's, or the life cycle's file is faulty.
    """
    params, book = load_params(), case_path(use_case, "book")
    source = params.source.name
    champion, policy, text = read_champion(source, use_case), load_policy(POLICY, use_case), _policy_text()
    if champion is None:
        raise RiskError(f"{use_case}: there is no champion yet: run `risk run`, or `risk promote` and then `dvc repro`.")
    scores = pq.read_table(case_path(use_case, "scores.parquet"))
    _refuse_other_scores(use_case, scores, champion=champion, policy=policy.hash)
    _refuse_other_pages(use_case, champion)
    columns, about = read_json(book / "columns.json"), read_json(book / "about.json")
    bundle = load_bundle(bundle_path(champion))
    catalogue = Catalogue.from_dict(read_json(book / "catalogue.json")).only(bundle.names)
    records = BookRecords(catalogue, columns, as_of=about["as_of"], earliest=_seconds(about["first_as_of"]))
    rules = load_life_cycle(LIFE_CYCLE) if use_case == OVERRIDDEN else None
    held = {} if rules is None else {"life_cycle": {"hash": rules.hash, "new_credit": rules.new_credit}}
    life_cycle = None if rules is None else Path(LIFE_CYCLE).read_text(encoding="utf-8")
    with open_store() as store, closing(Previously(source)) as previously:
        applied = None if rules is None else _InForce(store, source, policy, rules, previously)
        manifest = write_publication(
            VAR, _rows(scores, book, bundle, catalogue, records, applied, what=f"publish {use_case}"), source=source, use_case=use_case, as_of=about["as_of"],
            bundle=champion, policy=text, catalogue=catalogue.to_dict(), context=pq.read_table(book / "context.parquet").to_pydict(), life_cycle=life_cycle,
            extra={"columns": columns, "policy_hash": policy.hash, "description": read_json(INGEST)["description"], "stale_days": params.publish.stale_days,
                   **held})
        store.record_policy(policy.hash, text)
        day, outcomes = about["as_of"][:10], load_params().observe.default
        warnings = None if applied is None else measured(store, params)
        said = "" if applied is None else applied.plan_reviews(about["as_of"], in_default=lambda customers: in_default(customers, day, outcomes))
        said += try_on_book(store, source, use_case, champion=champion, as_of=about["as_of"])
        with closing(Published.open(VAR, source, use_case)) as published:
            if applied is not None:
                before = last_said(store, source, published) if applied.any_said or any_decided(store, source) else None
                publish_pages(source, published, today=applied.day, any_in_force=applied.any_in_force, reviewed=applied.reviewed, said=before,
                              warnings=warnings)
            _publish_reports(pages_folder(source, use_case), published, scores["customer_id"])
    return f"{use_case}: published {manifest['rows']:,} rows as {manifest['hash'][:12]}{said}."


class _InForce:
    """Puts the overrides in force today and the customers' states in the place of the policy's decisions, what was last published beside the scores, and notes
    each customer's grade in force for the review calendar."""

    def __init__(self, store, source, policy, rules, previously):
        self._previously, self._policy, self._reviews, overrides = previously, policy, Reviews(store, source=source), Overrides(store, source=source)
        self.day = overrides.today()
        self.reviewed = self._reviews.last_done()
        self._in_force, self._terms, self._used, self._bound = overrides.all_in_force(self.day), [], 0, 0
        self._held = {each.customer_id: held_of(each, rules.new_credit) for each in LifeCycleLedger(store, source).standings()}

    def row(self, row, standing):
        """A row of the scores as it is published: with the override in force and what the policy said beside it, with the customer's state, and as
        `last_published` what the publication before said of the customer."""
        override, held = self._in_force.get(row["customer_id"]), self._held.get(row["customer_id"])
        if override is None and (held is None or held.new_credit == BY_POLICY):
            changed = row if held is None else row | {"life_cycle": msgspec.to_builtins(held)}
        else:
            changed = self._changed(row, standing, override, held)
        grade = row["grade"] if override is None or override.change.grade is None else override.change.grade
        # Who has left has nothing to be reviewed; re-entry begins with an assessment of its own.
        if held is None or held.state != "exit":
            self._terms.append((row["customer_id"], grade, changed["review_days"]))
        return changed | {"last_published": self._previously.of(row)}

    @property
    def any_said(self):
        """Whether anything was published before of the customers of the rows so far."""
        return self._previously.told > 0

    @property
    def any_in_force(self):
        """Whether any customer of the book or beside it has an override in force or a state."""
        return bool(self._in_force or self._held)

    def plan_reviews(self, as_of, *, in_default=lambda customers: np.zeros(len(customers), dtype=bool)):
        """Bring the review calendar in line with what was published, as of the book's moment, and return what to say about it, the overrides and the states.

        in_default: which of these customers, (n,) ids, are in default, (n,) bool. A default takes a customer out of the book; it stays in the calendar by the
        policy's shortest interval, until it is cured or in the state exit.
        """
        workouts = self._workouts(in_default)
        self._terms += [(customer, IN_DEFAULT, min(each.review_days for each in self._policy.spec.default.terms)) for customer in workouts]
        planned = self._reviews.plan(*(list(part) for part in zip(*self._terms, strict=True))) if self._terms else 0
        left = self._reviews.drop_out([customer for customer, _, _ in self._terms], why=lambda customer: self._why_out(customer, as_of))
        bound = f", {self._bound:,} bound by their life cycle state" if self._held else ""
        worst = f", {len(workouts):,} customers in default kept in the review calendar" if workouts else ""
        gone = f", {left:,} customers out of the review calendar (`risk reviews left`)" if left else ""
        return f", {self._used:,} under an override{bound}, {planned:,} reviews planned or moved{gone}{worst}"

    def _workouts(self, in_default):
        """Customers in default that the calendar or the life cycle knows and the book does not, those who have left us aside."""
        booked = {customer for customer, _, _ in self._terms}
        known = self._reviews.customers() | set(self._held)
        gone = sorted(each for each in known - booked if each not in self._held or self._held[each].state != "exit")
        return [customer for customer, defaulted in zip(gone, in_default(np.array(gone, dtype=object)), strict=True) if defaulted] if gone else []

    def _why_out(self, customer, as_of):
        held = self._held.get(customer)
        stands = "" if held is None else f"in {held.state} since {held.since}"
        return stands if held is not None and held.state == "exit" else f"not in the book of {as_of[:10]}" + (f", {stands}" if stands else "")

    def _changed(self, row, standing, override, held):
        self._used += override is not None
        self._bound += held is not None and held.new_credit != BY_POLICY
        decided, beside = decide_row(self._policy, row, standing, override=override, held=held, day=self.day)
        return row | {"action": decided.action, "route": decided.route, "limit": decided.risk_limit, "payment_terms_days": decided.payment_days,
                      "term_months": decided.term_months, "deposit_share": decided.deposit_share, "guarantee": decided.guarantee,
                      "review_days": decided.review_days, "decision_reasons": list(decided.reasons), **beside}


def _refuse_other_pages(use_case, champion):
    """Every page of the report stage names its bundle at its foot, which has to be the champion."""
    index = case_path(use_case, "reports") / index_name(LANGUAGES[0])
    if index.is_file() and champion[:12] not in index.read_text(encoding="utf-8"):
        raise RiskError(f"{use_case}: the reports are of another bundle than the champion {champion[:12]}: run `dvc repro` and publish again.")


def _publish_reports(folder, published, customers):
    """Give the service the pages of a folder with a publication, where there are any."""
    if (folder / index_name(LANGUAGES[0])).is_file():
        write_reports(published.folder, _pages(folder, dict.fromkeys(customers.to_pylist())))


def _pages(folder, customers):
    for language in LANGUAGES:
        yield PORTFOLIO, language, (folder / index_name(language)).read_text(encoding="utf-8")
        for customer in customers:
            page = folder / "customers" / report_name(customer, language)
            if page.is_file():
                yield customer, language, page.read_text(encoding="utf-8")


def _refuse_other_scores(use_case, scores, *, champion, policy):
    """Scores, features and standing are joined by their order: all three have to be of this book, this champion and this policy."""
    book = case_path(use_case, "book")
    others = [pq.read_table(book / f"{name}.parquet", columns=["observation_id"])["observation_id"] for name in ("features", "standing")]
    same_book = all(other.to_pylist() == scores["observation_id"].to_pylist() for other in others)
    for holds, what in ((scores["bundle"][0].as_py() == champion, f"another bundle than the champion {champion[:12]}"),
                        (same_book, "another book than today's"), (scores["policy"][0].as_py() == policy, "another policy than policy.yaml")):
        if not holds:
            raise RiskError(f"{use_case}: the scores are of {what}: run `dvc repro` and publish again.")


def _policy_text():
    with open(POLICY, encoding="utf-8") as file:
        return file.read()


def _seconds(moment):
    return int(datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC).timestamp())


def _one_each(scores):
    """Places of the rows to publish, by customer: all transactions, or each customer's row with the latest as_of."""
    keys = scores.select(["customer_id", "as_of", "observation_id"]).to_pandas().sort_values(["customer_id", "as_of", "observation_id"], kind="stable")
    if "transaction_id" in scores.column_names:
        return keys.sort_index().sort_values("customer_id", kind="stable").index.to_numpy()
    return keys.drop_duplicates("customer_id", keep="last").index.to_numpy()


def _explained(rows, values, bundle):
    """Rows as they are published, those of customers who are watched with reasons; values: their features by name."""
    lacking = [place for place, row in enumerate(rows) if lacks_reasons(row) and _watched(row)]
    if not lacking:
        return rows
    found = explained_rows(bundle, encode_rows([[values[place][name] for name in bundle.names] for place in lacking], bundle))
    reasons = dict(zip(lacking, found, strict=True))
    return [row | reasons.get(place, {}) for place, row in enumerate(rows)]


def _watched(row):
    """Whether a published row is under an override, or in a state other than ordinary business."""
    return bool(row.get("override")) or (row.get("life_cycle") or {}).get("state") not in (None, "active")


def _rows(scores, book, bundle, catalogue, records, applied, *, what):
    """BookRows of the scored rows by customer, of a customer with several its latest; a customer's records go with its first row.

    Reasons that the score stage could not know to be wanted, of whom a person or the life cycle decides on, are worked out here.
    """
    table, standing = pq.read_table(book / "features.parquet", columns=list(catalogue.names)), pq.read_table(book / "standing.parquet")
    order = _one_each(scores)
    parts, given = [part.take(order) for part in (scores, table, standing)], set()
    bar = progress(len(order), what=what, unit="row")
    for start in range(0, len(order), CHUNK):
        score_rows, value_rows, standing_rows = (part.slice(start, CHUNK).to_pylist() for part in parts)
        new = sorted({row["customer_id"] for row in score_rows} - given)
        given.update(new)
        found = records.of(new)
        # The id stays until here: without it the table of a source that knows no standing would have no rows either.
        for stands in standing_rows:
            stands.pop("observation_id")
        if applied is not None:
            score_rows = _explained([applied.row(row, stands) for row, stands in zip(score_rows, standing_rows, strict=True)], value_rows, bundle)
        for row, values, stands in zip(score_rows, value_rows, standing_rows, strict=True):
            yield BookRow(row["customer_id"], values, {**row, "standing": stands}, found.pop(row["customer_id"], None), row.get("transaction_id"))
        bar.update(len(score_rows))
    bar.close()
