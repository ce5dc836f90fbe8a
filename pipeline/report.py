"""Stage report: the portfolio page in every language, and a report on each of the riskiest customers."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from features.errors import RiskError
from models.policy import load_policy
from pipeline.datasets import TABLES, case_path, replacing
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.reports.book import given_values, rank_of, read_book, riskiest, rows_of
from pipeline.reports.explained import read_explained
from pipeline.reports.model_health import read_health
from pipeline.reports.moves import Advisor, moves_view
from pipeline.reports.officer import officer_view, read_facts
from pipeline.reports.pages import Site, index_name, report_link, report_name
from pipeline.reports.portfolio import LISTED, beside_of, portfolio_view
from pipeline.reports.records import industries, industry_quantiles, names, open_tables, regions, tables_of
from pipeline.reports.text import LANGUAGES
from pipeline.stage import run_stage

POLICY = Path("policy.yaml")


MORE = ("moves", "officer", "portfolio", "alerts", "model_health")


@dataclass(frozen=True)
class Installation:
    """What pages tell that the stage's files do not: nothing, unless they are made for publishing or because a person asks.

    decided: from a row of the scores to the row with the decision in force, where pages show that and not the policy's; decided_on: its day, else None;
    reviewed: {customer_id: day of the last review}, since when a report tells what changed; said: from a Book and rows of the scores to what was last said
    of their customers, {customer_id: pipeline.last_said.LastSaid}; warnings: pipeline.alert_measure.measured, None without alerts.
    """

    decided: Callable = lambda row: row
    decided_on: date | None = None
    reviewed: dict | None = None
    said: Callable = lambda book, rows: {}
    warnings: dict | None = None


def report(use_case):
    """Write `reports/`: `index.html`, `index.zh.html` and for customers `customers/<customer_id>.<language>.html`."""
    write_pages(case_path(use_case, "reports"), use_case)


def write_pages(target, use_case, installation=None):
    """Put the pages of a use case into the folder `target`, as its files alone tell, or by what an Installation knows beside them."""
    params, installation = load_params(), installation or Installation()
    book = read_book(use_case)
    connection = open_tables(TABLES, as_of=book.as_of, threads=params.ingest.threads)
    reported = 0 if use_case == "fraud" else len(book) if params.report.customers < 0 else min(params.report.customers, len(book))
    site = Site(book, more=MORE)
    with replacing(target) as folder:
        folder.mkdir(parents=True)
        _write_index(folder, site, connection, reported, installation)
        if reported:
            _write_reports(folder / "customers", site, connection, riskiest(book, reported, one_each=True), installation, total=reported)
    connection.close()


def write_report_on(customer, target, installation=None):
    """Put the report on one customer of the book into the folder `target`, a file for each language, and return their paths; what else is there stays.

    Raises: RiskError for one who is not in the book.
    """
    book = read_book("default")
    row = rows_of(book, {customer}).get(customer)
    if row is None:
        raise RiskError(f"customer {customer} is not in the book of {len(book):,}: check the id, or whether it is active.")
    connection = open_tables(TABLES, as_of=book.as_of, threads=load_params().ingest.threads)
    with tempfile.TemporaryDirectory() as beside:
        written, ranked = Path(beside) / "customers", row | {"rank": rank_of(book, customer)}
        _write_reports(written, Site(book, more=MORE), connection, [[ranked]], installation or Installation(), total=1, home=False)
        pages = {Path(target) / page.name: page.read_text(encoding="utf-8") for page in sorted(written.iterdir())}
    connection.close()
    for path, page in pages.items():
        with replacing(path) as beside:
            _write(beside, page)
    return list(pages)


def _write_index(folder, site, connection, reported, installation):
    book, rows = site.book, [installation.decided(row) for row in next(riskiest(site.book, LISTED))]
    policy = load_policy(POLICY, book.use_case).spec
    named = {row["customer_id"] for row in rows} | beside_of(book, policy)
    beside, linked, known = rows_of(book, named), named & _reported(book, reported), names(connection, named)
    fields = {"industry": industries(connection), "region": regions(connection)} if book.use_case == "default" else {}
    addresses, health = {language: index_name(language) for language in LANGUAGES}, read_health(book.use_case)
    for language in LANGUAGES:
        links = {customer: report_link(customer, language) for customer in linked}
        view = portfolio_view(book, rows, policy=policy, fields=fields, names=known, links=links, words=site.words[language], beside=beside,
                              in_force_on=installation.decided_on, warnings=installation.warnings, health=health)
        _write(folder / index_name(language), site.page("portfolio.html", view, language=language, addresses=addresses, home=None))


def _reported(book, reported):
    """Ids of the customers that get a report."""
    return {row["customer_id"] for rows in riskiest(book, reported, one_each=True) for row in rows}


def _write_reports(folder, site, connection, batches, installation, *, total, home=True):
    """Write the reports on the customers of rows of the scores; home: whether the portfolio's page lies a folder above."""
    folder.mkdir()
    peers, known, advisor = industry_quantiles(connection, as_of=site.book.as_of), tables_of(connection), Advisor(site.book)
    bar = progress(total, what="report", unit="customer")
    for rows in batches:
        explained = read_explained(site.book, rows, reviewed=installation.reviewed, tables_of=known)
        facts, given, changes = read_facts(connection, rows, explained), given_values(site.book, rows), advisor.changes(rows)
        said = installation.said(site.book, rows)
        for row in rows:
            customer, key = row["customer_id"], row["observation_id"]
            about = {"explained": explained[customer], "given": given.get(key), "said": said.get(customer)}
            _write_report(folder, site, installation.decided(row), facts[customer], peers, changes[key], about, home=home)
            bar.update(1)
    bar.close()


def _write_report(folder, site, row, facts, peers, change, about, *, home):
    """One customer's pages; about: the rest of what `officer_view` takes."""
    addresses = {language: report_link(row["customer_id"], language, folder="") for language in LANGUAGES}
    for language in LANGUAGES:
        words = site.words[language]
        view = officer_view(site.book, row, facts, peers, words, **about) | {"moves": moves_view(change, site.book.columns, words)}
        above = f"../{index_name(language)}" if home else None
        _write(folder / report_name(row["customer_id"], language), site.page("officer.html", view, language=language, addresses=addresses, home=above))


def _write(path, page):
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_stage(report)
