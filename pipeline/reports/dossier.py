"""The dossier of a model: what the stages left about it, and its sections in the order in which a validator asks."""

from dataclasses import dataclass, field
from datetime import date

from models.bundle import MANIFEST_FILE, bundle_hash
from models.horizon import horizon_of
from pipeline.datasets import INGEST, case_path, read_json
from pipeline.frames import read_observations
from pipeline.reports.dossier_data import columns, data, features, samples, target
from pipeline.reports.dossier_limits import limits
from pipeline.reports.dossier_method import calibration_method, drivers, method
from pipeline.reports.dossier_parts import span
from pipeline.reports.dossier_promotions import promotions
from pipeline.reports.dossier_purpose import identity, monitoring, purpose, verdict
from pipeline.reports.dossier_tests import calibration, ranking, stability
from pipeline.reports.dossier_use import challengers, fairness, usefulness
from pipeline.reports.dossier_validation import learning, sensitivity, where

SECTIONS = (purpose, identity, verdict, data, target, samples, features, method, drivers, calibration_method, ranking, calibration, stability, where,
            challengers, usefulness, fairness, sensitivity, learning, limits, monitoring, promotions, columns)


@dataclass(frozen=True)
class Artefacts:
    """What the stages left about one model of one use case; None stands for what no stage wrote.

    about: ingest.json; maturity, catalogue, leaks: of development/; observations: a frame of customer_id, as_of, target, status and sample, one row
    per observation; model: model.json of the validated bundle and `bundle` its hash; shipped: model.json of what scores, `shipped_hash` its hash;
    evaluation: full.json; importance, dependence, interactions, check: of explanation/; gate, challengers, validation: as their stages wrote them; policy:
    `models.policy.Policy`; params: the parameters; hashes: DVC's by path; promotions: entries of the
    promotion ledger (serving.store.Promotion), for a dossier that is kept.
    """

    use_case: str
    about: dict
    maturity: dict
    model: dict
    bundle: str
    policy: object
    params: object
    hashes: dict = field(default_factory=dict)
    observations: object = None
    catalogue: dict | None = None
    leaks: dict | None = None
    shipped: dict | None = None
    shipped_hash: str = ""
    evaluation: dict | None = None
    importance: dict | None = None
    dependence: list | None = None
    interactions: dict | None = None
    check: dict | None = None
    gate: dict | None = None
    challengers: dict | None = None
    validation: dict | None = None
    promotions: tuple | None = None

    @property
    def as_of(self):
        """The training cutoff: nothing known later made the model."""
        return date.fromisoformat(self.maturity["cutoff"][:10])

    @property
    def horizon(self):
        """How far the probability looks ahead, (count, "m" or "d"); None for a transaction's."""
        return horizon_of(self.model["probability_name"])

    @property
    def policy_hash(self):
        """Hash of the policy in force."""
        return self.policy.hash

    @property
    def training(self):
        """The bundle's own account of how it was made."""
        return self.model["training"]


def read_artefacts(use_case, *, policy, params, hashes, promotions=None):
    """Read what the stages left. Raises: RiskError when the feed's account, the maturity ledger or the model is missing, or a file is damaged."""
    model, shipped, development = (case_path(use_case, name) for name in ("model", "shipped", "development"))
    wanted = {"catalogue": development / "catalogue.json", "leaks": development / "leaks.json", "shipped": shipped / MANIFEST_FILE,
              "evaluation": case_path(use_case, "evaluation", "full.json"), "importance": case_path(use_case, "explanation", "importance.json"),
              **{name: case_path(use_case, "explanation", f"{name}.json") for name in ("dependence", "interactions", "check")},
              "gate": case_path(use_case, "gate.json"),
              "challengers": case_path(use_case, "challengers", "challengers.json"),
              "validation": case_path(use_case, "validation", "validation.json")}
    found = {name: read_json(path) for name, path in wanted.items() if path.exists()}
    return Artefacts(
        use_case=use_case, about=read_json(INGEST), maturity=read_json(development / "maturity.json"), model=read_json(model / MANIFEST_FILE),
        bundle=bundle_hash(model), shipped_hash=bundle_hash(shipped) if "shipped" in found else "", observations=_observations(use_case),
        policy=policy, params=params, hashes=hashes, promotions=promotions, **found)


def dossier_view(made, words):
    """Everything the page shows, in one language: title, the figures asked for first, the tests that need a look as (section's number, its key, test), and
    the sections for which there is something to say, numbered."""
    sections = list(enumerate((each for each in (build(made, words) for build in SECTIONS) if each is not None), start=1))
    done = [(number, each.key, test) for number, each in sections for test in each.tests]
    look = [line for line in done if line[2].good is False]
    return {"title": words(f"dossier.title.{made.use_case}"), "sections": sections, "look": look, "tiles": _tiles(made, words, done, look)}


def _tiles(made, words, done, look):
    """(label, figure, note) of what is asked for first."""
    full, gate = made.evaluation, made.gate
    shown = []
    if full is not None:
        ranks, truth = full["discrimination"], full["probability"]
        shown += [("Gini", words.number(ranks["gini"], 3), span(words, ranks["gini_low"], ranks["gini_high"])),
                  (words("tile.level"), words.percent(truth["mean"], 2), words("tile.level.note", observed=words.percent(truth["observed"], 2)))]
    if gate is not None:
        shown.append((words("section.gate"), words("passed" if gate["verdict"] == "promote" else "failed"), ""))
    judged = sum(test.good is not None for _, _, test in done)
    return [*shown, (words("tile.tests"), words.count(judged - len(look)), words("tile.tests.note", judged=words.count(judged)))] if judged else shown


def _observations(use_case):
    if not case_path(use_case, "development", "samples.parquet").exists():
        return None
    return read_observations(use_case, ["customer_id", "as_of", "target", "status"])
