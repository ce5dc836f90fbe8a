"""Stage report: the portfolio page in every language, and a report on each of the riskiest customers."""

from pathlib import Path

from models.policy import load_policy
from pipeline.datasets import TABLES, case_path, replacing
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.reports.book import given_values, read_book, riskiest, rows_of
from pipeline.reports.explained import read_explained
from pipeline.reports.moves import Advisor, moves_view
from pipeline.reports.officer import officer_view, read_facts
from pipeline.reports.pages import Site, index_name, report_link, report_name
from pipeline.reports.portfolio import LISTED, beside_of, portfolio_view
from pipeline.reports.records import industries, industry_quantiles, names, open_tables, regions, tables_of
from pipeline.reports.text import LANGUAGES
from pipeline.stage import run_stage

POLICY = Path("policy.yaml")


def report(use_case):
    """Write `reports/`: `index.html`, `index.zh.html` and for customers `customers/<customer_id>.<language>.html`."""
    write_pages(case_path(use_case, "reports"), use_case)


def write_pages(target, use_case, *, decided=lambda row: row, decided_on=None, reviewed=None, warnings=None):
    """Put the pages of a use case into the folder `target`.

    decided: from a row of the scores to the row with the decision in force, where pages show that and not the policy's; decided_on: its day, else None;
    reviewed: {customer_id: day of the last review}, since when a report tells what changed; warnings: pipeline.alert_measure.measured, None without alerts.
    """
    params = load_params()
    book = read_book(use_case)
    connection = open_tables(TABLES, as_of=book.as_of, threads=params.ingest.threads)
    reported = 0 if use_case == "fraud" else len(book) if params.report.customers < 0 else min(params.report.customers, len(book))
    site = Site(book, more=("moves", "officer", "portfolio", "alerts"))
    with replacing(target) as folder:
        folder.mkdir(parents=True)
        _write_index(folder, site, connection, reported, decided, decided_on, warnings)
        if reported:
            _write_reports(folder / "customers", site, connection, reported, decided, reviewed)
    connection.close()


def _write_index(folder, site, connection, reported, decided, decided_on, warnings):
    book, rows = site.book, [decided(row) for row in next(riskiest(site.book, LISTED))]
    policy = load_policy(POLICY, book.use_case).spec
    named = {row["customer_id"] for row in rows} | beside_of(book, policy)
    beside, linked, known = rows_of(book, named), named & _reported(book, reported), names(connection, named)
    fields = {"industry": industries(connection), "region": regions(connection)} if book.use_case == "default" else {}
    addresses = {language: index_name(language) for language in LANGUAGES}
    for language in LANGUAGES:
        links = {customer: report_link(customer, language) for customer in linked}
        view = portfolio_view(book, rows, policy=policy, fields=fields, names=known, links=links, words=site.words[language], beside=beside,
                              in_force_on=decided_on, warnings=warnings)
        _write(folder / index_name(language), site.page("portfolio.html", view, language=language, addresses=addresses, home=None))


def _reported(book, reported):
    """Ids of the customers that get a report."""
    return {row["customer_id"] for rows in riskiest(book, reported, one_each=True) for row in rows}


def _write_reports(folder, site, connection, reported, decided, reviewed):
    folder.mkdir()
    peers, known, advisor = industry_quantiles(connection, as_of=site.book.as_of), tables_of(connection), Advisor(site.book)
    bar = progress(reported, what="report", unit="customer")
    for rows in riskiest(site.book, reported, one_each=True):
        explained = read_explained(site.book, rows, reviewed=reviewed, tables_of=known)
        facts, given, changes = read_facts(connection, rows, explained), given_values(site.book, rows), advisor.changes(rows)
        for row in rows:
            customer, key = row["customer_id"], row["observation_id"]
            _write_report(folder, site, decided(row), facts[customer], peers, explained[customer], given.get(key), changes[key])
            bar.update(1)
    bar.close()


def _write_report(folder, site, row, facts, peers, explained, given, change):
    addresses = {language: report_link(row["customer_id"], language, folder="") for language in LANGUAGES}
    for language in LANGUAGES:
        words = site.words[language]
        view = officer_view(site.book, row, facts, peers, words, explained=explained, given=given) | {"moves": moves_view(change, site.book.columns, words)}
        page = site.page("officer.html", view, language=language, addresses=addresses, home=f"../{index_name(language)}")
        _write(folder / report_name(row["customer_id"], language), page)


def _write(path, page):
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_stage(report)
