"""The dossier of a promoted bundle is kept, unless it is another's."""

import hashlib

from pipeline.places import dossier_path
from pipeline.state import keep_dossier

BUNDLE = "a1b2c3d4e5f6" + "0" * 52


def test_a_dossier_is_kept_with_its_hash_and_another_bundle_s_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "made"
    assert keep_dossier(made, BUNDLE) is None
    made.mkdir()
    (made / "index.html").write_text("the dossier of ffffffffffff", encoding="utf-8")
    assert keep_dossier(made, BUNDLE) is None
    assert not dossier_path(BUNDLE).exists()
    (made / "index.html").write_text("the dossier of a1b2c3d4e5f6", encoding="utf-8")
    (made / "index.zh.html").write_text("模型档案 a1b2c3d4e5f6", encoding="utf-8")
    assert keep_dossier(made, BUNDLE) == hashlib.sha256(b"the dossier of a1b2c3d4e5f6").hexdigest()
    assert sorted(path.name for path in dossier_path(BUNDLE).iterdir()) == ["index.html", "index.zh.html"]
