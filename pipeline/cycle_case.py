"""One use case's part of a cycle: book, score, monitor, decide; the retraining that follows from it; report and publish."""

from features.errors import RiskError
from models.bundle import bundle_hash
from pipeline.cycle_steps import DONE, FAILED, Outcome, reproduced
from pipeline.datasets import case_path, read_json, replacing
from pipeline.decide import faults
from pipeline.params import load_params
from pipeline.places import training_path
from pipeline.state import read_champion
from serving.cycles import HELD, IMPOSSIBLE, KEPT, PREPARE, PROMOTED

PUBLISHED = "published"
# A decision that asks for a retraining which has to wait for more matured outcomes.
WAITING = "waiting"
# A promotion that the gate lets pass and that waits for somebody or something else.
PENDING = "pending"


def run_case(steps, use_case, *, on_faulty_feed):
    """Do a use case's steps and return how they ended: {"use_case", "outcome", "sentence"}, the outcome published, held or failed.

    A retraining that fails leaves the champion in force, whose scores are published all the same; the outcome is then failed.
    """
    try:
        _refuse_without_champion(use_case)
        for stage in ("book", "score", "monitor"):
            steps.do(stage, lambda stage=stage: reproduced(f"{stage}@{use_case}"), use_case=use_case)
        decided = steps.do("decide", lambda: _decide(use_case), use_case=use_case)
        wrong = faults_of(use_case)
        if wrong:
            steps.do("feed", lambda: Outcome("faulty", _joined(wrong)), use_case=use_case)
        if wrong and on_faulty_feed == "keep_last":
            return _result(use_case, HELD, f"nothing was published: {_joined(wrong)}")
        retrained = Outcome(DONE, f"not retrained: {_joined(wrong)}") if wrong else _retrained(steps, use_case, decided)
        steps.do("report", lambda: reproduced(f"score@{use_case}", f"report@{use_case}"), use_case=use_case)
        published = steps.do("publish", lambda: _publish(use_case), use_case=use_case)
    except RiskError as error:
        return _result(use_case, FAILED, str(error))
    return _result(use_case, FAILED if retrained.outcome == FAILED else PUBLISHED, f"{published.sentence} {retrained.sentence}".strip())


def faults_of(use_case):
    """What is wrong with the feed, in sentences that end without a stop; none when it can be learned from."""
    found = faults(read_json(case_path(use_case, "monitoring", "quality.json")))
    return list(dict.fromkeys(sentence.rstrip(".") for sentence in found))


def _refuse_without_champion(use_case):
    if _champion(use_case) is None:
        raise RiskError(f"{use_case} has no champion yet: run `risk run` once, and look at what it made.")


def _decide(use_case):
    reproduced(f"decide@{use_case}")
    found = read_json(case_path(use_case, "retrain.json"))
    if found["action"] == found["wanted"]:
        return f"{found['action']}: {found['reasons'][0]}"
    cutoff = read_json(case_path(use_case, "development", "maturity.json"))["cutoff"]
    return Outcome(WAITING, f"{found['wanted']} is wanted, {found['action']} is done: {found['reasons'][-1]}.", (use_case, WAITING, found["wanted"], cutoff))


def _retrained(steps, use_case, decided):
    """Carry out what was decided, or what an interrupted run had begun, and return how that ended; a step that fails is an outcome here."""
    begun, wanted = steps.cycles.begun_retraining(use_case), read_json(case_path(use_case, "retrain.json"))
    action = begun.detail["action"] if begun else wanted["action"]
    if action == "none":
        return Outcome(DONE, decided.sentence)
    detail = begun.detail if begun else _begun(use_case, action, wanted["reasons"][0])
    try:
        if begun is None or begun.outcome != DONE:
            prepared = steps.do(PREPARE, lambda: _prepare(use_case, detail), use_case=use_case, detail=detail)
            if prepared.outcome == IMPOSSIBLE:
                return prepared
        trained = steps.do("train", lambda: _train(use_case, detail), use_case=use_case)
        if trained.outcome == IMPOSSIBLE:
            return trained
        return steps.do("promote", lambda: _promote(use_case, detail), use_case=use_case)
    except RiskError as error:
        return Outcome(FAILED, str(error))


def _prepare(use_case, detail):
    from pipeline.retraining import prepare

    # An interrupted preparation may have moved the cutoff already: it begins again from where it began.
    _restore(use_case, detail)
    try:
        return prepare(use_case, detail["action"])
    except RiskError as error:
        _restore(use_case, detail)
        return Outcome(IMPOSSIBLE, f"{detail['action']} was wanted: {error}")


def _train(use_case, detail):
    try:
        reproduced(f"dossier@{use_case}", f"track@{use_case}")
    except RiskError as error:
        # With the new cutoff the report's stages, which need the candidate, would fail every time from now on.
        _restore(use_case, detail)
        return Outcome(IMPOSSIBLE, f"{detail['action']} was wanted, and the training settings are back where they were: {error}")
    return ""


def _promote(use_case, detail):
    from pipeline.promote import promote

    gate, candidate = read_json(case_path(use_case, "gate.json")), bundle_hash(case_path(use_case, "shipped"))
    if candidate == _champion(use_case) == detail["champion"]:
        return Outcome(KEPT, f"{use_case}: the new model is the champion, to the byte.")
    if candidate != _champion(use_case) and gate["verdict"] != "promote":
        failed = [check["detail"] for check in gate["reasons"] if not check["passed"]] or [gate["reasons"][0]["detail"]]
        return Outcome(KEPT, f"{use_case}: the gate kept {gate['bundle'][:12]} out: {_joined(failed)}.")
    said = promote(use_case, actor="risk cycle", reason=f"{detail['action']}: {detail['reason']}")
    # A promotion may first have to be approved by a person: the next run asks again.
    return Outcome(PROMOTED, said) if candidate == _champion(use_case) else Outcome(PENDING, said, (use_case, PENDING, candidate))


def _publish(use_case):
    from pipeline.publish import publish

    return publish(use_case)


def _begun(use_case, action, reason):
    """What a later run needs to carry a retraining on, or to tell how it ended."""
    return {"action": action, "reason": reason, "champion": _champion(use_case), "before": _training(use_case).read_text(encoding="utf-8")}


def _champion(use_case):
    return read_champion(load_params().source.name, use_case)


def _restore(use_case, detail):
    with replacing(_training(use_case)) as beside:
        beside.write_text(detail["before"], encoding="utf-8")


def _training(use_case):
    return training_path(load_params().source.name, use_case)


def _joined(sentences):
    return "; ".join(sentences)


def _result(use_case, outcome, sentence):
    return {"use_case": use_case, "outcome": outcome, "sentence": sentence}
