"""Reads `params.yaml` into typed values, and refuses what it does not know."""

import datetime
import difflib
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from features.errors import RiskError
from models.own_scale import checked_cuts
from pipeline.datasets import replacing

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Days = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Value = TypeVar("Value")
Range = Annotated[list[Value], msgspec.Meta(min_length=2, max_length=2)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the file: a key it does not declare is an error."""


class SourceParams(_Strict):
    """Which source feeds the run: its name, its definition (simulator or folder of SQL) and the files it reads."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]+$")]
    definition: str
    path: str


class SimulatedParams(_Strict):
    """The simulated portfolio; see docs/simulated.md."""

    customers: Count
    first_month: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
    months: Count
    seed: int
    scenario: Literal["calm", "recession", "covariate_shift", "calibration_shift", "concept_drift", "new_default", "broken_feed", "fraud_wave"]
    scenario_month: Annotated[int, msgspec.Meta(ge=0)]
    scenario_size: float | None
    reference_draws: Annotated[int, msgspec.Meta(ge=200)]
    reference_every_months: Count


class IngestParams(_Strict):
    """How much may be rejected, how many rejects are kept, and what DuckDB may use."""

    max_reject_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    probe_rows: Count
    max_probe_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    rejects_per_rule: Count
    memory_limit: str
    threads: Count


class PastDueParams(_Strict):
    """Default by days past due; see `models.past_due.Rules`."""

    days_past_due: Count
    counted: Literal["invoice", "customer"]
    material_amount: Annotated[int, msgspec.Meta(ge=0)]
    material_share: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    cure_days: Count
    grey_from: Count | None


class ObserveDefaultParams(_Strict):
    """Who is observed on which dates, how far the default target looks ahead, and what a default is."""

    every_months: Count
    warm_up_months: Annotated[int, msgspec.Meta(ge=0)]
    active_days: Count
    horizon_days: Count
    reporting_lag_days: Days
    definition: Literal["event", "days_past_due", "either"]
    past_due: PastDueParams


class ObserveFraudParams(_Strict):
    """Which transactions are observed, and when a fraud among them is known."""

    history_days: Count
    horizon_days: Count
    reporting_lag_days: Days
    compromised_days: Count | None


class ObserveParams(_Strict):
    """Observation rules of each use case."""

    default: ObserveDefaultParams
    fraud: ObserveFraudParams


class FeaturizeParams(_Strict):
    """Which statements are read, and chunking and threads of the batch feeder."""

    preferred_basis: Literal["separate", "consolidated"]
    chunk_customers: Count
    threads: Count


class SampleCaseParams(_Strict):
    """Split by time with an embargo, and by customers within what remains."""

    out_of_time_days: Count
    embargo_days: Days
    validation_share: Share
    calibration_share: Share
    customers: Literal["shared", "apart"]
    seed: int


class SampleParams(_Strict):
    """Split rules of each use case, and the round of a source's protocol that is judged."""

    round: Annotated[int, msgspec.Meta(ge=0)]
    default: SampleCaseParams
    fraud: SampleCaseParams


class LeakParams(_Strict):
    """The screen of the user's own columns; see `models.leaks.Limits`."""

    max_auc: Annotated[float, msgspec.Meta(gt=0.5, le=1)]
    max_presence_auc: Annotated[float, msgspec.Meta(gt=0.5, le=1)]
    one_sided_share: Share
    one_sided_odds: Annotated[float, msgspec.Meta(gt=1)]
    one_sided_covered: Share
    good_odds: Annotated[float, msgspec.Meta(gt=1)]
    after_days: Count
    change_gap: Share
    chance: Share
    drop: bool


