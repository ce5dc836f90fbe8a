"""What a customer is called where its name and number must not stand: in logs."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from features.errors import RiskError

VARIABLE = "CUSTOMER_RISK_PSEUDONYM_KEY"
FILE = Path("secrets") / "pseudonym.key"
# Fewer could be tried out, and with them every customer number.
LEAST_CHARACTERS = 32


class Pseudonyms:
    """Keyed hashes: one customer, one pseudonym, which only the holder of the secret can work out. The secret is read, or made, when it is first needed."""

    def __init__(self, var, *, env=os.environ):
        """var: the installation's folder, under which the secret is kept (`secrets/pseudonym.key`, for its owner only) unless the environment has it."""
        self._path, self._given, self._secret = Path(var) / FILE, env.get(VARIABLE), None

    def of(self, subject):
        """The pseudonym of a customer or another subject: `p-` and 16 hex digits.

        Raises: RiskError for a secret that is too short, cannot be read or cannot be made.
        """
        if self._secret is None:
            self._secret = self._load()
        return "p-" + hmac.new(self._secret, str(subject).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]

    def _load(self):
        if self._given:
            return _long_enough(self._given.encode(), VARIABLE)
        try:
            if not self._path.exists():
                _make(self._path)
            return _long_enough(self._path.read_bytes().strip(), self._path)
        except OSError as error:
            raise RiskError(f"The secret of pseudonyms {self._path} cannot be read or made ({error.strerror}); set {VARIABLE} instead.") from error


def _make(path):
    """Write a new secret. Of several processes that make one at once the first wins: a link, unlike a rename, never replaces."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def _long_enough(secret, where):
    if len(secret) < LEAST_CHARACTERS:
        raise RiskError(f"{where} holds {len(secret)} characters: a secret of pseudonyms needs at least {LEAST_CHARACTERS}.")
    return secret
