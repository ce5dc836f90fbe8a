"""The report pages as published: with the overrides and life cycle states in force. The stage's own pages must follow from files alone and show the policy's.

They lie at `pipeline.places.pages_path` and are there only while an override, a state or an alert is, or a review, since which a report then tells what
changed, or anything was said of the customers before, which a report then holds against today's score.
"""

from contextlib import closing

from features.errors import RiskError
from pipeline.datasets import case_path, read_json, remove
from pipeline.last_said import last_said
from pipeline.params import load_params
from pipeline.places import VAR, pages_path
from pipeline.promote import open_store
from pipeline.report import Installation, write_pages, write_report_on
from serving.published import Published
from serving.reviews import Reviews

# What a decision in force changes of a row of the scores, as `risk publish` writes it.
CHANGED = ("action", "route", "limit", "payment_terms_days", "term_months", "deposit_share", "guarantee", "review_days", "decision_reasons")
USE_CASE = "default"


def publish_pages(source, published, *, today, any_in_force, reviewed=None, said=None, warnings=None):
    """Write the pages by the decisions of a publication (serving.published.Published), or take them away where nothing but the policy decides, nobody was
    reviewed, nothing was said before and nobody was warned of, or the stage wrote none.

    today: the day on which they are in force; any_in_force: whether there is an override or a state at all; reviewed: {customer_id: day of the last review};
    said: of `pipeline.last_said.last_said`, None where nothing was said; warnings: of `pipeline.alert_measure.measured`.
    """
    if not ((any_in_force or reviewed or said or warnings) and case_path(USE_CASE, "reports").exists()):
        remove(pages_path(source, USE_CASE))
        return
    write_pages(pages_path(source, USE_CASE), USE_CASE, _installation(published, today=today, reviewed=reviewed, said=said, warnings=warnings))


def write_report(customer, folder):
    """Write the report on any customer of the book into a folder, a file for each language, and return their paths.

    Where the book is the published one, as publishing writes it: by the decisions in force then, beside what was last said. Else as the stage does.
    Raises: RiskError for one who is not in the book.
    """
    source = load_params().source.name
    try:
        opened = Published.open(VAR, source, USE_CASE)
    except RiskError:
        return write_report_on(customer, folder)
    with closing(opened) as published, open_store() as store:
        if published.as_of != read_json(case_path(USE_CASE, "book", "about.json"))["as_of"] or published.score(customer) is None:
            return write_report_on(customer, folder)
        reviewed = Reviews(store, source=source).last_done()
        found = _installation(published, today=store.now().date(), reviewed=reviewed, said=last_said(store, source, published))
        return write_report_on(customer, folder, found)


def _installation(published, *, today, reviewed, said, warnings=None):
    told = {} if said is None else {"said": said}
    return Installation(decided=lambda row: decided_row(row, published), decided_on=today, reviewed=reviewed, warnings=warnings, **told)


def decided_row(row, published):
    """A row of the scores with the decision in force, `override` and `life_cycle` as published, and `policys`, the policy's own word where that is another."""
    found = published.find(row["customer_id"])
    if found is None:
        raise RiskError(f"customer {row['customer_id']} is not in the publication {published.hash[:12]}: run `risk publish` again.")
    score = found.score
    beside = {name: score.get(name) for name in ("override", "life_cycle")}
    if not any(beside.values()):
        return row
    changed = {name: score[name] for name in CHANGED if name in row}
    other = any(changed.get(name) != row[name] for name in ("action", "route", "limit"))
    return row | changed | beside | {"policys": {name: row[name] for name in ("action", "route", "limit")} if other else None}