class TrainParams(_Strict):
    """LightGBM's settings; None leaves the choice to the size of the sample."""

    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] | None
    num_leaves: Annotated[int, msgspec.Meta(ge=2)] | None
    min_child_samples: Count | None
    max_trees: Count
    early_stopping_rounds: Count
    subsample: Annotated[float, msgspec.Meta(gt=0, le=1)]
    colsample: Annotated[float, msgspec.Meta(gt=0, le=1)] | None
    l2: Annotated[float, msgspec.Meta(ge=0)] | None
    extra_trees: bool | None
    max_bin: Annotated[int, msgspec.Meta(ge=2)]
    monotone: bool
    refit: Literal["none", "validation", "all"] | None
    reject_inference: Literal["none", "parcelling", "fuzzy"]
    reject_prudence: Annotated[float, msgspec.Meta(ge=1)]
    seed: int
    threads: Count


class SpaceParams(_Strict):
    """Where `risk tune` looks: [low, high] of each setting, and the values of extra_trees. Low and high alike hold a setting."""

    learning_rate: Range[Annotated[float, msgspec.Meta(gt=0, le=1)]]
    num_leaves: Range[Annotated[int, msgspec.Meta(ge=2)]]
    min_child_samples: Range[Count]
    subsample: Range[Annotated[float, msgspec.Meta(gt=0, le=1)]]
    colsample: Range[Annotated[float, msgspec.Meta(gt=0, le=1)]]
    l2: Range[Positive]
    extra_trees: Annotated[list[bool], msgspec.Meta(min_length=1, max_length=2)]

    def __post_init__(self):
        for name in self.__struct_fields__:
            low, high = getattr(self, name)[0], getattr(self, name)[-1]
            if low > high and name != "extra_trees":
                raise ValueError(f"the range of {name} is upside down, from {low} to {high}: write the lower end first")


class TuneParams(_Strict):
    """The search of `risk tune`; see `models.tuning.Rules` and docs/tuning.md."""

    trials: Count
    minutes: Positive
    folds: Annotated[int, msgspec.Meta(ge=2)]
    fold_bad: Count
    first_share: Share
    period_months: Count
    period_bad: Count
    spread_weight: Annotated[float, msgspec.Meta(ge=0)]
    startup_trials: Count
    seed: int
    space: SpaceParams


class CalibrateParams(_Strict):
    """How raw scores become probabilities."""

    method: Literal["auto", "logistic", "beta", "isotonic", "none"]
    prior_rate: Share | None
    recent_share: Share
    interval: Share


class ScaleParams(_Strict):
    """Points and grades."""

    base_points: Positive
    base_odds: Positive
    points_to_double: Positive
    grade_shares: Annotated[list[Share], msgspec.Meta(min_length=5, max_length=5)]
    split_min_defaults: Positive
    cuts: list[float] | None
    names: list[str] | None


class ChallengeParams(_Strict):
    """What the scorecard beside the trees may hold; see `models.scorecard.Limits`."""

    candidates: Count
    characteristics: Count
    min_share: Annotated[float, msgspec.Meta(gt=0, le=0.5)]
    min_bad: Count
    min_information: Annotated[float, msgspec.Meta(ge=0)]
    max_correlation: Annotated[float, msgspec.Meta(gt=0, le=1)]
    min_z: Annotated[float, msgspec.Meta(ge=0)]


class EvaluateParams(_Strict):
    """Intervals of the evaluation."""

    bootstrap_rounds: Count
    asset_correlation: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    reviewers_capacity: Count
    seed: int


class ShipParams(_Strict):
    """What is shipped of a validated bundle."""

    refit_on: Literal["nothing", "all_matured"]


class ExplainParams(_Strict):
    """Rows and columns of the global explanation."""

    rows: Count
    dependence_top: Count
    repeats: Count
    interaction_rows: Count
    interaction_columns: Count
    check_rows: Count
    seed: int


