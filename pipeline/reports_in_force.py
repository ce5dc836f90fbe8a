"""The report pages as published: with the overrides and life cycle states in force. The stage's own pages must follow from files alone and show the policy's.

They lie at `pipeline.state.pages_path` and are there only while an override, a state or an alert is, or a review, since which a report then tells what changed.
"""

from features.errors import RiskError
from pipeline.datasets import case_path, remove
from pipeline.report import write_pages
from pipeline.state import pages_path

# What a decision in force changes of a row of the scores, as `risk publish` writes it.
CHANGED = ("action", "route", "limit", "payment_terms_days", "term_months", "deposit_share", "guarantee", "review_days", "decision_reasons")
USE_CASE = "default"


def publish_pages(source, published, *, today, any_in_force, reviewed=None, warnings=None):
    """Write the pages by the decisions of a publication (serving.published.Published), or take them away where nothing but the policy decides and nobody was
    reviewed, or the stage wrote none.

    today: the day on which they are in force; any_in_force: whether there is an override or a state at all; reviewed: {customer_id: day of the last review};
    warnings: pipeline.alert_measure.measured.
    """
    if not ((any_in_force or reviewed or warnings) and case_path(USE_CASE, "reports").exists()):
        remove(pages_path(source, USE_CASE))
        return
    write_pages(pages_path(source, USE_CASE), USE_CASE, decided=lambda row: decided_row(row, published), decided_on=today,
                reviewed=reviewed, warnings=warnings)


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
