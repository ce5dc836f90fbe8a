"""A bundle on disk: named by its content, read back the same, refused when damaged."""
import json

import msgspec
import pytest
from chinese_bundle import bundle as with_interval
from small_bundle import bundle

from features.errors import RiskError
from models.bundle import BOOSTER_FILE, MANIFEST_FILE, bundle_hash, load_bundle, make_bundle, save_bundle


def test_saving_and_loading_changes_nothing(tmp_path):
    named = save_bundle(bundle(), tmp_path)
    read = load_bundle(tmp_path)
    assert read.manifest == bundle().manifest
    assert read.booster_text == bundle().booster_text
    assert named == read.hash == bundle().hash == bundle_hash(tmp_path)


def test_the_name_follows_the_content():
    other = make_bundle(bundle().booster_text, msgspec.structs.replace(bundle().manifest, use_case="fraud"))
    assert other.hash != bundle().hash


def test_training_again_gives_the_same_name():
    assert bundle.__wrapped__().hash == bundle().hash


def test_nothing_else_is_left_in_the_folder(tmp_path):
    save_bundle(bundle(), tmp_path)
    save_bundle(bundle(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [BOOSTER_FILE, MANIFEST_FILE]


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("damage", "message"), [
    (lambda f: (f / BOOSTER_FILE).unlink(), "booster.txt cannot be read"),
    (lambda f: (f / MANIFEST_FILE).unlink(), "model.json cannot be read"),
    (lambda f: (f / MANIFEST_FILE).write_text("{"), "model.json is damaged"),
    (lambda f: (f / MANIFEST_FILE).write_bytes(b"\xff\xfe"), "model.json is damaged"),
    (lambda f: (f / BOOSTER_FILE).write_text("tree"), "booster.txt is not the booster that model.json describes"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m.update(version=99)), "version 99, this code reads 1 and 2; train again, or install the code that wrote it"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["columns"].pop()), "4 columns are described, the booster has 5"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["knots"]["y"].reverse()), "calibration knots do not rise"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["grades"].pop()), "upper cuts must rise to 1"),
])
def test_a_damaged_bundle_is_refused_by_name(tmp_path, damage, message):
    save_bundle(bundle(), tmp_path)
    damage(tmp_path)
    with pytest.raises(RiskError, match=message):
        load_bundle(tmp_path)


@pytest.mark.parametrize("damage", [lambda i: i["low"].reverse(), lambda i: i["high"].pop(), lambda i: i.update(low=i["high"])])
def test_an_interval_that_does_not_enclose_the_curve_is_refused(tmp_path, damage):
    save_bundle(with_interval(), tmp_path)
    edit(tmp_path / MANIFEST_FILE, lambda m: damage(m["interval"]))
    with pytest.raises(RiskError, match="the interval's knots do not rise around the calibration's; calibrate again"):
        load_bundle(tmp_path)


def test_a_bundle_of_the_version_before_keeps_its_bytes_and_its_name(tmp_path):
    save_bundle(bundle(), tmp_path)
    text = (tmp_path / MANIFEST_FILE).read_text().replace('"version": 2', '"version": 1')
    assert '"interval"' not in text
    (tmp_path / MANIFEST_FILE).write_text(text)
    read = load_bundle(tmp_path)
    assert read.hash == bundle_hash(tmp_path) != bundle().hash
    assert read.interval_curves is None


def test_a_bundle_is_described_by_itself_unless_it_was_refitted():
    refitted = make_bundle(bundle().booster_text, msgspec.structs.replace(bundle().manifest, training={"validated": "a" * 64}))
    assert (bundle().validated, refitted.validated) == (bundle().hash, "a" * 64)


def test_a_booster_that_lightgbm_cannot_read_is_refused():
    with pytest.raises(RiskError, match="LightGBM cannot read it"):
        make_bundle("tree\nversion=v4\nTree=0\n", bundle().manifest)
