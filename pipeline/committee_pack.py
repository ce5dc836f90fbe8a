"""`risk committee pack`: what the committee of a month needs to decide, from the book in force and the ledgers as they stood at the month's end."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from features.errors import RiskError
from models.life_cycle import load_life_cycle
from models.playbooks import standings
from models.policy import load_policy
from models.reviews import DONE, LATE, MISSED
from pipeline.customers import LIFE_CYCLE
from pipeline.datasets import TABLES, case_path, read_json, replacing
from pipeline.override import POLICY, judged_overrides
from pipeline.params import load_params
from pipeline.promote import open_store
from pipeline.reports.book import read_book, rows_of
from pipeline.reports.committee import committee_view, shown_customers
from pipeline.reports.model_health import Health, read_health
from pipeline.reports.pages import Site
from pipeline.reports.records import industries, names, open_tables, regions
from pipeline.reports.text import LANGUAGES
from serving.alerts import Alerts
from serving.committee import Committee
from serving.human_reviews import HumanReviews
from serving.life_cycle import LifeCycleLedger
from serving.overrides import Overrides
from serving.reviews import Reviews

USE_CASE = "default"


@dataclass(frozen=True)
class Case:
    """Where a customer stood at the month's end: the last move that brought it there, in days of the book."""

    customer_id: str
    state: str
    since: date
    reason: str
    owner: str
    deadline: date | None


@dataclass(frozen=True)
class PlaybookStep:
    """A step that was open at the month's end: due_at is naive UTC; late where that was before it."""

    playbook: str
    customer_id: str | None
    step: str
    department: str
    due_at: datetime
    late: bool


@dataclass(frozen=True)
class Month:
    """What the ledgers say of a month, as they stood at its end: first and day are its first day and its last (or today, while it runs); night is the day
    that the life cycle, whose days are the book's, had reached by then.

    decided: CommitteeDecisions that were open in the month; missed and reviewed: Reviews; in_force, granted, expiring: Overrides (expiring: within the next
    31 days); hit_rates: see models.override_outcomes; cases: a Case for each customer with a state; moves: {(from, to): customers} within the month; steps:
    PlaybookSteps; spent: [(day, minor units)] on which the daily loss budget was used up; asked: open Cases of serving.human_reviews; gate: what
    the stage wrote, None where it has not run; health: what those on the model in use wrote; owners: {"reviews", "limits"}: the department of each;
    warnings: open alerts
    (serving.alerts.Kept).
    """

    first: date
    day: date
    night: date
    decided: list
    missed: list
    reviewed: list
    in_force: list
    granted: list
    expiring: list
    hit_rates: list
    cases: list
    moves: dict
    steps: list
    budget: float | None
    spent: list
    asked: list
    gate: dict | None
    health: Health
    owners: dict
    warnings: list


def write_pack(month, path):
    """Write the pack of a month (YYYY-MM) in every language, and return a sentence about it.

    Raises: RiskError for a month that has not begun, or that ended before the book: a pack shows nothing of later days; and for a path that cannot be written.
    """
    params, first = load_params(), _first(month)
    if USE_CASE not in params.use_cases:
        raise RiskError(f"the committee's pack is of customers, and the source {params.source.name} has no use case {USE_CASE}.")
    files = _files(path)
    book, policy = read_book(USE_CASE), load_policy(POLICY, USE_CASE).spec
    with open_store() as store:
        now = _refuse_other_month(month, first, store.now(), book.as_of)
        facts = month_facts(store, params.source.name, first, now, policy, book_day=book.as_of.date())
    connection = open_tables(TABLES, as_of=book.as_of, threads=params.ingest.threads)
    shown = shown_customers(book, facts, policy)
    known, fields, beside = names(connection, shown), {"industry": industries(connection), "region": regions(connection)}, rows_of(book, shown)
    connection.close()
    site, addresses = Site(book, more=("portfolio", "committee", "alerts", "model_health")), {language: file.name for language, file in files.items()}
    for language in LANGUAGES:
        view = committee_view(book, facts, policy=policy, fields=fields, names=known, beside=beside, words=site.words[language])
        _write(files[language], site.page("committee.html", view, language=language, addresses=addresses, home=None))
    return f"the committee's pack of {month}: {', '.join(map(str, files.values()))}."


