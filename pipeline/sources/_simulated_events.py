"""Complaints, disputes, lawsuits and inquiries of the simulated customers, and the published figures of their economy."""

import numpy as np

from pipeline.sources._simulated_state import DISPUTE_RATE, LAWSUIT_COUNTS, LAWSUIT_RATE
from pipeline.sources._simulated_trade import moments
from pipeline.sources._simulated_world import BLOCK, DAY, HOUR, INDUSTRIES, NULL, Purpose, rank_within, stream, take

COMPLAINT, DISPUTE, LAWSUIT, INQUIRY = range(4)
# A month; complaints and inquiries come and go without bearing on default.
RATES = np.array([0.06, DISPUTE_RATE, LAWSUIT_RATE, 0.05])
SEVERITY = np.array([0.3, 0.5, 0.7, 0.2])
SOURCES, CONFIDENCE = np.array([0, 0, 1, 2]), np.array([0.8, 0.9, 1.0, 1.0])
PUBLISHED_AFTER = 20 * DAY


class Events:
    """The events of one block, numbered by customer."""

    def __init__(self, seed, block, profile):
        self.seed, self.block, self.profile = seed, block, profile
        self.count = np.zeros(BLOCK, dtype=np.int64)

    def happen(self, month, span, not_before):
        """Rows of the month, known within two days and not before `not_before`, and the weighted disputes and lawsuits by customer."""
        rng = stream(self.seed, self.block, month, Purpose.EVENT)
        number = rng.poisson(RATES, (BLOCK, len(RATES)))
        customer, kind = np.repeat(np.repeat(np.arange(BLOCK), 4), number.ravel()), np.repeat(np.tile(np.arange(4), BLOCK), number.ravel())
        n = len(customer)
        at = moments(rng, n, span.start, span.end)
        claim = np.round(self.profile.ticket[customer] * np.exp(0.8 * rng.standard_normal(n)) * 100).astype(np.int64) + 100
        known_at = np.maximum(at + rng.integers(0, 48, n) * HOUR, not_before)
        rows = {"customer": customer, "kind": kind, "occurred_at": at, "known_at": known_at,
                "amount": np.where((kind == DISPUTE) | (kind == LAWSUIT), claim, NULL),
                "severity": 1.0 + rng.binomial(4, SEVERITY[kind]), "source": SOURCES[kind], "confidence": CONFIDENCE[kind]}
        rows = take(rows, np.flatnonzero(span.within(customer, at)))
        return self._numbered(rows), _weights(rows)

    def _numbered(self, rows):
        customer = rows["customer"]
        number = self.count[customer] + rank_within(customer)
        self.count = self.count + np.bincount(customer, minlength=BLOCK)
        return rows | {"event_id": (self.block * BLOCK + customer + 1) * 1_000 + number}


def _weights(rows):
    weight = np.where(rows["kind"] == LAWSUIT, LAWSUIT_COUNTS, np.where(rows["kind"] == DISPUTE, 1.0, 0.0))
    return np.bincount(rows["customer"], weights=weight, minlength=BLOCK)


def published(economy, calendar, not_before):
    """Business climate and industry indices of the economy's month: 100 plus ten times the state, known some twenty days later."""
    n = 1 + len(INDUSTRIES)
    end = calendar.period_end(economy.month)
    return {"name": np.minimum(np.arange(n), 1), "industry": np.arange(n) - 1, "period_end": np.full(n, end),
            "known_at": np.full(n, max(end + PUBLISHED_AFTER, not_before)), "value": 100 + 10 * np.append(economy.climate, economy.index),
            "unit": np.zeros(n, dtype=np.int64)}
