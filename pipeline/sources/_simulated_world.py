"""What the simulated world is made of: its calendar, its random streams, its industries and the fixed traits of its customers."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

BLOCK = 1000
DAY = 86_400
HOUR = 3_600
NEVER = np.iinfo(np.int64).max
NULL = np.iinfo(np.int64).min
# Months before the first one in which the states settle; statements, events and figures of this past are known on the first day.
BURN_IN = 36
HISTORY = 15
ENTRY_MONTHS = 84
ENTRY_SHARE = 0.2

INDUSTRIES = ("manufacturing", "wholesale", "retail", "construction", "transport", "hospitality", "technology", "energy", "agriculture",
              "services")
INDUSTRY_SHARE = np.array([0.2, 0.15, 0.12, 0.12, 0.08, 0.06, 0.09, 0.03, 0.05, 0.1])
REGION_SHARE, OWNERSHIP_SHARE = np.array([0.2, 0.2, 0.25, 0.15, 0.15, 0.05]), np.array([0.75, 0.1, 0.1, 0.05])
REGIONS = ("north", "south", "east", "west", "centre", "abroad")
OWNERSHIPS = ("private", "state", "foreign", "listed")
SCOPES = ("local", "national", "international")


class Purpose(IntEnum):
    """One independent stream of random numbers per use, so that a decision that removes rows moves no other draw."""

    PROFILE = 0
    STATE = 1
    DEFAULT = 2
    STATEMENT = 3
    INVOICE = 4
    CONTRACT = 5
    EVENT = 6
    TRANSACTION = 7
    FRAUD = 8
    ECONOMY = 9
    REFERENCE = 10
    CHANGE = 11
    FEED = 12
    RECOVERY = 13
    STOP = 14
    RUSH = 15


def stream(seed, block, month, purpose):
    """The generator of one block, month and purpose; the same whatever else is simulated."""
    place = (block << 24) | ((month + 1024) << 8) | int(purpose)
    return np.random.Generator(np.random.Philox(key=np.array([seed, place], dtype=np.uint64)))


@dataclass(frozen=True)
class Calendar:
    """Months counted from the first simulated one, as seconds since 1970; negative months lie before it."""

    first: np.datetime64

    def start(self, month):
        """First second of that month."""
        return int((self.first + month).astype("datetime64[s]").astype(np.int64))

    def number(self, month):
        """Calendar month, 1 to 12."""
        return int((self.first + month).astype(np.int64) % 12) + 1

    def period_end(self, month):
        """Midnight at the start of the month's last day: the date a statement bears."""
        return self.start(month + 1) - DAY


@dataclass(frozen=True)
class Profile:
    """The fixed traits of one block of customers, one entry each.

    `entry_month` is -1 for a customer of the opening book and may lie beyond the simulated months; `size` is the standardised log of
    total assets; `turnover` and `ticket` are whole currency units a month and an invoice.
    """

    industry: np.ndarray
    region: np.ndarray
    ownership: np.ndarray
    scope: np.ndarray
    size: np.ndarray
    assets: np.ndarray
    turnover: np.ndarray
    ticket: np.ndarray
    founded: np.ndarray
    entry_month: np.ndarray
    entry_at: np.ndarray
    fiscal_month: np.ndarray
    quarterly: np.ndarray
    terms: np.ndarray
    collateral: np.ndarray
    traits: np.ndarray
    regulars: np.ndarray
    name: np.ndarray


# Counterparties: regular partners and one-off ones come from these ranges of numbers; mule accounts have their own.
REGULAR_POOL = 20_000
CASUAL_POOL = 400_000
REGULARS = 10


