"""The fraud oracle: the probability that an outflow is a fraud given everything recorded of its customer's month up to it.

Every split of the month's outflows so far into genuine ones and frauds is one hypothesis; its weight is the probability density with which the generator
makes it, and the oracle's answer the share of weight in which the last outflow is a fraud. Nothing is fitted. The months are independent given the balance.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from pipeline.sources._simulated_world import DAY, HOUR, rank_within

# Hypotheses kept of a customer: all of the first nine outflows, of more the heaviest; a month of ten outflows is one in some thousands.
HYPOTHESES = 512
# Outflows or frauds of a day yet to come beyond these numbers carry less than a thousandth of the weight.
MORE_OUTFLOWS, MOST_A_DAY = 5, 8
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(6)
ROUNDING = 1e-4
NIGHT_HOURS, OPEN, OFFICE_HOURS = 6 * HOUR, 8 * HOUR, 11 * HOUR


def _factorials(count):
    return np.concatenate([[1.0], np.cumprod(np.arange(1.0, count))])


FACTORIAL = _factorials(64)


def poisson(mean, counts):
    """Probabilities of these counts (whole, below 64)."""
    return np.exp(-mean) * mean**counts / FACTORIAL[counts]


def day_share(at, night_share):
    """Share of a day's outflows that lie before the moment `at`: nights fall evenly on six hours, the rest on eleven office hours."""
    clock = at % DAY
    return night_share * np.minimum(clock / NIGHT_HOURS, 1) + (1 - night_share) * np.clip((clock - OPEN) / OFFICE_HOURS, 0, 1)


def normal(value, mean, spread):
    """The normal density."""
    return np.exp(-0.5 * ((value - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))


class Amounts:
    """The density of genuine amounts: a total, split in shares of lognormal weights.

    mean: (customers,) expected total before it is cut off at `least`, in months of turnover; spread: of the total; noise: of the log weights.
    """

    def __init__(self, mean, *, spread, noise, least):
        self.mean, self.spread, self.noise, self.least = mean, spread, noise, least
        self.cut = ndtr((least - mean) / spread)
        places = self.cut + (1 - self.cut) * (NODES[:, None] + 1) / 2
        self.totals = [np.full_like(mean, least), *np.maximum(mean + spread * ndtri(np.minimum(places, 1 - 1e-12)), least)]
        self.weights = [self.cut, *((1 - self.cut) * NODE_WEIGHTS[:, None] / 2)]

    def density(self, who, sums, more):
        """Density of the logs of the amounts seen, when `more` are to come; amounts in months of turnover.

        who: (n, 1) customers; sums: (n, hypotheses) arrays of seen (how many), total, logs and squares (sums of amounts, logs and squared logs). The weights'
        common scale is integrated out exactly; the weights of those to come are one lognormal of the same mean and variance (Fenton and Wilkinson),
        exact for one.
        """
        if more == 0:
            return np.where(sums["seen"] > 0, self._total_density(who, sums["total"]) * sums["total"] * self._scale_free(sums), 1.0)
        return np.where(sums["seen"] > 0, self._with_more(who, sums, more), 1.0)

    def _with_more(self, who, sums, more):
        width = np.log1p(np.expm1(self.noise**2) / more)
        centre = np.log(more) + (self.noise**2 - width) / 2
        precision = sums["seen"] / self.noise**2 + 1 / width
        first, second = sums["logs"] / self.noise**2, sums["squares"] / self.noise**2
        answer = np.zeros(first.shape)
        for totals, weights in zip(self.totals, self.weights, strict=True):
            whole, weight = totals[who], weights[who]
            left = np.maximum(whole - sums["total"], 1e-12)
            rest = np.log(left) - centre
            # Where the total is spent already, the log of what is left makes the density vanish.
            answer += weight * whole / left * np.exp(0.5 * ((first + rest / width) ** 2 / precision - second - rest**2 / width))
        return answer * (2 * np.pi * self.noise**2) ** (-sums["seen"] / 2) / np.sqrt(width * precision)

    def _total_density(self, who, total):
        """Density of the total: normal above `least`, and all that lies below stands on it, up to rounding."""
        above = np.where(total > self.least, normal(total, self.mean[who], self.spread), 0.0)
        return above + self.cut[who] * normal(total, self.least, ROUNDING)

    def _scale_free(self, sums):
        """The integral over the common log scale of the normal densities of the log weights."""
        precision = np.maximum(sums["seen"], 1) / self.noise**2
        spread = (sums["squares"] / self.noise**2) - (sums["logs"] / self.noise**2) ** 2 / precision
        return (2 * np.pi * self.noise**2) ** (-sums["seen"] / 2) * np.sqrt(2 * np.pi / precision) * np.exp(-0.5 * spread)


class Spells:
    """The law of a spell: it begins on one of `days` days, `more` further frauds are expected, `a_day` a day until they are through.

    A spell holds 1 + M frauds, M Poisson; the waits between them are exponential, so each day after its first fraud brings a Poisson number of further
    ones, until there are M.
    """

    def __init__(self, chance, *, more, a_day, days):
        self.chance, self.days = chance, days
        counts = np.arange(40)
        self.exactly = poisson(more, counts)
        self.beyond = 1 - np.cumsum(self.exactly)
        self.daily = poisson(a_day, counts)
        self.at_least = 1 - np.cumsum(self.daily) + self.daily
        self.quiet = np.exp(-a_day)

    def begin(self, shape):
        """Hypotheses of no fraud yet: day of the first fraud (-1), further frauds of the days before, the days' weight while more are to come and with
        the last one through, frauds of today."""
        whole = np.zeros(shape, dtype=np.int64)
        return {"first": whole - 1, "before": whole, "running": np.ones(shape), "through": np.ones(shape), "today": whole}

    def roll(self, state, day, gone):
        """The hypotheses once `day` is over and the days up to one with `gone` days more have passed; nothing where gone is 0."""
        over, started = gone > 0, state["first"] >= 0
        extra = np.where(over & started, state["today"] - (state["first"] == day), 0)
        # The frauds of a day may come in any order.
        orders = FACTORIAL[state["today"]]
        running = state["running"] * orders * self.daily[extra] * self.quiet ** (gone - 1)
        through = np.where(extra == 0, state["through"], state["running"] * orders * self.at_least[extra])
        moved = over & started
        return {"first": state["first"], "before": state["before"] + extra, "running": np.where(moved, running, state["running"]),
                "through": np.where(moved, through, state["through"]), "today": np.where(over, 0, state["today"])}

    def weight(self, state, day, passed):
        """Weight of each hypothesis when the share `passed` of today's frauds would have been seen by now."""
        new = self._seen_today(state | {"before": 0 * state["before"], "running": np.ones(1), "through": np.ones(1)}, passed, first=1)
        old = self._seen_today(state, passed, first=0)
        begun = self.chance / self.days * np.where(state["first"] == day, new, old) * (state["first"] < self.days)
        none_yet = 1 - self.chance + self.chance / self.days * (np.maximum(self.days - 1 - day, 0) + (day < self.days) * new)
        return np.where(state["first"] < 0, none_yet, begun)

    def _seen_today(self, state, passed, *, first):
        """Density of today's frauds seen so far, summed over how many the day holds: `first` (the spell's own first one, 0 or 1) and further ones."""
        answer = np.zeros(state["before"].shape)
        for extra in range(MOST_A_DAY + 1):
            further = state["before"] + extra
            ended = state["through"] if extra == 0 else state["running"] * self.at_least[extra]
            chance = self.beyond[further] * state["running"] * self.daily[extra] + self.exactly[further] * ended
            answer += chance * _to_come(extra + first, state["today"], passed)
        return answer


def _to_come(count, seen, passed):
    """Ways in which `seen` of `count` are the ones seen, times the probability that the others come after the share `passed`."""
    rest = count - seen
    return np.where(rest >= 0, FACTORIAL[count] / FACTORIAL[np.maximum(rest, 0)] * (1 - passed) ** np.maximum(rest, 0), 0.0)


def outflow_number(more_expected, seen, more, left):
    """Weight of `seen` outflows so far and `more` to come in the share `left` of the month, of 1 + a Poisson number of them in all."""
    number = seen + more
    law = np.where(number > 0, poisson(more_expected, np.maximum(number - 1, 0)), 0.0)
    return law * FACTORIAL[number] / FACTORIAL[more] * left**more


def fraud_probability(rows, *, spells, amounts, more_expected):
    """The oracle's probability for each outflow of one month, (n,).

    rows: by customer and time: customer, day (from the month's first, 0), size (the amount in months of turnover), ratio (density of the row as a fraud,
    log amount and clock included, to that as a genuine outflow but for its amount), left (share of the month's genuine outflows yet to come after it) and
    passed (share of its day's frauds that come before it).
    """
    rank = rank_within(rows["customer"])
    answer = np.zeros(len(rank))
    who = np.zeros(0, dtype=np.int64)
    for step in range(rank.max(initial=-1) + 1):
        place = np.flatnonzero(rank == step)
        row = {name: column[place, None] for name, column in rows.items()}
        if step == 0:
            known = _nothing(spells, len(place)) | {"day": row["day"]}
        else:
            kept = np.searchsorted(who, row["customer"][:, 0])
            known = {name: column[kept] for name, column in known.items()}
        who = row["customer"][:, 0]
        known = _split(known, row, spells)
        weight = _weight(known, row, spells, amounts, more_expected)
        half = weight.shape[1] // 2
        answer[place] = weight[:, half:].sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)
        known = _heaviest(known, weight)
    return answer


