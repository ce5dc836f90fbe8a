"""The tables of `docs/privacy.md`, written from the declaration: `python -m pipeline.privacy_page`."""

from pathlib import Path

from features.tables import LINES, TABLES
from serving.privacy import IDENTIFYING, PURPOSES, RETAINED, RETAINED_BY_TABLE, YEAR

PAGE = Path(__file__).parent.parent / "docs" / "privacy.md"
# What stands before it is written by hand.
BEGIN = "## What the database keeps of a customer"


def page(text):
    """The page's text with its tables as the declaration has them."""
    return text[: text.index(BEGIN)] + "\n".join([_kept(), _fields()])


def _kept():
    head = [BEGIN, "", "| table | holds | purpose | kept |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(f"| `{each.table}` | {each.holds} | {each.purpose} | {_time(each)} |" for each in RETAINED), ""])


def _fields():
    head = ["## Fields about a customer", "",
            f"Records that are sent are kept with the decision ({_time(RETAINED_BY_TABLE['decisions'])}). Published records, features and scores are kept for",
            "two publications, a customer's grade and probability for one more; the pipeline's files (`data/`) as long as the source has them.",
            "*Identifies*: says who somebody is.", "",
            "| field | identifies | purpose | kept |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(line for table in PURPOSES for line in _table_lines(table)), ""])


def _table_lines(table):
    """A line each for the columns that identify, and one for the rest."""
    if PURPOSES[table] is None:
        return [f"| `{table}`: all | no customer | market figures | |"]
    about, beside = f"{PURPOSES[table]} | {_where(table)} |", ("customer_id", *LINES)
    identifying = [f"| `{table}.{column}` | {what} | {about}" for (place, column), what in IDENTIFYING.items() if place == table]
    rest = [f"`{name}`" for name in TABLES[table].names if name not in beside and (table, name) not in IDENTIFYING]
    lines = [f"{len(LINES)} lines of accounts"] if table == "statements" else []
    return [*identifying, f"| `{table}`: {', '.join(rest + lines)} | | {about}"]


def _where(table):
    return "`data/` only" if table in ("outcomes", "observations") else "as the decision"


def _time(kept):
    if kept.days is None:
        return "as long as the customer is there"
    years = f"{kept.days // YEAR} years ({kept.days:,} days)"
    return f"{years} after the customer's last row" if kept.after_last else years


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
