"""The rules by which statements are checked as accounts, each a query over the temporary tables that `pipeline.account_checks` prepares.

`accounts` has one row per version of a statement, `series` one per period (its version known last) beside the period before and after it in the same
series: customer, basis, source and length. A query gives the columns of FOUND. A missing line breaks no rule.
"""

from typing import NamedTuple

# Statements round to units, to thousands or to a tenth of a per cent; a lost or doubled line is larger.
IDENTITY = 0.01
# Cash flow statements leave exchange differences and bank overdrafts to a line of their own, which the contract does not have.
CASH = 0.05
# Share buy-backs and other comprehensive income may pass through retained earnings.
ROLL = 0.05
# Two units of rounding on either side, for small amounts.
ROUNDING = 2.0
GAP_MONTHS = 18
# Six significant digits are not repeated by chance; a rounded amount may be.
DIGITS = 6

# Stocks that cannot be below zero, and revenue. Equity and retained earnings can.
NOT_NEGATIVE = ("cash", "receivables", "inventory", "current_assets", "fixed_assets", "total_assets", "payables", "short_term_debt", "current_liabilities",
                "long_term_debt", "total_liabilities", "paid_in_capital", "revenue")
# Lines that one file writes with one sign throughout. Tax may be either, and capital expenditure is often net of disposals.
EXPENSES = ("cost_of_sales", "operating_expenses", "depreciation", "interest_expense", "dividends")
# A release of provisions or other income may turn a small expense: below this share of revenue no sign is a slip.
SMALL = 0.02
# A part and the total that holds it.
PARTS = (
    ("cash", "current_assets"), ("receivables", "current_assets"), ("inventory", "current_assets"), ("current_assets", "total_assets"),
    ("fixed_assets", "total_assets"), ("payables", "current_liabilities"), ("short_term_debt", "current_liabilities"),
    ("current_liabilities", "total_liabilities"), ("long_term_debt", "total_liabilities"),
)
SERIES = "customer_id, basis_name, source_name, period_months"
KEY = "customer_id, period_end, period_months, basis, source"


class Rule(NamedTuple):
    """A rule: its name, severity (1 a note, 5 the figures cannot be right), what a finding means and what helps, and its query."""

    name: str
    severity: int
    meaning: str
    remedy: str
    query: str


def _row(line, expected, found, *, known_at="known_at", where):
    return f"""SELECT {KEY}, {known_at} AS known_at, '{line}' AS line, ({expected})::DOUBLE AS expected, ({found})::DOUBLE AS found
               FROM {{table}} WHERE {where}"""


def _over(table, *queries):
    return " UNION ALL ".join(query.format(table=table) for query in queries)


def _balance():
    expected = "total_liabilities + equity"
    gap = f"abs(total_assets - ({expected})) > {IDENTITY} * abs(total_assets) + {ROUNDING}"
    return _over("accounts", _row("total_assets", expected, "total_assets", where=f"total_assets >= 0 AND total_liabilities >= 0 AND {gap}"))


def _parts():
    over = f"> {{total}} * (1 + {IDENTITY}) + {ROUNDING}"
    queries = [_row(part, total, part, where=f"{total} >= 0 AND {part} {over.format(total=total)}") for part, total in PARTS]
    sums = "coalesce(cash, 0) + coalesce(receivables, 0) + coalesce(inventory, 0)"
    each = " AND ".join(f"coalesce({part}, 0) <= current_assets" for part in ("cash", "receivables", "inventory"))
    whole = f"current_assets >= 0 AND {each} AND {sums} {over.format(total='current_assets')}"
    return _over("accounts", *queries, _row("current_assets", sums, "current_assets", where=whole))


def _gross():
    # Files differ in the sign of expenses: the margin does not.
    expected = "revenue - abs(cost_of_sales)"
    gap = f"abs(gross_profit - ({expected})) > {IDENTITY} * greatest(abs(revenue), abs(gross_profit)) + {ROUNDING}"
    return _over("accounts", _row("gross_profit", expected, "gross_profit", where=f"revenue >= 0 AND {gap}"))


def _ties(closing, opening, flows, share):
    """Whether a closing figure follows from one of the opening versions and the flows, within the share of the largest of them."""
    names = [closing, *flows]
    largest = f"greatest({', '.join(f'abs({name})' for name in names)}, abs({opening[0]}))"
    gaps = [f"abs({closing} - {before} - ({' + '.join(flows)}))" for before in opening]
    return f"least({', '.join(gaps)}) > {share} * {largest} + {ROUNDING}"


CONSECUTIVE = "comparable AND months_since_previous = period_months"
PAIR_KNOWN = "greatest(known_at, previous_known_at)"


