"""What a catalogue reads of each table: the columns, the order of the rows, the rows that are of no use, and how far back. The same for every feeder."""

from dataclasses import dataclass

from features.arrays import MISSING_TIME
from features.derived import SUPPORT
from features.errors import RiskError
from features.plan import plan_of, reading_terms
from features.tables import TABLES

# Ids that mean the same in several tables, and the table whose rows number them.
SHARED_IDS = {"invoice_id": "invoices", "contract_id": "contracts"}

# From what a counterparty's transactions and the frauds among them are counted.
COUNTED = {"transactions": ("transaction_id", "counterparty_id", "known_at"), "outcomes": ("transaction_id", "kind", "known_at")}


@dataclass(frozen=True)
class Needed:
    """What is read of one table: `columns` go to the kernel, `order` puts a customer's rows in order, rows that lack one of `filled` are left
    out; `owned` says that each row belongs to a customer, otherwise every customer's features may read them all."""

    table: str
    columns: tuple
    order: tuple
    filled: tuple
    owned: bool

    @property
    def carried(self):
        """All columns that have to be read, the customer's id among them."""
        return tuple(dict.fromkeys([*(["customer_id"] if self.owned else []), *self.columns, *self.order]))


def needed(catalogue, present):
    """What the catalogue reads of each table, {table: Needed}, from the columns that are there, {table: names}.

    An optional column that no row carries is missing throughout. The owners of shared ids come first, so that others are told in their codes.
    Raises RiskError when a table lacks a column without which its rows cannot be dated, counted or given to a customer.
    """
    owners_first = sorted(catalogue.needs.items(), key=lambda item: item[0] not in SHARED_IDS.values())
    return {table: _needed(TABLES[table], names, present[table]) for table, names in owners_first if table != "observations"}


def _needed(contract, names, present):
    required = [name for name in contract.required if name in ("customer_id", *contract.filled, *names)]
    lacking = [name for name in required if name not in present]
    if lacking:
        raise RiskError(
            f"Table {contract.name} lacks the column {', '.join(lacking)}, without which its rows cannot be used; "
            "add it to the table or ingest it again."
        )
    return Needed(
        contract.name,
        tuple(name for name in wanted(contract, names) if name in present),
        tuple(name for name in contract.order if name in present),
        contract.filled,
        contract.column("customer_id") is not None,
    )


def wanted(contract, names):
    """The columns of a table of which these `names` are asked: those that date and fill its rows and those read wherever they are, too."""
    return tuple(dict.fromkeys([contract.occurred, "known_at", *contract.filled, *names, *SUPPORT.get(contract.name, ())]))


def require_counted(table, present):
    """Refuse a table, with these columns, that lacks one from which counterparties are counted.

    Raises RiskError naming the columns.
    """
    lacking = [name for name in COUNTED[table] if name not in present]
    if lacking:
        raise RiskError(f"Table {table} lacks the column {', '.join(lacking)}, which the counterparties' counts need; ingest it again.")


def zoned_moments(table, name, count, *, remedy="store them as UTC without a zone"):
    """The RiskError of a column whose moments carry a time zone: the tables hold naive UTC."""
    return RiskError(f"Table {table}, column {name}: {count} moments carry a time zone; {remedy}.")


def oldest_needed(catalogue, earliest):
    """Seconds before which rows of a table fall out of every window of observations from `earliest` on, by when they occurred.

    Only tables of which nothing but windows is asked are named: of the others any row may still matter.
    """
    oldest = {}
    for term in reading_terms(plan_of(catalogue)):
        if term.table in TABLES and term.op != "counterparty":
            reach = earliest - term.span if term.op == "window" and term.table != "invoices" else MISSING_TIME
            oldest[term.table] = min(oldest.get(term.table, reach), reach)
    built = {"payments"} if "invoices" in catalogue.needs else set()
    return {table: since for table, since in oldest.items() if since > MISSING_TIME and table not in built}
