"""The model in use, on the portfolio page and in the committee's pack: drift, the feed, outcomes against the promise, and what is decided about it."""

from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from pipeline.datasets import case_path, read_json
from pipeline.reports.dossier_parts import stated
from pipeline.reports.model_outcomes import outcomes_view, recent_tile
from pipeline.reports.stage_sentences import message_of, retold

# Files below data/<use_case>/ that the stages monitor, performance and decide write.
FILES = {"drift": "monitoring/drift.json", "quality": "monitoring/quality.json", "performance": "performance/performance.json", "retrain": "retrain.json"}
# As many sentences and names as are read; the files hold all of them.
SHOWN = 8


@dataclass(frozen=True)
class Health:
    """What those stages last wrote of a use case, as FILES hold it; None where one has not run."""

    drift: dict | None = None
    quality: dict | None = None
    performance: dict | None = None
    retrain: dict | None = None


def read_health(use_case):
    """The Health of a use case."""
    paths = {name: case_path(use_case, *place.split("/")) for name, place in FILES.items()}
    return Health(**{name: read_json(path) if path.exists() else None for name, path in paths.items()})


def model_health_view(found, words, *, use_case, bundle):
    """What `model_health_part` of the templates shows of a Health: {tiles, drift, feed, outcomes, decided, other}; a part is None where its stage has not run.

    bundle: hash of the one that scored the book; other: whether the outcomes are those of another one.
    """
    outcomes = None if found.performance is None else outcomes_view(found.performance, words, use_case=use_case)
    return {"tiles": _tiles(found, words), "drift": found.drift and _drift(found.drift, words), "feed": found.quality and _feed(found.quality, words),
            "outcomes": outcomes, "decided": found.retrain and _decided(found.retrain, words),
            "other": found.performance is not None and found.performance["bundle"] != bundle}


def _tiles(found, words):
    """The four answers in short, (label, value, note), of the stages that have run."""
    tiles = []
    if found.drift:
        tiles.append((words("health.drift"), words(f"health.drift.{found.drift['verdict']}"),
                      words("health.drift.note", moved=words.count(len(found.drift["reasons"])), columns=words.count(len(found.drift["columns"])))))
    if found.quality:
        faults = found.quality["faults"]
        tiles.append((words("health.feed"), words(f"health.feed.{found.quality['verdict']}"),
                      words("health.feed.note", count=words.count(len(faults))) if faults else ""))
    if found.performance:
        tiles.append(recent_tile(found.performance, words))
    if found.retrain:
        tiles.append((words("health.retrain"), words(f"health.retrain.{found.retrain['action']}"), _waits(found.retrain, words)))
    return tiles


def _waits(retrain, words):
    return words(f"health.wanted.{retrain['wanted']}") if retrain["wanted"] != retrain["action"] else ""


def _drift(drift, words):
    """Sentences of the verdict, with what the comparison cannot show and which columns were left out."""
    said = [_told(each, words) for each in drift["sentences"]]
    if drift["note"]:
        said.append(_told(drift["note"], words))
    names = [_column(name, words) for name in drift["left_out"][:SHOWN]]
    if names:
        more = len(drift["left_out"]) - len(names)
        listed = words("health.left_out", columns=words("health.between").join(names))
        said.append(listed + (words("health.left_out.more", count=words.count(more)) if more else ""))
    return said


def _feed(quality, words):
    """What the verdict on the feed means, the tables that stand still, and the latest faults."""
    known = {name: words.date(_day(quality["tables"][name]["known_to"])) for name in quality["stale"]}
    stale = [words("health.feed.still", table=words.named("table", name), date=day) for name, day in known.items()]
    faults = [_told(each["sentence"], words) for each in quality["faults"]]
    return {"said": words(f"health.feed.{quality['verdict']}.said"), "lines": stale + faults[:SHOWN], "more": max(len(faults) - SHOWN, 0)}


def _decided(retrain, words):
    """The decision, why, what a person should look at, what it should bring, and what waiting costs."""
    said = [words(f"health.retrain.{retrain['action']}.said")]
    said += [words(f"health.wanted.{retrain['wanted']}.said")] if retrain["wanted"] != retrain["action"] else []
    said += [words("health.because.faulty")] if retrain["evidence"]["faults"] else [_worded("health.because", each, words) for each in retrain["reasons"]]
    said += [_worded("health.attention", each, words) for each in retrain["attention"]]
    gain = retrain["gain"]
    # An interval without width was measured on nothing.
    if gain is not None and gain["high"] > gain["low"]:
        ends = {name: words.signed(gain[name], 4 if gain["figure"] == "log_loss" else 3) for name in ("gain", "low", "high")}
        said.append(words(f"health.gain.{retrain['wanted']}", **ends))
    if (waiting := retrain["waiting"]) is not None:
        bad = {name: words.signed(waiting[key], 0) for name, key in (("bad", "unforeseen_bad"), ("low", "low"), ("high", "high"))}
        said.append(words("health.waiting", rows=words.count(waiting["rows"]), auc=words.signed(-waiting["auc_lost"], 3), **bad))
    return said


def _told(sentence, words):
    """A stage's sentence in the page's language, which ends as a sentence does."""
    return _worded("health.sentence", sentence, words)


def _worded(message_id, sentence, words):
    """A stage's sentence within a message, whose own stop is the only one."""
    # In English, too: a reader of these pages knows columns and tables by their names, not by their ids.
    found = message_of(sentence)
    said = stated(words, sentence) if found is None else retold(found, words)
    return Markup(words(message_id)).format(sentence=said[:-1] if said.endswith((".", "。")) else said)


def _column(name, words):
    return words("health.score") if name == "raw_score" else words.feature(name)


def _day(moment):
    return date.fromisoformat(moment[:10])