def month_facts(store, source, first, now, policy, *, book_day):
    """The Month from its first day to `now`, the moment up to which the ledgers are read (naive UTC, inclusive); book_day: the day of the book."""
    rules, day = load_life_cycle(LIFE_CYCLE), now.date()
    reviews, overrides = Reviews(store, source=source).listed(as_of=day), Overrides(store, source=source).all(as_of=day)
    cases, moves = _cases(LifeCycleLedger(store, source).moves_until(now), first)
    decided = [each for each in Committee(store, source=source).listed(as_of=day) if not each.closed_at or each.closed_at.date() >= first]
    asked = [each for each in HumanReviews(store).all() if each.source == source and each.opened_at <= now < (each.answered_at or datetime.max)]
    over_limit = [each.owner for each in rules.spec.triggers if each.fact == "exposure_to_limit"]
    return Month(
        first=first, day=day, night=max([book_day, *(each.since for each in cases)]), decided=decided,
        missed=sorted((each for each in reviews if each.status == MISSED), key=lambda each: (-each.days_late, each.customer_id)),
        reviewed=[each for each in reviews if each.status in (DONE, LATE) and each.done_on >= first],
        in_force=[each for each in overrides if each.holds(day)], granted=[each for each in overrides if each.made_on >= first],
        expiring=[each for each in overrides if each.holds(day) and each.expires_on <= day + timedelta(days=31)],
        hit_rates=judged_overrides(overrides, until=day)[1] if overrides else [], cases=cases, moves=moves,
        steps=_steps(LifeCycleLedger(store, source).runs(drills=False), now), budget=policy.default.daily_loss_budget,
        spent=_spent(store, source, first, day, policy), asked=asked, gate=_gate(), health=read_health(USE_CASE),
        owners={"reviews": rules.state("active").owner, "limits": next(iter(over_limit), rules.state("restrict").owner)},
        warnings=[each for each in Alerts(store, source=source).all(until=now) if each.alert.outcome is None])


def _cases(moves, first):
    """Where each customer stands after the moves, and how many moved between which states from `first` on."""
    cases, counted = {}, {}
    for customer, move in moves:
        before = cases.get(customer)
        since = before.since if before and before.state == move.to_state else move.moved_on
        cases[customer] = Case(customer, move.to_state, since, move.reason, move.owner, move.deadline)
        if move.made_at.date() >= first and move.from_state not in (None, move.to_state):
            counted[move.from_state, move.to_state] = counted.get((move.from_state, move.to_state), 0) + 1
    return sorted(cases.values(), key=lambda each: each.customer_id), counted


def _steps(runs, now):
    """The next steps of playbooks that were running at `now`; those after them wait for it."""
    found = []
    for run in runs:
        if run.started_at > now:
            continue
        done = {step: moment for step, moment in run.done.items() if moment <= now}
        waiting = next((each for each in standings(run.steps, run.started_at, done, now) if each.done_at is None), None)
        if waiting is not None:
            found.append(PlaybookStep(run.playbook, run.customer_id, waiting.name, waiting.department, waiting.due_at, waiting.late))
    return sorted(found, key=lambda each: (each.due_at, each.customer_id or ""))


def _spent(store, source, first, day, policy):
    """Days on which automatic approvals used up the loss budget, with what they took."""
    budget = policy.default.daily_loss_budget
    if budget is None:
        return []
    days = [each for each in store.spends(source=source, since=first) if each.day <= day and each.use_case == USE_CASE and each.unit == policy.currency]
    return sorted((each.day, each.spent) for each in days if each.spent >= 0.99 * budget * 100)


def _gate():
    path = case_path(USE_CASE, "gate.json")
    return read_json(path) if path.exists() else None


def _first(month):
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise RiskError(f"{month} is no month: name it as YYYY-MM, such as 2026-03.")
    return date.fromisoformat(f"{month}-01")


def _refuse_other_month(month, first, now, book_as_of):
    """The moment up to which the month's ledgers are read: its end, or now while it runs."""
    end = datetime.combine((first + timedelta(days=31)).replace(day=1), datetime.min.time()) - timedelta(microseconds=1)
    if now.date() < first:
        raise RiskError(f"the month {month} has not begun: its pack can be made from {first} on.")
    as_of = np.datetime64(book_as_of, "us").astype(datetime)
    if as_of > end:
        raise RiskError(f"the book is of {as_of.date()}, after {month}: a pack shows nothing of later days, so take the one made then, or a later month.")
    return min(now, end)


def _files(path):
    """{language: file}; the English one is the path itself, the others carry their language before the ending."""
    path = Path(path)
    if path.suffix != ".html":
        raise RiskError(f"{path} is no page: name a file that ends in .html.")
    return {language: path if language == LANGUAGES[0] else path.with_suffix(f".{language}.html") for language in LANGUAGES}


def _write(path, page):
    try:
        with replacing(path) as beside:
            beside.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RiskError(f"{path} cannot be written ({error.strerror}): name a file in a folder that you may write to.") from error