def _nothing(spells, count):
    return {name: np.zeros((count, 1)) for name in ("total", "logs", "squares")} | {
        "seen": np.zeros((count, 1), dtype=np.int64), "ratio": np.ones((count, 1))} | spells.begin((count, 1))


def _split(known, row, spells):
    """Each hypothesis twice: the new row is genuine, or a fraud; `day` becomes the row's."""
    rolled = known | spells.roll(known, known["day"], row["day"] - known["day"])
    size = np.log(row["size"])
    genuine = {"seen": known["seen"] + 1, "total": known["total"] + row["size"], "logs": known["logs"] + size, "squares": known["squares"] + size**2}
    fraud = {"ratio": known["ratio"] * row["ratio"], "today": rolled["today"] + 1, "first": np.where(rolled["first"] < 0, row["day"], rolled["first"])}
    halves = rolled | genuine, rolled | fraud
    return {name: np.concatenate([half[name] for half in halves], axis=1) for name in known if name != "day"} | {"day": row["day"]}


def _weight(known, row, spells, amounts, more_expected):
    genuine = sum(outflow_number(more_expected, known["seen"], more, row["left"]) * amounts.density(row["customer"], known, more)
                  for more in range(MORE_OUTFLOWS + 1))
    return known["ratio"] * spells.weight(known, row["day"], row["passed"]) * genuine


def _heaviest(known, weight):
    """The HYPOTHESES heaviest of each customer."""
    if weight.shape[1] <= HYPOTHESES:
        return known
    chosen = np.argsort(-weight, axis=1, kind="stable")[:, :HYPOTHESES]
    return {name: column if name == "day" else np.take_along_axis(column, chosen, axis=1) for name, column in known.items()}
