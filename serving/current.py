"""What answers now: the champion's bundle on the publication in force, reloaded when either pointer under var/ moves, without stopping."""

import json
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from features.errors import RiskError
from models.bundle import load_bundle
from serving.last_good import LastGood
from serving.published import POINTER, Published, folder_of
from serving.scorer import Scorer

log = logging.getLogger("risk.serving")

# A pointer that could not be followed (a folder still being copied) is tried again after this many seconds.
RETRY_SECONDS = 5.0


class NothingToServe(RiskError):
    """There is no publication or no bundle to answer with: the sentence names the cause."""


@dataclass(frozen=True)
class State:
    """One consistent set to answer with; `faults` says why it is not what the pointers ask for, empty when it is."""

    scorer: Scorer
    published: Published
    faults: tuple = ()


class Current:
    """Watches the pointers of one source and use case; `state` costs two looks at files while nothing moves."""

    def __init__(self, var, *, source, use_case, clock=time.monotonic):
        self._var, self._source, self._use_case, self._clock = Path(var), source, use_case, clock
        self._paths = (folder_of(var, source, use_case) / POINTER, Path(var) / "champion" / f"{source}-{use_case}.json")
        self._lock = threading.Lock()
        self._seen, self._state, self._retry_at = None, None, None

    def state(self):
        """The State to answer with; the last good one, with its faults named, when the pointers lead nowhere. Where no bundle of the publication in force can
        be loaded and none was, its scorer is a LastGood.

        Raises NothingToServe when there never was a good one.
        """
        signature = tuple(_signature(path) for path in self._paths)
        if self._stale(signature) and self._lock.acquire(blocking=self._state is None):
            try:
                self._reload(signature)
            finally:
                self._lock.release()
        state = self._state
        if state.scorer is None:
            raise NothingToServe(state.faults[0])
        return state

    def pointer_ages(self):
        """Seconds since each pointer last moved, {publication, champion: seconds}, without one that is not there."""
        found = zip(("publication", "champion"), map(_signature, self._paths), strict=True)
        return {name: max(0.0, time.time() - signature[0] / 1e9) for name, signature in found if signature}

    def _stale(self, signature):
        return signature != self._seen or (self._retry_at is not None and self._clock() >= self._retry_at)

    def _reload(self, signature):
        # Another thread may have reloaded while this one waited for the lock.
        if not self._stale(signature):
            return
        found, before = self._found(), self._state
        # What answered before is better than less: a bundle in memory than the book's scores, and those than nothing.
        self._state = found if before is None or _worth(found) >= _worth(before) else State(before.scorer, before.published, found.faults)
        for fault in self._state.faults:
            log.warning("%s, %s: %s", self._source, self._use_case, fault)
        self._retry_at = self._clock() + RETRY_SECONDS if self._state.faults else None
        self._seen = signature

    def _found(self):
        try:
            return self._load()
        except RiskError as error:
            return State(None, None, (str(error),))

    def _load(self):
        published = Published.open(self._var, self._source, self._use_case)
        promised = published.manifest["bundle"]
        champion, faults = _champion(self._paths[1]) or promised, ()
        for bundle in dict.fromkeys((champion, promised)):
            try:
                return State(self._scorer(published, bundle), published, faults)
            except RiskError as error:
                faults += (f"The {'champion' if bundle == champion else 'bundle of the publication'} {bundle[:12]} cannot answer ({error}).",)
        told = f"No bundle answers: the score told is the one published with the book of {published.as_of}."
        return State(LastGood(published, cause=faults[-1]), published, (*faults, told))

    def _scorer(self, published, bundle_hash):
        return scorer_of(self._var, bundle_hash, published)


def _worth(state):
    return 0 if state.scorer is None else 1 + state.scorer.whole


def scorer_of(var, bundle_hash, published, *, policy=None, catalogue=None):
    """The Scorer of a bundle under `var` on a publication (Published or Kept), and on another policy or catalogue than its own where one is given.

    Raises RiskError when the bundle or a part is damaged, or is not the one its place says.
    """
    folder = Path(var) / "bundles" / bundle_hash
    bundle = load_bundle(folder)
    if bundle.hash != bundle_hash:
        raise RiskError(f"The bundle in {folder} is another one, {bundle.hash[:12]}; restore that folder.")
    hashes = {"context": published.manifest["context"], "publication": published.hash}
    parts = {"catalogue": catalogue or published.catalogue(), "context": published.context(), "policy": policy or published.policy()}
    return Scorer(bundle, **parts, columns=published.columns(), hashes=hashes)


def _signature(path):
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _champion(path):
    """Hash the champion pointer names, or None where there is no champion yet."""
    try:
        return json.loads(path.read_bytes())["bundle"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RiskError(f"{path} cannot be read ({error!r}); run `risk promote` or `risk rollback`.") from error
