"""What single features cost: the kernel's own steps with clocks, each step's time divided among the terms that use it, and theirs among their features.

A step is a batch of the plan, a window measure, or what several of them share (the windows' lines, masks and totals, accounts, open items); its time is its
own, without the steps it calls. A shared step is paid by all who asked for it, not by the first. A windowed term weighs as much as its table has rows.
"""

import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from features import compute, panel, windowed, workspace
from features.plan import plan_of
from features.terms import walk

TOP = 10
REST = "rows put in order, answers handed over"
WINDOWS = "windows: laid out by filter"


class Profile:
    """Own seconds by step, the steps that called each, the terms of each, and how much a term weighs."""

    def __init__(self):
        self.own, self.callers, self.terms = defaultdict(float), defaultdict(set), defaultdict(dict)
        self.weight = defaultdict(lambda: 1.0)
        self._stack, self._since = [], 0.0

    @contextmanager
    def step(self, label, terms=()):
        """Time what happens inside as the step's, less what nested steps take."""
        self.terms[label].update(dict.fromkeys(terms))
        if self._stack and self._stack[-1] != label:
            self.callers[label].add(self._stack[-1])
        self._switch()
        self._stack.append(label)
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self):
        now = time.thread_time()
        if self._stack:
            self.own[self._stack[-1]] += now - self._since
        self._since = now

    def users(self, label, seen=()):
        """The terms that a step serves: its own, or those of the steps that called it."""
        if self.terms[label]:
            return list(self.terms[label])
        found = {}
        for caller in self.callers[label]:
            if caller not in seen:
                found.update(dict.fromkeys(self.users(caller, (*seen, label))))
        return list(found)


def profiled(catalogue, chunks, context):
    """The Profile of the kernel over chunks, and the seconds of all of it."""
    profile, plan = Profile(), plan_of(catalogue)
    asked = [term for batch in plan.batches for term in batch.terms]
    begun = time.thread_time()
    with ExitStack() as stack:
        for each in _clocks(profile):
            stack.enter_context(each)
        for records, observations in chunks:
            _weigh(profile, plan, records)
            with profile.step(REST, asked):
                compute.compute(catalogue, records, observations, context=context)
    return profile, time.thread_time() - begun


def costs(catalogue, chunks, context):
    """Shares of the kernel's time: of the dearest features, and of the dearest steps with the number of features that use them."""
    chunks = list(chunks)
    profile, total = profiled(catalogue, chunks, context)
    owners = defaultdict(list)
    for each in catalogue.features:
        for term in dict.fromkeys(walk(each.how)):
            owners[term].append(each.name)
    features, steps = defaultdict(float), []
    for label, seconds in profile.own.items():
        users = profile.users(label)
        weights = [profile.weight[term] for term in users]
        for term, weight in zip(users, weights, strict=True):
            for name in owners[term]:
                features[name] += seconds / total * weight / sum(weights) / len(owners[term])
        steps.append({"name": label, "share": seconds / total, "features": len({name for term in users for name in owners[term]})})
    dearest = sorted(features.items(), key=lambda item: -item[1])[:TOP]
    return {
        "observations": sum(len(each) for _, each in chunks), "chunks": len(chunks), "seconds": total, "steps_timed": len(steps),
        "features": [{"name": name, "share": share} for name, share in dearest], "steps": sorted(steps, key=lambda each: -each["share"])[:TOP],
        "attributed": sum(features.values()),
    }


def _weigh(profile, plan, records):
    """Let windowed terms weigh as their tables' rows, one on average."""
    terms = [term for batch in plan.batches if batch.op == "window" for term in batch.terms]
    # a built table stands for the invoices it was built from
    rows = {term: 1 + len(records.tables.get(term.table, records.tables.get("invoices", {"entity": ()}))["entity"]) for term in terms}
    mean = sum(rows.values()) / max(len(rows), 1)
    for term, count in rows.items():
        profile.weight[term] = count / mean


def _clocks(profile):
    """Patches that put a clock around every step of the kernel."""
    yield patch.dict(compute.LOOKUPS, {op: _lookup(profile, call) for op, call in compute.LOOKUPS.items()})
    yield patch.dict(compute.ARITHMETIC, {op: _arithmetic(profile, op, call) for op, call in compute.ARITHMETIC.items()})
    yield patch.dict(windowed.MEASURES, {name: _measure(profile, call) for name, call in windowed.MEASURES.items()})
    yield patch.object(compute, "fill_windows", _windows(profile, compute.fill_windows))
    yield patch.object(workspace.Workspace, "once", _once(profile, workspace.Workspace.once, _shared_name))
    yield patch.object(panel.Panel, "once", _once(profile, panel.Panel.once, _panel_name))
    for owner, name in ((workspace.Workspace, "book"), (workspace.Workspace, "accounts"), (panel.Panel, "counts"), (panel.Panel, "whole")):
        yield patch.object(owner, name, _kept(profile, owner, name))


def _lookup(profile, call):
    def timed(space, batch, *others):
        with profile.step(" ".join(["lookup:", batch.op, *({term.table for term in batch.terms} if batch.op == "last" else ())]), batch.terms):
            call(space, batch, *others)

    return timed


def _arithmetic(profile, op, call):
    def timed(terms, *others):
        with profile.step(f"arithmetic: {op}", terms):
            call(terms, *others)

    return timed


def _measure(profile, call):
    def timed(panel, group, out):
        with profile.step(f"window measure: {group.measure}", group.terms):
            call(panel, group, out)

    return timed


def _windows(profile, call):
    def timed(plan, *others, **named):
        with profile.step(WINDOWS, [term for _, term in plan.terms]):
            call(plan, *others, **named)

    return timed


def _once(profile, call, name):
    """What is worked out once: every asker is noted, also of what is there already."""

    def timed(self, key, *others):
        with profile.step(name(key)):
            return call(self, key, *others)

    return timed


def _shared_name(key):
    return "shared: " + " ".join(_word(each) for each in (key if isinstance(key, tuple) else (key,)))


def _panel_name(key):
    """Of a panel's key its first word: what follows says which filters."""
    return "windows, shared: " + (key if isinstance(key, str) else str(key[0]))


def _word(part):
    return f"{part.column} {part.test} {part.value}" if hasattr(part, "test") else str(part)


def _kept(profile, owner, name):
    """A cached property that notes its askers: the descriptor has a setter, so that the instance's own dict does not go before it."""
    build = getattr(owner, name).func

    def kept(self):
        with profile.step(f"{'windows, shared' if owner is panel.Panel else 'shared'}: {name}"):
            if name not in self.__dict__:
                self.__dict__[name] = build(self)
            return self.__dict__[name]

    return property(kept, lambda self, value: self.__dict__.__setitem__(name, value))


def lines(found, whole_run):
    """The dearest features and steps, one line each; `whole_run` is the seconds of all computing."""
    yield f"  dearest features (of {found['observations']:,} observations; seconds of the whole run's {whole_run:.1f} s of computing)"
    for each in found["features"]:
        yield f"    {each['name']:52}{each['share'] * whole_run:9.2f} s{each['share']:8.2%}"
    yield "  dearest steps"
    for each in found["steps"]:
        yield f"    {each['name'][:52]:52}{each['share'] * whole_run:9.2f} s{each['share']:8.2%}   for {each['features']} features"