class ValidateCaseParams(_Strict):
    """What an outcome costs, and which grades are granted what was asked."""

    amount: str
    margin: Annotated[float, msgspec.Meta(ge=0)]
    loss_given_default: Annotated[float, msgspec.Meta(gt=0)]
    review_cost: Annotated[float, msgspec.Meta(ge=0)]
    accepted_grades: Annotated[list[Literal["A", "B", "C", "D", "E"]], msgspec.Meta(min_length=1, max_length=4)]


class ValidateParams(_Strict):
    """Segments, costs, groups and effort of the validation beyond evaluate."""

    segments: Literal["auto"] | list[str]
    fairness: Literal["auto"] | list[str]
    fewest_bad: Count
    false_discovery_rate: Share
    weak_columns: Count
    noise: Annotated[list[Positive], msgspec.Meta(min_length=1)]
    learning_draws: Count
    learning_trees: Count
    learning_rows: Count
    rows: Count
    repeats: Count
    default: ValidateCaseParams
    fraud: ValidateCaseParams
    seed: int


class GateParams(_Strict):
    """What a challenger must hold against the champion; see `models.gate.Margins`."""

    auc_margin: Annotated[float, msgspec.Meta(ge=0)]
    auc_least: Share
    slope_low: Positive
    slope_high: Positive
    offset_max: Positive
    ece_margin: Annotated[float, msgspec.Meta(ge=0)]
    violations_max: Annotated[float, msgspec.Meta(ge=0, le=1)]
    fairness_margin: Annotated[float, msgspec.Meta(ge=0)]
    grades_moved_max: Annotated[float, msgspec.Meta(ge=0, le=1)]
    approvals_max: Annotated[float, msgspec.Meta(ge=0, le=1)]
    loss_rise_max: Annotated[float, msgspec.Meta(ge=0)]


class PromoteParams(_Strict):
    """Who must agree to a promotion, how long a candidate is tried beside the champion, and how slow it may be."""

    four_eyes: bool
    shadow_days: Days
    milliseconds_max: Positive


class BookParams(_Strict):
    """Whom the book holds."""

    as_of: Annotated[str, msgspec.Meta(pattern=r"^(latest|\d{4}-\d{2}-\d{2})$")]
    fraud_days: Count


class ScoreParams(_Strict):
    """Whose sub-scores and reasons are kept with the scores."""

    reasons: Literal["watched", "all"]
    whole_up_to: Annotated[int, msgspec.Meta(ge=0)]


class PublishParams(_Strict):
    """How old the service may find what was published."""

    stale_days: Count


class ReportParams(_Strict):
    """How many officer reports; -1 is the whole book."""

    customers: Annotated[int, msgspec.Meta(ge=-1)]


class FeedParams(_Strict):
    """When a month of the tables is faulty; see `models.data_quality.FeedRules`."""

    judged_months: Count
    history_months: Count
    volume_low: Share
    volume_high: Annotated[float, msgspec.Meta(gt=1)]
    paid_low: Share
    slip_share: Share
    step: Annotated[float, msgspec.Meta(gt=1)]
    repeated_share: Share
    missing_rise: Share
    error_share: Share


class MonitorParams(_Strict):
    """Drift against its own sampling noise, and the feed against its own history."""

    bins: Annotated[int, msgspec.Meta(ge=2)]
    false_discovery_rate: Share
    min_effect: Positive
    severe_effect: Positive
    min_missing: Share
    severe_missing: Share
    least_weight: Share
    severe_weight: Share
    evidently_rows: Count
    evidently_columns: Count
    feed: FeedParams
    seed: int


class PerformanceParams(_Strict):
    """How matured cohorts are judged; see `models.performance.Rules`."""

    cohort_months: Count
    window_bad: Count
    window_cohorts: Count
    asset_correlation: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    draws: Annotated[int, msgspec.Meta(ge=100)]
    seed: int


class DecideParams(_Strict):
    """Thresholds of the retrain decision; see `models.retrain.Thresholds`."""

    bad_to_recalibrate: Count
    bad_to_refit: Count
    chance: Share
    auc_loss: Positive
    auc_loss_rebuild: Positive
    offset: Positive
    offset_beyond: Positive
    slope: Positive
    oldest_days: Days


