"""What a trained model is on disk: `booster.txt` and `model.json`, named by the hash of both."""
import hashlib
import os
import pathlib
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from features.errors import RiskError
from models.calibration import Interval, Knots, Points
from models.grades import Grade
from models.lightgbm_core import lgb

VERSION = 2
# Version 1 knew no interval: its bundles score as ever, without one.
READABLE = (1, 2)
BOOSTER_FILE, MANIFEST_FILE = "booster.txt", "model.json"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One input column: its business factor, direction (+1 more is riskier), message id and, for a category, its frozen levels.

    `typical` is the development median of a number (the level of a category): what a reason compares a value with. None: never observed.
    """

    name: str
    factor: str
    message_id: str
    direction: int = 0
    scope: str = "own"
    unit: str = ""
    levels: tuple[str, ...] | None = None
    typical: float | str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`model.json`: everything about a model but its trees. `training` is a plain summary (counts, dates, settings) for people and
    reports. `interval` stands on the knots' x; a bundle of version 1 has none, and its file stays as it was."""

    use_case: str
    probability_name: str
    columns: tuple[Column, ...]
    knots: Knots
    points: Points
    points_knots: Knots
    grades: tuple[Grade, ...]
    base_raw_score: float
    training: dict
    booster_sha256: str = ""
    interval: Interval | msgspec.UnsetType = msgspec.UNSET
    version: int = VERSION


@dataclass(frozen=True)
class Bundle:
    """A manifest with its booster, as one object that scores; `booster_text` is what is saved and hashed."""

    manifest: Manifest
    booster: lgb.Booster
    booster_text: str

    @cached_property
    def hash(self):
        """sha256 hex of the two files' sha256 digests, booster first: the bundle's name."""
        return _hash(self.booster_text.encode(), manifest_bytes(self.manifest))

    @cached_property
    def names(self):
        """Column names in the matrix's order."""
        return tuple(column.name for column in self.manifest.columns)

    @cached_property
    def curves(self):
        """The arrays that scoring reads: x, probabilities, points and the grades' upper cuts."""
        manifest = self.manifest
        uppers = [grade.upper for grade in manifest.grades]
        return tuple(np.asarray(values) for values in (manifest.knots.x, manifest.knots.y, manifest.points_knots.y, uppers))

    @cached_property
    def interval_curves(self):
        """The arrays of the interval's lower and upper ends on the knots' x; None where the bundle has no interval."""
        found = self.manifest.interval
        return None if found is msgspec.UNSET else (np.asarray(found.low), np.asarray(found.high))

    @cached_property
    def codes(self):
        """Of each category, {its place: {level: code}}; a level that is not there has the code beyond the last."""
        frozen = ((place, column.levels) for place, column in enumerate(self.manifest.columns) if column.levels is not None)
        return {place: {level: float(code) for code, level in enumerate(levels)} for place, levels in frozen}

    @cached_property
    def _grouped(self):
        return {}

    def grouped(self, how):
        """What `how(columns)` makes of the manifest's columns, worked out once."""
        if how not in self._grouped:
            self._grouped[how] = how(self.manifest.columns)
        return self._grouped[how]

    @property
    def validated(self):
        """Hash of the bundle whose figures describe this one: its own, or where it was refitted that of the one before the refit."""
        return self.manifest.training.get("validated", self.hash)

    @property
    def moved(self):
        """Log-odds by which the curve was moved to a long-run rate (`calibrate.prior_rate`); 0 where it was not."""
        return (self.manifest.training.get("prior") or {}).get("offset", 0.0)


def make_bundle(booster_text, manifest):
    """A bundle of a booster's text and a manifest, checked to belong together; the manifest gets the text's hash.

    Raises: RiskError when the two disagree on the columns or the curve does not rise.
    """
    manifest = msgspec.structs.replace(manifest, booster_sha256=hashlib.sha256(booster_text.encode()).hexdigest())
    bundle = Bundle(manifest, _booster(booster_text, "the booster"), booster_text)
    _check(bundle, "the bundle")
    return bundle


def save_bundle(bundle, folder):
    """Write both files into `folder` (beside first, then replaced, the manifest last) and return the bundle's hash.

    A process killed between the two leaves a manifest that does not match its booster, which `load_bundle` refuses.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The manifest names its booster's hash, so this order leaves no pair that looks whole and is not.
    _replace(folder / BOOSTER_FILE, bundle.booster_text.encode())
    _replace(folder / MANIFEST_FILE, manifest_bytes(bundle.manifest))
    return bundle.hash


def load_bundle(folder):
    """Read a bundle back. Raises: RiskError naming the file that is missing, damaged, of another version or not of this pair."""
    folder = pathlib.Path(folder)
    text, raw = _read(folder / BOOSTER_FILE), _read(folder / MANIFEST_FILE)
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RiskError(f"{folder / MANIFEST_FILE} is damaged ({error}); train again or roll back to another bundle") from error
    if manifest.version not in READABLE:
        read = " and ".join(map(str, READABLE))
        raise RiskError(f"{folder / MANIFEST_FILE} has version {manifest.version}, this code reads {read}; train again, or install the code that wrote it")
    if hashlib.sha256(text).hexdigest() != manifest.booster_sha256:
        raise RiskError(f"{folder / BOOSTER_FILE} is not the booster that {MANIFEST_FILE} describes; "
                        "train again or roll back to another bundle")
    bundle = Bundle(manifest, _booster(text.decode(), folder / BOOSTER_FILE), text.decode())
    _check(bundle, folder / MANIFEST_FILE)
    return bundle


def bundle_hash(folder):
    """sha256 hex of the bundle in `folder`, from its bytes alone. Raises: RiskError when a file is missing."""
    folder = pathlib.Path(folder)
    return _hash(_read(folder / BOOSTER_FILE), _read(folder / MANIFEST_FILE))


def manifest_bytes(manifest):
    """`model.json` as canonical JSON: keys sorted, numbers in their shortest exact form, one key a line."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def _hash(booster, manifest):
    return hashlib.sha256(hashlib.sha256(booster).digest() + hashlib.sha256(manifest).digest()).hexdigest()


def _booster(text, where):
    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise RiskError(f"{where} is damaged: LightGBM cannot read it ({error}); train again or roll back to another bundle") from error


def _check(bundle, where):
    manifest = bundle.manifest
    if bundle.booster.num_feature() != len(manifest.columns):
        trained = bundle.booster.num_feature()
        raise RiskError(f"{where}: {len(manifest.columns)} columns are described, the booster has {trained}; train again")
    x, probability, points, uppers = bundle.curves
    if len(x) < 2 or not len(x) == len(probability) == len(points) or (np.diff(x) <= 0).any() or (np.diff(probability) < 0).any():
        raise RiskError(f"{where}: the calibration knots do not rise; calibrate again")
    if not _encloses(bundle.interval_curves, probability):
        raise RiskError(f"{where}: the interval's knots do not rise around the calibration's; calibrate again")
    if not len(uppers) or (np.diff(uppers) <= 0).any() or uppers[-1] != 1.0:
        raise RiskError(f"{where}: the grades' upper cuts must rise to 1; build the grades again")


def _encloses(interval, probability):
    if interval is None:
        return True
    low, high = interval
    return len(low) == len(high) == len(probability) and bool(((low <= probability) & (probability <= high)).all() and
                                                              (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all())


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise RiskError(f"{path} cannot be read ({error.strerror}); train first, or name the folder of a bundle") from error


def _replace(path, content):
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
