"""Statements in the wrong unit: found by most of their lines lying a power of ten off the customer's own neighbouring ones."""

from pipeline.account_rules import KEY, SERIES

LINES = ("total_assets", "current_assets", "fixed_assets", "receivables", "total_liabilities", "current_liabilities", "payables", "revenue", "cost_of_sales")
# A hundred (cents), a thousand, a million, each within a factor of 2.2, which is more than a customer of stable business grows in a year.
POWERS, POWER = (2, 3, 6), 0.35
AGREEING, LEAST_LINES = 0.8, 3
# A jump of the mean line by which a series is looked at more closely; a slip of a hundred moves the mean by two powers of ten.
SUSPECT = 1.0


def mean_scale():
    """SQL for the mean power of ten of a row's lines, null where none is above zero."""
    return f"list_avg([{_logs('')}])"


def unit_slips():
    """SQL for statements that lie a power of ten off the period before or after, or off a later version of themselves, in most lines at once.

    Reads the temporary tables `accounts` and `series`; columns: KEY, known_at, line (the first it has), expected (that line's median over the customer's
    statements, or the later version's), found. Of two neighbours the one is named that also lies on its side of the medians.
    """
    return f"""WITH suspects AS ({_suspects()}), judged AS ({_judged()}), corrected AS ({_corrected()}),
            slips AS (SELECT {KEY}, greatest(known_at, coalesce(previous_known_at, known_at)) AS known_at, amounts, scales, usual FROM judged
                    WHERE 2 * off * sign(since) > abs(since) OR 2 * off * sign(until) > abs(until)
                UNION ALL SELECT {KEY}, known_at, amounts, scales, usual FROM corrected WHERE {_power("steps")} IS NOT NULL)
        SELECT {KEY}, known_at, {list(LINES)}[place] AS line, round(10 ** usual[place], 2) AS expected, amounts[place] AS found
        FROM (SELECT *, list_position(list_transform(scales, lambda scale: scale IS NOT NULL), true) AS place FROM slips)"""


def _suspects():
    """All periods of the series in which the mean line jumps."""
    jumping = f"SELECT DISTINCT {SERIES} FROM series WHERE comparable AND abs(size - previous_size) > {SUSPECT}"
    return f"SELECT series.*, {_scaled('accounts')} FROM series SEMI JOIN ({jumping}) USING ({SERIES}) JOIN accounts USING (row)"


def _judged():
    """Suspects with the power of ten since the period before and until the next one, and the middle step off the medians of one currency."""
    medians = ", ".join(f"quantile_disc(scales[{place}], 0.5)" for place in range(1, len(LINES) + 1))
    steps = f"{_steps('since_steps', 'before')}, {_steps('until_steps', 'after')}, {_steps('usual_steps', 'usual')}"
    return f"""WITH usual AS (SELECT {SERIES}, currency, [{medians}] AS usual FROM suspects GROUP BY ALL),
            beside AS (SELECT *, lag(scales) OVER later AS before, lead(scales) OVER later AS after FROM suspects
                WINDOW later AS (PARTITION BY {SERIES}, currency ORDER BY month)),
            stepped AS (SELECT beside.*, usual, {steps} FROM beside JOIN usual USING ({SERIES}) WHERE beside.currency IS NOT DISTINCT FROM usual.currency)
        SELECT *, {_power("since_steps")} AS since, {_power("until_steps")} AS until, list_median(usual_steps) AS off FROM stepped"""


def _corrected():
    """Versions of a period that were known before its last one, beside that."""
    key = ", ".join(f"early.{name}" for name in KEY.split(", "))
    scaled = f"{_scaled('early')}, {_scaled('final', scales='usual', amounts='usual_amounts')}"
    return f"""SELECT *, {_steps("steps", "usual")} FROM (SELECT {key}, late.known_at, {scaled}
        FROM accounts AS early JOIN series AS late USING ({SERIES}, month) JOIN accounts AS final ON final.row = late.row
        WHERE early.row <> late.row AND early.currency IS NOT DISTINCT FROM late.currency)"""


def _logs(prefix):
    return ", ".join(f"CASE WHEN {prefix}{line} > 0 THEN log10({prefix}{line}) END" for line in LINES)


def _scaled(table, *, scales="scales", amounts="amounts"):
    """The lines of a table as a list of amounts, and as one of powers of ten, null where not above zero."""
    return f"[{', '.join(f'{table}.{line}' for line in LINES)}] AS {amounts}, [{_logs(f'{table}.')}] AS {scales}"


def _steps(name, other):
    """How many powers of ten each line lies above the one in a list beside it: a list of the lines that both have."""
    steps = ", ".join(f"scales[{place}] - {other}[{place}]" for place in range(1, len(LINES) + 1))
    return f"list_filter([{steps}], lambda step: step IS NOT NULL) AS {name}"


def _power(steps):
    """The power of ten on which most steps agree, null where they agree on none."""
    agree = f"len(list_filter({steps}, lambda step: abs(step - ({{power}})) <= {POWER})) >= {AGREEING} * len({steps})"
    cases = " ".join(f"WHEN {agree.format(power=sign * power)} THEN {sign * power}" for power in POWERS for sign in (1, -1))
    return f"CASE WHEN len({steps}) < {LEAST_LINES} THEN NULL {cases} END"