class CycleParams(_Strict):
    """The scheduled job: its period, what a faulty feed means, and how it tells."""

    period: Literal["day", "week", "month"]
    on_faulty_feed: Literal["keep_last", "publish"]
    languages: Annotated[list[Literal["en", "zh"]], msgspec.Meta(min_length=1)]
    webhook_timeout_seconds: Positive
    webhook_patience_seconds: Annotated[float, msgspec.Meta(ge=0)]
    webhook_give_up_hours: Positive


class Params(_Strict):
    """All of `params.yaml`."""

    source: SourceParams
    use_cases: list[Literal["default", "fraud"]]
    simulated: SimulatedParams
    ingest: IngestParams
    observe: ObserveParams
    featurize: FeaturizeParams
    sample: SampleParams
    leaks: LeakParams
    train: TrainParams
    tune: TuneParams
    calibrate: CalibrateParams
    scale: ScaleParams
    evaluate: EvaluateParams
    ship: ShipParams
    challenge: ChallengeParams
    explain: ExplainParams
    validate: ValidateParams
    gate: GateParams
    promote: PromoteParams
    book: BookParams
    score: ScoreParams
    publish: PublishParams
    report: ReportParams
    monitor: MonitorParams
    performance: PerformanceParams
    decide: DecideParams
    cycle: CycleParams


Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
BundleHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Settings(_Strict):
    """Settings of the trees that a rebuild found, in place of those of `train`."""

    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)]
    num_leaves: Annotated[int, msgspec.Meta(ge=2)]
    min_child_samples: Count
    subsample: Annotated[float, msgspec.Meta(gt=0, le=1)]
    colsample: Annotated[float, msgspec.Meta(gt=0, le=1)]
    l2: Annotated[float, msgspec.Meta(ge=0)]
    extra_trees: bool


class Training(_Strict, omit_defaults=True):
    """`var/training/<source>-<use_case>.yaml`: how the next candidate is made. Nothing known after `cutoff` is used to train; only a retraining moves it.

    action: refit grows trees; recalibrate keeps those of `booster`, a bundle under var/bundles, and fits its curve on what became known after `since`.
    settings: of the trees where a search found better ones than the parameters'.
    """

    cutoff: Day
    action: Literal["refit", "recalibrate", "rebuild"] = "refit"
    booster: BundleHash | None = None
    since: Day | None = None
    settings: Settings | None = None

    def __post_init__(self):
        if self.action == "recalibrate" and (self.booster is None or self.since is None):
            raise ValueError("recalibrate needs the booster it keeps and the day since which outcomes are new")
        if self.action == "rebuild" and self.settings is None:
            raise ValueError("rebuild needs the settings that a search found")


def load_params(path=Path("params.yaml")):
    """Read and check the parameters.

    Raises RiskError naming the key and what was expected.
    """
    params = read_yaml(path, Params)
    real_day(params.book.as_of, where=f"{path}: `book.as_of`")
    _refuse_contradictions(params, path)
    return params


def _refuse_contradictions(params, path):
    """Raises RiskError naming values of which each is fine alone and that cannot stand together."""
    past_due, train = params.observe.default.past_due, params.train
    if past_due.grey_from is not None and past_due.grey_from >= past_due.days_past_due:
        raise RiskError(f"{path}: `observe.default.past_due.grey_from`: {past_due.grey_from} days are not below days_past_due {past_due.days_past_due}, "
                        "so that nothing would lie between good and bad: lower it, or null for no grey zone.")
    if train.reject_inference != "none" and train.refit == "all":
        raise RiskError(f"{path}: `train.reject_inference` {train.reject_inference} needs accepted rows that teach no tree, and `train.refit` is all: "
                        "set it to validation.")
    if train.reject_inference != "none" and params.ship.refit_on == "all_matured":
        raise RiskError(f"{path}: `ship.refit_on` all_matured would leave out the rejected rows that the validated trees learned from by "
                        f"`train.reject_inference` {train.reject_inference}: set the one to nothing, or the other to none.")
    if params.scale.cuts is not None:
        checked_cuts(params.scale.cuts, params.scale.names)


