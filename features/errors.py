"""The one family of errors that a user's input can cause."""


class RiskError(Exception):
    """Something the user can put right: the message names table, column, rows, rule and remedy in one sentence."""
