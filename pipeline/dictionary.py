"""The data dictionary `docs/features.md`, written from the declarations: `python -m pipeline.dictionary`."""

from pathlib import Path

from features.catalogue import USE_CASES, build_catalogue
from features.tables import TABLES
from serving.messages import feature_name

PAGE = Path(__file__).parent.parent / "docs" / "features.md"
COMMAND = "python -m pipeline.dictionary"
CASES = {"default": "Default: a customer on a day", "fraud": "Fraud: a transaction, a second before it happens"}
GROUPS = {
    "stmt": "Statements",
    "inv": "Invoices",
    "pay": "Payments",
    "con": "Contracts",
    "txn": "Account transactions",
    "evt": "Events",
    "bg": "Background",
    "exp": "Exposure",
    "peer": "Against the industry",
    "cpty": "The counterparty's past",
}
DIRECTIONS = {1: "more is riskier", -1: "less is riskier", 0: ""}
HEADER = ("column", "meaning", "含义", "unit", "type", "missing", "direction", "factor", "scope", "message id", "reads")
INTRODUCTION = f"""# Features

Every column that the contract's tables allow ([the tables](sources.md)), as `features/` declares it; `{COMMAND}` writes this page and a test holds it to the
declarations. Names are `<group>_<measure>_<window>`; windows are half-open, `(as_of - window, as_of]`, and no row with `known_at > as_of` is read. Minor units
are cents and their like. A *direction* is what the model is held to; none is given where the field has doubts. *Scope*: `own` is worked out from the
customer's rows alone, `peer` and `counterparty` from the dated context as well.

A source's further columns add to these:

| what the source has | columns |
| --- | --- |
| a number or a category of customers, exposures, observations | `bg_<name>`, `exp_<name>`, `obs_<name>`: as last known, or as given |
| a number of statements | `stmt_<name>_to_assets`, its change and growth over 12 months, `stmt_<name>_log` |
| a category or a flag of statements | `stmt_<name>`: of the last period |
| any of these of a transaction that is judged for fraud | `obs_<name>`, beside what the customer's earlier ones say |
| a number of transactions, invoices, payments, contracts, events | `<group>_<name>_mean_365d`, `<group>_<name>_last_365d` |
| a flag of these | `<group>_<name>_share_365d` |
| a category of these | `<group>_<name>_last_365d` |
| at most twelve kinds of transaction | `txn_kind_<kind>_outflow_share_365d`, `…_inflow_share_365d`, `…_outflow_to_inflow_90d` |
| series | `bg_market_<name>`, `bg_industry_<name>`, and their growth over 12 months |
| events with `score`, `passage_level` or `family` ([credit reports](credit_reports.md)) | `evt_report_…`, and `evt_<family>_…` |

Identifiers (`…_id`; in dated tables also `…_no`, `…_number`, `…_code`, `…_key`, `…_name`), names, free text and dates become no column.
"""


def page():
    """The whole page, one table a use case and group, one line a column."""
    columns = {name: {column.name: column.kind for column in table.columns} for name, table in TABLES.items()}
    return "\n".join([INTRODUCTION, *(_case(build_catalogue(use_case, columns)) for use_case in USE_CASES)])


def _case(catalogue):
    grouped = {}
    for each in catalogue.features:
        grouped.setdefault(each.name.partition("_")[0], []).append(each)
    title = f"## {CASES[catalogue.use_case]}\n\n{len(catalogue)} columns.\n"
    return "\n".join([title, *(_group(GROUPS[group], found) for group, found in grouped.items())])


def _group(title, found):
    lines = [HEADER, ("---",) * len(HEADER), *(_row(each) for each in found)]
    return "\n".join([f"### {title} ({len(found)})\n", *(f"| {' | '.join(line)} |" for line in lines), ""])


def _row(each):
    words = (feature_name(each.name, language=language) for language in ("en", "zh"))
    reads = "; ".join(f"{table}: {', '.join(names)}" if names else table for table, names in each.needs.items())
    about = (DIRECTIONS[each.direction], each.factor.replace("_", " "), each.scope, f"`{each.message_id}`", reads)
    return (f"`{each.name}`", *words, each.unit, each.kind, each.missing, *about)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