def load_training(source, use_case, *, var=Path("var")):
    """Read the training cutoff of one source and use case.

    Raises RiskError when the file is missing or damaged.
    """
    path = var / "training" / f"{source}-{use_case}.yaml"
    training = read_yaml(path, Training)
    for name in ("cutoff", "since"):
        real_day(getattr(training, name) or training.cutoff, where=f"{path}: `{name}`")
    return training


def settled(train, training):
    """The section `train` with the settings of a training file in their place, where it has some."""
    return train if training.settings is None else msgspec.structs.replace(train, **msgspec.structs.asdict(training.settings))


def read_yaml(path, kind):
    """Read a YAML file into a struct of `kind`; RiskError names file, key and remedy."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RiskError(f"{path} is missing: run `make setup`, or `risk use` to choose a source.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RiskError(f"{path} is not readable YAML ({_first_line(error)}): correct that line.") from None
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise RiskError(f"{path}: {_explain(str(error), kind)}") from None


def change_params(changes, path=Path("params.yaml")):
    """Set dotted keys in a parameter file, comments kept."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 200
    yaml.representer.add_representer(type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null"))
    content = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in changes:
        *sections, last = key.split(".")
        section = content
        for name in sections:
            section = section[name]
        if isinstance(value, list) and isinstance(section[last], list):
            section[last][:] = value
        else:
            section[last] = value
    with replacing(path) as beside, beside.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def real_day(text, *, where):
    """The text, if it is a day of the calendar (or the word latest); RiskError names the key otherwise."""
    try:
        return text if text == "latest" else datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise RiskError(f"{where}: {text} is no day of the calendar: correct it.") from None


def _first_line(error):
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {error.problem}" if mark else str(error).splitlines()[0]


def _explain(message, kind):
    unknown = re.search(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?", message)
    if unknown is None:
        text, _, place = message.partition(" - at `$")
        place = place.strip("`.")
        allowed, value = _allowed(kind, place), re.fullmatch("Invalid enum value '(.*)'", text)
        if allowed and value:
            return f"{place} {value.group(1)} is unknown: use {_or(allowed)}."
        return f"`{place or 'the file'}`: {text[0].lower() + text[1:]}."
    name, place = unknown.group(1), unknown.group(2) or ""
    known = [field.name for field in msgspec.structs.fields(_section(kind, place))]
    near = difflib.get_close_matches(name, known, n=1)
    where = f"`{place}.{name}`" if place else f"`{name}`"
    return f"{where} is not a parameter" + (f": did you mean `{near[0]}`?" if near else f"; known here are {', '.join(known)}.")


def _allowed(kind, place):
    """The words that a place of the file may hold, such as of observe.default.definition or use_cases[0]; empty where it holds something else."""
    sections, _, name = re.sub(r"\[\d*\]|\[\.\.\.\]", "", place).rpartition(".")
    found = next((field.type for field in msgspec.structs.fields(_section(kind, sections)) if field.name == name), None)
    union = get_origin(found) in (Union, UnionType)
    return _words(found) + (("a list",) if union and any(get_origin(part) is list for part in get_args(found)) else ())


def _words(kind):
    """The words of a Literal, wherever it stands in a type."""
    parts = get_args(kind)
    return parts if get_origin(kind) is Literal else tuple(word for part in parts for word in _words(part) if not isinstance(part, msgspec.Meta))


def _or(words):
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _section(kind, place):
    for part in filter(None, place.split(".")):
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == part)
    return kind
