"""Whether this machine's clock can be right: a decision dated before what it rests on, or before an earlier one, would prove nothing."""

from datetime import timedelta

from features.errors import RiskError

# Further apart than this, another machine's clock or ours is wrong.
CLOCK_TOLERANCE = timedelta(minutes=5)
# A book's moment may be midnight of a place ahead of UTC.
BOOK_TOLERANCE = timedelta(days=1)


class ClockBehind(RiskError):
    """Our clock shows a moment before one that has certainly been."""


def refuse_book_ahead(now, as_of):
    """Raise ClockBehind when a book is of a later day than now; both naive UTC."""
    if as_of - now > BOOK_TOLERANCE:
        raise ClockBehind(f"Our clock says {now:%Y-%m-%d %H:%M} UTC and the published book is of {as_of:%Y-%m-%d %H:%M}, which is later: set the clock, or "
                          "publish a book of a day that has been.")


def refuse_ledger_ahead(now, last):
    """Raise ClockBehind when the ledger's last decision (None: there is none) was made after now; both naive UTC."""
    if last is not None and last - now > CLOCK_TOLERANCE:
        raise ClockBehind(f"Our clock says {now:%Y-%m-%d %H:%M} UTC and the ledger's last decision was made at {last:%Y-%m-%d %H:%M}: set the clock; until "
                          "then nothing is recorded.")
