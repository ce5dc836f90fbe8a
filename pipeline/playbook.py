"""`risk playbook`: emergency playbooks started, practised and worked through step by step."""


from features.errors import RiskError
from models.life_cycle import load_life_cycle
from pipeline.customers import LIFE_CYCLE, keep_rules, start_for
from pipeline.params import load_params
from pipeline.promote import open_store
from serving.life_cycle import LifeCycleLedger, Start, require_person


def list_lines(run=None):
    """The playbooks and the runs of them that are open, or one run's steps with what is late; as lines. Raises: RiskError for an unknown run."""
    rules = load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        found, now = _ledger(store).runs(run=run), store.now()
    if run is not None:
        if not found:
            raise RiskError(f"there is no playbook run {run}: `risk playbook list` shows the runs.")
        return run_lines(found[0], now)
    lines = [f"{each.name}: {len(each.steps)} steps within {each.steps[-1].within_hours} hours; starts at {each.state} for {', '.join(each.triggers)}"
             for each in rules.spec.playbooks]
    return lines + [_open_line(one, now) for one in found if one.open]


def start(name, customer, *, actor, note, as_of=None):
    """Start a playbook for a customer and return its steps as lines; a customer in a softer state is moved to the playbook's."""
    require_person(actor, note)
    rules = load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        keep_rules(store, rules)
        return run_lines(start_for(_ledger(store), rules, _named(rules, name), customer, actor=actor, note=note, as_of=as_of), store.now())


def drill(name, *, actor, note, customer=None):
    """Start a drill of a playbook and return its steps as lines: recorded like any run, and no customer is moved by it."""
    require_person(actor, note)
    rules = load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        keep_rules(store, rules)
        (run,) = _ledger(store).record(rules, [], [Start(_named(rules, name).name, customer, actor=actor, note=note, drill=True)])
        return run_lines(run, store.now())


def done(run, step, *, actor, note=""):
    """Record that a step was done now and return the run as lines."""
    require_person(actor, note or "done")
    rules = load_life_cycle(LIFE_CYCLE)
    with open_store() as store:
        return run_lines(_ledger(store).do_step(rules, run, step, actor=actor, note=note), store.now())


def run_lines(run, now):
    """A run as lines: its steps in order, and what was or would have been late."""
    steps = run.standings(now)
    kind = "drill" if run.drill else "run"
    whom = f" for {run.customer_id}" if run.customer_id else ""
    lines = [f"{kind} {run.run} of {run.playbook}{whom}, started {_moment(run.started_at)} UTC by {run.actor}"]
    for number, step in enumerate(steps, 1):
        state = f"done {_moment(step.done_at)} by {run.by[step.name]}" if step.done_at else "open"
        lines.append(f"  {number}. {step.name}, {step.department}, by {_moment(step.due_at)}: {state}{', late' if step.late else ''}")
    late = [step.name for step in steps if step.late]
    if run.drill:
        return [*lines, f"would have been late: {', '.join(late) or 'nothing'}" + ("" if not run.open else ", so far")]
    return [*lines, f"late: {', '.join(late)}"] if late else lines


def _open_line(run, now):
    step = next(each for each in run.standings(now) if each.done_at is None)
    kind = "drill" if run.drill else "run"
    return f"{kind} {run.run} of {run.playbook}, {run.customer_id or 'nobody'}: {step.name}, {step.department}, by {_moment(step.due_at)} UTC" + (
        ", late" if step.late else "")


def _named(rules, name):
    found = next((each for each in rules.spec.playbooks if each.name == name), None)
    if found is None:
        raise RiskError(f"there is no playbook {name}: {LIFE_CYCLE} has {', '.join(each.name for each in rules.spec.playbooks) or 'none'}.")
    return found


def _ledger(store):
    return LifeCycleLedger(store, load_params().source.name)


def _moment(moment):
    return f"{moment:%Y-%m-%d %H:%M}"
