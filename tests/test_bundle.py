"""A bundle on disk: named by its content, read back the same, refused when damaged."""
import json

import msgspec
import pytest
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
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m.update(version=99)), "version 99"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["columns"].pop()), "4 columns are described, the booster has 5"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["knots"]["y"].reverse()), "calibration knots do not rise"),
    (lambda f: edit(f / MANIFEST_FILE, lambda m: m["grades"].pop()), "upper cuts must rise to 1"),
])
def test_a_damaged_bundle_is_refused_by_name(tmp_path, damage, message):
    save_bundle(bundle(), tmp_path)
    damage(tmp_path)
    with pytest.raises(RiskError, match=message):
        load_bundle(tmp_path)


def test_a_booster_that_lightgbm_cannot_read_is_refused():
    with pytest.raises(RiskError, match="LightGBM cannot read it"):
        make_bundle("tree\nversion=v4\nTree=0\n", bundle().manifest)
