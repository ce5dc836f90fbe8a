"""The one operational database, as the pipeline opens it."""

import os

from serving.store import Store

DATABASE = "var/risk.db"


def open_store(url=None):
    """The operational database: the given URL, the environment's CUSTOMER_RISK_DATABASE_URL, or `var/risk.db`."""
    return Store(url or os.environ.get("CUSTOMER_RISK_DATABASE_URL") or DATABASE).open()
