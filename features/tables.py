"""The contract of the tables: which columns each has, what they mean, and which moment dates a row.

Times are naive UTC. Every table but `observations` has `known_at`, the moment at which its row could first be read.
"""

from dataclasses import dataclass

STOCKS = (
    "cash",
    "receivables",
    "inventory",
    "current_assets",
    "fixed_assets",
    "total_assets",
    "payables",
    "short_term_debt",
    "current_liabilities",
    "long_term_debt",
    "total_liabilities",
    "paid_in_capital",
    "retained_earnings",
    "equity",
)
FLOWS = (
    "revenue",
    "cost_of_sales",
    "gross_profit",
    "operating_expenses",
    "depreciation",
    "ebit",
    "interest_expense",
    "pretax_income",
    "tax",
    "net_income",
    "operating_cash_flow",
    "investing_cash_flow",
    "financing_cash_flow",
    "capex",
    "dividends",
)
LINES = STOCKS + FLOWS


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `kind` is id, category (few levels), text (free, never a feature), time, money (int64 minor units), number (float64), flag (bool) or
    integer. A required column must be there and filled in every row. `least` and `most` bound its values, both inclusive; a time that is not
    `ahead` tells of something that has happened, so it cannot lie in the future.
    """

    name: str
    kind: str
    required: bool = False
    unit: str = ""
    least: float | None = None
    most: float | None = None
    ahead: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its key, the column that says when its row happened (`occurred`), and its columns.

    `occurred` equals `known_at` where a row is a state that holds from the moment it is known.
    """

    name: str
    key: tuple
    occurred: str
    columns: tuple

    def column(self, name):
        """The column of that name, or None for a column beyond the contract."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def names(self):
        """Column names in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self):
        """Names of the columns that a source must deliver if it delivers the table."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def order(self):
        """Columns that put one customer's rows in their order of time, the key's other columns settling ties."""
        rest = (name for name in self.key if name != "customer_id")
        return tuple(dict.fromkeys((self.occurred, "known_at", *rest)))

    @property
    def filled(self):
        """Required columns, ids aside: a row without one of these values cannot be dated or counted, so feeders leave it out."""
        return tuple(column.name for column in self.columns if column.required and column.kind != "id")


def _id(name, *, required=True):
    return Column(name, "id", required)


def _category(name, *, required=False):
    return Column(name, "category", required)


def _time(name, *, required=False, ahead=False):
    return Column(name, "time", required, ahead=ahead)


def _money(name, *, required=False, least=None):
    return Column(name, "money", required, "minor units", least)


def _number(name, unit="", *, least=None, most=None):
    return Column(name, "number", False, unit, least, most)


_KNOWN_AT = _time("known_at", required=True)
_CUSTOMER = _id("customer_id")
_CURRENCY = _category("currency")

_ALL = (
    Table(
        "customers",
        ("customer_id", "known_at"),
        "known_at",
        (
            _CUSTOMER,
            _KNOWN_AT,
            Column("name", "text"),
            _category("kind"),
            _category("industry"),
            Column("scope", "text"),
            _category("ownership"),
            _category("region"),
            _time("founded_on"),
            _time("onboarded_on"),
        ),
    ),
    Table(
        "statements",
        ("customer_id", "period_end", "period_months", "basis", "source", "known_at"),
        "period_end",
        (
            _CUSTOMER,
            _time("period_end", required=True),
            Column("period_months", "integer", True, "months", least=1),
            _category("basis"),
            _category("source"),
            _KNOWN_AT,
            _CURRENCY,
            Column("audited", "flag"),
            _number("confidence", "0 to 1", least=0, most=1),
            *(_number(line, "currency units") for line in LINES),
        ),
    ),
    Table(
        "contracts",
        ("contract_id", "known_at"),
        "known_at",
        (
            _id("contract_id"),
            _KNOWN_AT,
            _CUSTOMER,
            _time("signed_on"),
            _time("due_on", ahead=True),
            _time("fulfilled_on"),
            _money("amount"),
            _category("status", required=True),
        ),
    ),
    Table(
        "invoices",
        ("invoice_id",),
        "issued_at",
        (
            _id("invoice_id"),
            _KNOWN_AT,
            _CUSTOMER,
            _time("issued_at", required=True),
            _time("due_at", required=True, ahead=True),
            _money("amount", required=True, least=1),
            _CURRENCY,
            _category("category"),
        ),
    ),
    Table(
        "payments",
        ("payment_id",),
        "occurred_at",
        (
            _id("payment_id"),
            _KNOWN_AT,
            _id("invoice_id", required=False),
            _CUSTOMER,
            _time("occurred_at", required=True),
            _money("amount", required=True, least=1),
            _category("kind"),
        ),
    ),
    Table(
        "transactions",
        ("transaction_id",),
        "occurred_at",
        (
            _id("transaction_id"),
            _KNOWN_AT,
            _CUSTOMER,
            _time("occurred_at", required=True),
            _money("amount", required=True),
            _CURRENCY,
            _category("kind"),
            _id("counterparty_id", required=False),
            _category("channel"),
            _money("balance"),
        ),
    ),
    Table(
        "events",
        ("event_id",),
        "occurred_at",
        (
            _id("event_id"),
            _KNOWN_AT,
            _CUSTOMER,
            _time("occurred_at", required=True),
            _category("kind", required=True),
            _money("amount"),
            _number("severity", "1 to 5", least=1, most=5),
            _category("source"),
            _number("confidence", "0 to 1", least=0, most=1),
        ),
    ),
    Table(
        "exposures",
        ("customer_id", "known_at"),
        "known_at",
        (_CUSTOMER, _KNOWN_AT, _money("limit"), _money("exposure"), _money("collateral"), _CURRENCY),
    ),
    Table(
        "series",
        ("name", "industry", "period_end", "known_at"),
        "period_end",
        (
            _category("name", required=True),
            _category("industry"),
            _time("period_end", required=True),
            _KNOWN_AT,
            Column("value", "number", True),
            Column("unit", "text"),
        ),
    ),
    Table(
        "outcomes",
        ("customer_id", "transaction_id", "kind", "occurred_at"),
        "occurred_at",
        (
            _id("customer_id", required=False),
            _id("transaction_id", required=False),
            _category("kind", required=True),
            _time("occurred_at", required=True),
            _KNOWN_AT,
            _money("loss"),
            _time("cured_at"),
        ),
    ),
    Table(
        "observations",
        ("observation_id",),
        "as_of",
        (
            _id("observation_id"),
            _id("customer_id"),
            _id("transaction_id", required=False),
            _time("as_of", required=True),
            _number("target", "0 or 1", least=0, most=1),
            _time("target_known_at"),
        ),
    ),
)

TABLES = {table.name: table for table in _ALL}
