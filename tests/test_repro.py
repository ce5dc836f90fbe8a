"""DVC as a child: its torn lock file is mended, and it does not outlive its caller."""

import pytest

from pipeline.repro import mend_lock

WHOLE = "schema: '2.0'\nstages:\n  ingest:\n    cmd: python -m pipeline.ingest\n"


@pytest.mark.parametrize(("content", "torn"), [
    (WHOLE, False),
    ("", True),
    ("\n", True),
    (WHOLE + "    deps:\n    - path: pipeline/ing", True),
    ("stages:\n  ingest:\n    cmd: pyth", True),
    ("schema: '2.0'\nstages:\n  ingest:\n    deps:\n    - path: [a", True),
    ("schema: '2.0'\n\x00\x00", True),
])
def test_a_torn_lock_file_is_removed_and_a_whole_one_kept(tmp_path, content, torn):
    path = tmp_path / "dvc.lock"
    path.write_text(content)
    assert mend_lock(path) is torn
    assert path.exists() is not torn


def test_without_a_lock_file_there_is_nothing_to_mend(tmp_path):
    assert mend_lock(tmp_path / "dvc.lock") is False
