"""What is personal: which columns about customers say who somebody is, what every table is for, and how long what is kept of a customer stays.

The one declaration: docs/privacy.md is written from it, `risk privacy` acts by it, and tests hold every table to it. A customer may be a natural person, so
all that is kept of one is treated as personal data.
"""

from dataclasses import dataclass

YEAR = 365

# Columns that say who somebody is, and what becomes of each. None of them is ever a feature's value: at most it is counted, or two are compared.
IDENTIFYING = {
    ("customers", "customer_id"): "the key of everything; a pseudonym in logs",
    ("customers", "name"): "shown to people in reports; no feature reads it",
    ("customers", "scope"): "free text; compared with the counterparties' lines of business, then counted",
    ("transactions", "counterparty_id"): "distinct ones are counted; the key of a counterparty's past",
}
# Why each table about customers is asked for. None: it holds no customer.
PURPOSES = {
    "customers": "compare the customer with its industry, region and age",
    "statements": "judge solvency, profit and cash flow",
    "contracts": "judge whether what was agreed is fulfilled",
    "invoices": "judge what is owed and how late it is paid",
    "payments": "judge what is owed and how late it is paid",
    "transactions": "judge behaviour on the account, and fraud",
    "events": "judge disputes, complaints and reports",
    "exposures": "decide how much more may be owed",
    "series": None,
    "outcomes": "learn from what became of customers, and judge the model",
    "observations": "learn from labelled cases",
}


@dataclass(frozen=True)
class Retained:
    """What the operational database keeps of a customer in one table: what it holds, what for, and for how many days: after a row was made, or
    (`after_last`) after the customer's last row there. days None: as long as the customer is there."""

    table: str
    holds: str
    purpose: str
    days: int | None
    after_last: bool = False


# The years are a proposal, to be set to the law that binds you (`risk privacy expire --keep TABLE=DAYS`). Five is for how long China's credit bureaus keep
# adverse facts (Regulation on the Administration of the Credit Reporting Industry, art. 16), and more than the 25 months of Reg B, section 1002.12.
RETAINED = (
    Retained("decisions", "request with its records, features, standing, answer", "prove and replay a decision, judge the model later", 5 * YEAR),
    Retained("transitions", "moves through the life cycle, with reason and evidence", "prove who moved a customer and why", 5 * YEAR, after_last=True),
    Retained("life_cycle_states", "where the customer stands", "decide by it", None),
    Retained("playbook_events", "emergency steps taken", "prove what was done", 5 * YEAR, after_last=True),
    Retained("overrides", "decisions by persons, with reason", "prove who decided otherwise, judge whether it was right", 5 * YEAR, after_last=True),
    Retained("reviews", "planned days and reviews done, with notes", "prove that reviews were done", 5 * YEAR, after_last=True),
    Retained("report_access", "who read a report on the customer, and why", "prove who saw what", 3 * YEAR),
    Retained("incoming_records", "what happened to the customer between two books, as it was sent", "judge it before the next book does", 5 * YEAR),
    Retained("alerts", "thresholds that an event crossed", "warn early, and prove that it was", 5 * YEAR),
    Retained("alert_steps", "what was seen of each alert, and what people did about it", "act in time, and judge the alerts later", 5 * YEAR, after_last=True),
    Retained("alert_states", "which alerts are open", "tell nothing twice", None),
    Retained("alert_facts", "what the last night knew, and which nights looked at the customer", "tell what is new, and judge the alerts later", None),
    Retained("human_reviews", "the person's statement and the answer", "answer a person's request, and prove it", 5 * YEAR, after_last=True),
    Retained("shadow_scores", "what a model on trial would have said of a decision", "judge it beside the champion, until the next trial begins", None),
    Retained("committee_decisions", "what the committee decided about the customer", "follow up what was decided, and prove it", 5 * YEAR, after_last=True),
)
RETAINED_BY_TABLE = {each.table: each for each in RETAINED}
