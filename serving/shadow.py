"""The service's shadow: a bundle on trial scores what the champion answered, on a thread of its own, from a bounded queue.

It never delays an answer beyond putting it into the queue, and never fails one: what does not fit is dropped, what goes wrong is counted. A trial is a pointer
under var, `shadow/<source>-<use_case>.json`, holding nothing but the bundle's hash; the service follows it without stopping.
"""

import json
import logging
import queue
import threading
from pathlib import Path

import numpy as np

from features.errors import RiskError
from models import scoring
from models.bundle import load_bundle
from models.policy import ACTIONS, FRAUD_ACTIONS, decide_book, decide_fraud
from serving.standing import policy_arguments
from serving.trials import Trials

log = logging.getLogger("risk.serving")

# Decisions that wait to be scored: each holds its features, some 20 kB; so many are scored and written at once.
MOST, AT_ONCE = 2000, 100
# How long the service waits at its end for what is being scored.
GRACE_SECONDS = 5


def pointer_of(var, source, use_case):
    """The pointer to the bundle on trial; it is there once there was a trial."""
    return Path(var) / "shadow" / f"{source}-{use_case}.json"


def shadow_of(var, source, use_case):
    """The hash of the bundle on trial by its pointer, or None. Raises: RiskError for a damaged pointer."""
    path = pointer_of(var, source, use_case)
    try:
        return json.loads(path.read_bytes())["bundle"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RiskError(f"{path} cannot be read ({error!r}): run `risk shadow end`.") from error


class Shadow:
    """One for a service; `offer` may be called by any thread."""

    def __init__(self, service):
        """service: serving.service.Service, whose states, ledger, clock and figures it uses."""
        self._service, self._waiting, self._lock = service, queue.Queue(MOST), threading.Lock()
        self._thread, self._bundles = None, {name: _Followed(service.settings.var, service.settings.source, name) for name in service.settings.use_cases}

    def offer(self, decisions):
        """Take the decisions (serving.store.Decision) that were recorded just now and tried beside; the rest of them, and all while nothing is on trial, are
        passed over. Returns at once."""
        for decision in decisions:
            followed = self._bundles.get(decision.use_case)
            if decision.given is None or followed is None or not followed.on_trial(decision.bundle):
                continue
            try:
                self._waiting.put_nowait(decision)
            except queue.Full:
                self._count(decision.use_case, "dropped")
            else:
                self._run()

    def close(self):
        """Let what is being scored come to its end, for GRACE_SECONDS at most; what waits is dropped."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        while not self._waiting.empty():
            try:
                self._count(self._waiting.get_nowait().use_case, "dropped")
            except queue.Empty:
                break
        self._waiting.put(None)
        thread.join(GRACE_SECONDS)

    def _run(self):
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
                self._thread.start()

    def _work(self):
        while (first := self._waiting.get()) is not None:
            found = [first]
            while len(found) < AT_ONCE and not self._waiting.empty():
                found.append(self._waiting.get())
            ended = None in found
            self._try_all([each for each in found if each is not None])
            if ended:
                return

    def _try_all(self, decisions):
        for use_case in dict.fromkeys(each.use_case for each in decisions):
            mine = [each for each in decisions if each.use_case == use_case]
            try:
                scored = self._tried(use_case, mine)
                self._count(use_case, "scored", scored)
                self._count(use_case, "lacking", len(mine) - scored)
            except Exception as error:  # noqa: BLE001 - a trial may fail in any way, and no answer with it
                self._count(use_case, "failed", len(mine))
                log.warning("%s: the bundle on trial could not score %d decisions: %s", use_case, len(mine), error)

    def _tried(self, use_case, decisions):
        """Score and record, and return how many could be: of a decision that has all columns of the bundle among its features."""
        bundle = self._bundles[use_case].bundle()
        fitting = [each for each in decisions if bundle is not None and "published" not in each.given and set(bundle.names) <= set(each.given["features"])]
        if fitting:
            policy = self._service.current[use_case].state().scorer.policy
            rows = said_of(bundle, policy, fitting)
            Trials(self._service.ledger(), source=self._service.settings.source, use_case=use_case).record_scores(rows)
        return len(fitting)

    def _count(self, use_case, outcome, count=1):
        if count:
            self._service.metrics.shadow.labels(use_case, outcome).inc(count)


class _Followed:
    """The bundle on trial of one use case: its pointer is looked at before every use, the bundle loaded when it moved."""

    def __init__(self, var, source, use_case):
        self._var, self._of, self._path = Path(var), (source, use_case), pointer_of(var, source, use_case)
        self._seen, self._hash, self._bundle = None, None, None

    def on_trial(self, champion):
        """Whether there is a bundle on trial that is not the champion itself."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        signature = found.st_mtime_ns, found.st_size, found.st_ino
        if signature != self._seen:
            try:
                self._hash = shadow_of(self._var, *self._of)
            except RiskError as error:
                self._hash = None
                log.warning("%s", error)
            self._seen = signature
        return self._hash not in (None, champion)

    def bundle(self):
        """The Bundle on trial, or None. Raises: RiskError when its folder is gone or holds another one."""
        wanted = self._hash
        if wanted is None:
            return None
        if self._bundle is None or self._bundle.hash != wanted:
            found = load_bundle(self._var / "bundles" / wanted)
            if found.hash != wanted:
                raise RiskError(f"the bundle in {self._var / 'bundles' / wanted} is another one, {found.hash[:12]}; restore that folder.")
            self._bundle = found
        return self._bundle


def said_of(bundle, policy, decisions):
    """Rows for `Trials.record_scores` of decisions whose features hold the bundle's columns. Both sides' action is the policy's alone on the same question and
    standing: a person's override or a state would hide what the models differ in."""
    given = [each.given for each in decisions]
    scores = scoring.score(bundle, scoring.encode_rows([[each["features"][name] for name in bundle.names] for each in given], bundle))
    probabilities, grades = scores.probability.tolist(), scores.grade_names().tolist()
    answers = [each["answer"] for each in given]
    decide = _fraud if bundle.manifest.use_case == "fraud" else _credit
    actions = [decide(policy, grade, probability, given)
               for grade, probability in (([each["grade"] for each in answers], [each["probability"] for each in answers]), (grades, probabilities))]
    return [{"decision_id": each.id, "shadow": bundle.hash, "customer_id": each.customer_id, "champion": each.bundle,
             "champion_probability": answers[place]["probability"], "champion_grade": answers[place]["grade"], "champion_action": actions[0][place],
             "shadow_probability": probabilities[place], "shadow_grade": grades[place], "shadow_action": actions[1][place]}
            for place, each in enumerate(decisions)]


def _credit(policy, grades, probabilities, given):
    standings = [each["standing"] for each in given]
    names = dict.fromkeys(name for standing in standings for name in standing)
    arguments = policy_arguments({name: [standing.get(name) for standing in standings] for name in names})
    asked = {"amount": np.array([each["question"]["requested_amount"] for each in given]), "spent": np.array([each.get("spent", 0) for each in given])}
    decided = decide_book(policy, grade=grades, pd_12m=probabilities, **asked, **arguments)
    return [ACTIONS[place] for place in decided.action.tolist()]


def _fraud(policy, _grades, probabilities, given):
    ahead = np.array([each.get("spent", 0) for each in given])
    return [FRAUD_ACTIONS[place] for place in decide_fraud(policy, probabilities, ahead=ahead).tolist()]