def _cash_tie():
    flows = ("operating_cash_flow", "investing_cash_flow", "financing_cash_flow")
    broken = f"{CONSECUTIVE} AND {_ties('cash', ('previous_cash', 'previous_cash_first'), flows, CASH)}"
    return _over("series", _row("cash", f"previous_cash + {' + '.join(flows)}", "cash", known_at=PAIR_KNOWN, where=broken))


def _roll_forward():
    flows = ("net_income", "-abs(dividends)")
    broken = f"{CONSECUTIVE} AND {_ties('retained_earnings', ('previous_retained', 'previous_retained_first'), flows, ROLL)}"
    expected = "previous_retained + net_income - abs(dividends)"
    return _over("series", _row("retained_earnings", expected, "retained_earnings", known_at=PAIR_KNOWN, where=broken))


def _signs():
    queries = [_row(line, "0", line, where=f"{line} < 0") for line in NOT_NEGATIVE]
    against = f"({{line}} < 0) <> {{line}}_negative AND abs({{line}}) > {SMALL} * abs(coalesce(revenue, 0)) + {ROUNDING}"
    opposite = [_row(line, f"-({line})", line, where=against.format(line=line)) for line in EXPENSES]
    return f"{_over('accounts', *queries)} UNION ALL {_over('(SELECT * FROM accounts JOIN usage USING (source_name))', *opposite)}"


def _repeated():
    one = f"comparable AND period_months = 12 AND {{line}} = previous_{{line}} AND {{line}} <> 0 AND {_significant('{line}')} >= {DIGITS}"
    queries = [_row(line, "NULL", line, known_at=PAIR_KNOWN, where=one.format(line=line)) for line in ("equity", "net_income")]
    return _over("series", *queries)


def _significant(line):
    """Significant digits of a number of up to 15: those of its shortest text, without sign, point, exponent and the zeros at both ends."""
    return f"length(trim(replace(regexp_replace(printf('%.14e', {line}), 'e.*$', ''), '.', ''), '-0'))"


def _currency():
    return _over("series", _row("currency", "NULL", "NULL", known_at=PAIR_KNOWN, where="currency <> previous_currency"))


def _gap():
    return _over("series", _row("period_end", "period_months", "months_since_previous", known_at=PAIR_KNOWN,
                                where=f"months_since_previous >= {GAP_MONTHS}"))


def _overlap():
    return _over("series", _row("period_end", "period_months", "months_since_previous", known_at=PAIR_KNOWN,
                                where="months_since_previous < period_months - 1"))


def _twice():
    return """SELECT customer_id, max(period_end) AS period_end, period_months, basis, source, max(known_at) AS known_at, 'period_end' AS line,
               1.0 AS expected, count(DISTINCT period_end)::DOUBLE AS found
               FROM accounts GROUP BY customer_id, month, period_months, basis, source HAVING min(period_end) <> max(period_end)"""


def _units():
    return "SELECT * FROM unit_slips"


RULES = (
    Rule("balance identity", 5, "assets differ from liabilities and equity by more than 1 %", "look for a line left out or counted twice in the SELECT",
         _balance()),
    Rule("part exceeds total", 5, "a line is more than 1 % larger than the total that holds it, or the total smaller than its parts",
         "check that both lines mean what the contract calls them", _parts()),
    Rule("gross profit", 4, "gross profit differs from revenue less cost of sales by more than 1 %", "check which costs the file puts above gross profit",
         _gross()),
    Rule("unit slip", 5, "most lines at once are 100, 1,000 or 1,000,000 times the customer's own usual ones (with two statements, one of them is)",
         "multiply or divide that statement in the SELECT", _units()),
    Rule("sign slip", 4, "a line that cannot be negative is, or an expense has the opposite sign of the file's usage",
         "correct the sign in the SELECT if the file is wrong, else leave it", _signs()),
    Rule("cash tie-out", 3, "the change in cash differs from the three cash flows by more than 5 %",
         "check the period of the flows and whether cash includes overdrafts and deposits", _cash_tie()),
    Rule("retained earnings", 2, "retained earnings do not follow from the year before, net income and dividends within 5 %",
         "ask for the statement of changes in equity", _roll_forward()),
    Rule("currency change", 3, "the currency differs from the period before, so growth and changes mix two currencies",
         "convert the statements to one currency in the SELECT", _currency()),
    Rule("repeated amount", 2, "equity or net income repeats last year's to six digits or more", "check that last year's column was not copied", _repeated()),
    Rule("period gap", 1, "18 months or more lie between two statements of one length", "ask for the statement in between, or leave it", _gap()),
    Rule("period overlap", 2, "two statements of one length overlap", "check period_months, or a change of the business year", _overlap()),
    Rule("period twice", 3, "one period has two end dates", "give one period_end to all versions of a statement", _twice()),
)
