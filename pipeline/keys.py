"""`risk keys`: keys made, listed and revoked in the service's database; only the serving extra is needed."""

from serving.keys import Keys
from serving.settings import database_of
from serving.store import Store


def add_key(name, scopes, *, expires, database):
    """Make a key and return (a sentence about it, what its holder sends). Raises: RiskError as `serving.keys.Keys.add`."""
    with _opened(database) as store:
        key, token = Keys(store).add(name, scopes, expires_on=expires)
    return f"{_line(key)}\nIts holder sends it as 'Authorization: Bearer …'. It is shown this once and kept nowhere:", token


def list_keys(*, database):
    """A line a key, the oldest first."""
    with _opened(database) as store:
        return "\n".join(_line(key, store.now().date()) for key in Keys(store).all()) or "there is no key: the service answers this machine only."


def revoke_key(key_id, *, database):
    """End a key and return a sentence about it. Raises: RiskError as `serving.keys.Keys.revoke`."""
    with _opened(database) as store:
        key = Keys(store).revoke(key_id)
    return f"{_line(key, key.revoked_at.date())}: within a second no worker answers it any more."


def _opened(database):
    return Store(database_of(database)).open()


def _line(key, today=None):
    until = "without an end" if key.expires_on is None else f"until {key.expires_on}"
    refused = key.refused(today) if today else None
    return f"key {key.id} of {key.name}, for {', '.join(key.scopes)}, made on {key.created_at.date()}, {refused or until}"