def draw_profile(seed, block, calendar):
    """The customers of one block: a fixed function of seed and block."""
    rng = stream(seed, block, 0, Purpose.PROFILE)
    n = BLOCK
    size = rng.standard_normal(n)
    industry = rng.choice(len(INDUSTRIES), n, p=INDUSTRY_SHARE)
    assets = np.exp(15.5 + 1.2 * size)
    entry_month, entry_at, founded = _dates(rng, calendar)
    return Profile(
        industry=industry, region=rng.choice(6, n, p=REGION_SHARE), ownership=rng.choice(4, n, p=OWNERSHIP_SHARE),
        scope=np.clip(np.round(1 + 0.6 * size + 0.5 * rng.standard_normal(n)), 0, 2).astype(np.int64), size=size, assets=assets,
        turnover=assets * np.exp(-2.6 + 0.3 * rng.standard_normal(n)), ticket=assets * np.exp(-5.5 + 0.3 * rng.standard_normal(n)),
        founded=founded, entry_month=entry_month, entry_at=entry_at, fiscal_month=rng.choice([12, 6, 3], n, p=[0.85, 0.1, 0.05]),
        quarterly=rng.random(n) < 0.8, terms=rng.choice([15, 30, 45, 60], n, p=[0.1, 0.6, 0.2, 0.1]),
        collateral=np.where(rng.random(n) < 0.25, rng.uniform(0.2, 0.8, n), 0.0), traits=rng.random((n, 8)),
        regulars=rng.integers(0, REGULAR_POOL, (n, REGULARS)), name=_names(rng, industry))


def _dates(rng, calendar):
    first, n = calendar.start(0), BLOCK
    late = rng.random(n) < ENTRY_SHARE
    entry_month = np.where(late, rng.integers(0, ENTRY_MONTHS, n), -1)
    starts = np.array([calendar.start(month) for month in range(ENTRY_MONTHS + 1)], dtype=np.int64)
    day = rng.integers(0, 28, n) * DAY + 9 * HOUR
    entry_at = np.where(late, starts[entry_month] + day, first - rng.integers(30, 8 * 365, n) * DAY)
    founded = entry_at - (np.exp(rng.normal(np.log(9.0), 0.8, n)).clip(0.5, 80) * 365).astype(np.int64) * DAY
    return entry_month, entry_at, founded // DAY * DAY


_FIRST = ("Northgate", "Silver", "Harbour", "Blue River", "Summit", "Oak", "Meridian", "Falcon", "Sterling", "Lakeside", "Granite",
          "Pioneer", "Orchid", "Amber")
_SECOND = ("Bridge", "Field", "Point", "Star", "Line", "Works", "Gate", "Crest", "Stone", "Wave", "Union", "Delta", "Horizon", "Forge")
_LAST = ("Manufacturing Ltd", "Trading Ltd", "Stores Ltd", "Construction Ltd", "Logistics Ltd", "Hotels Ltd", "Systems Ltd", "Energy Ltd",
         "Farms Ltd", "Services Ltd")
_CITY = ("华东", "江南", "北辰", "岭南", "滨海", "云川", "金陵", "锦城", "长洲", "东湖", "西岭", "辽原", "桂林", "渝中")
_WORD = ("恒信", "瑞丰", "华盛", "鼎新", "博远", "安泰", "同创", "嘉禾", "明德", "宏图", "天成", "启航", "永昌", "兴业")
_TRADE = ("制造有限公司", "商贸有限公司", "百货有限公司", "建设有限公司", "物流有限公司",
          "酒店有限公司", "科技有限公司", "能源有限公司", "农业有限公司", "服务有限公司")


def _names(rng, industry):
    first, second, chinese = rng.integers(0, 14, BLOCK), rng.integers(0, 14, BLOCK), rng.random(BLOCK) < 0.45
    english = [f"{_FIRST[a]} {_SECOND[b]} {_LAST[c]}" for a, b, c in zip(first, second, industry, strict=True)]
    local = [f"{_CITY[a]}{_WORD[b]}{_TRADE[c]}" for a, b, c in zip(first, second, industry, strict=True)]
    return np.where(chinese, np.array(local, dtype=object), np.array(english, dtype=object))


def take(rows, chosen):
    """The chosen rows of a dictionary of equally long arrays."""
    return {name: column[chosen] for name, column in rows.items()}


def join(parts):
    """Dictionaries of arrays, one under the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rank_within(customer):
    """Position of each row among the rows of its customer; rows must be sorted by customer."""
    first = np.searchsorted(customer, customer, side="left")
    return np.arange(len(customer)) - first


def next_posting(at):
    """06:00 of the next working day: when something entered by hand or in a batch is booked."""
    day = at // DAY + 1
    # Day 0 (1970-01-01) was a Thursday, so Saturday is 2 and Sunday 3 in this count.
    weekday = day % 7
    return (day + np.where(weekday == 2, 2, np.where(weekday == 3, 1, 0))) * DAY + 6 * HOUR
