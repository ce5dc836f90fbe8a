"""`risk ledger verify` over what is in production: one byte changed in any of it is named."""

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from promotion_world import CASE, World

from features.errors import RiskError
from models.policy import load_policy
from pipeline.cli import main
from pipeline.promote import promote

POINTER = Path("var/champion/simulated-default.json")


@pytest.fixture
def world(tmp_path, monkeypatch, clock):
    made = World(tmp_path, monkeypatch, clock)
    for number in (1, 2):
        made.candidate(number)
        promote(CASE, actor="lin", reason=f"number {number}")
    return made


def verify():
    done = CliRunner().invoke(main, ["ledger", "verify", "--var", "var", "--database", "var/risk.db"])
    return done.exit_code, done.output.splitlines()


def flip(path, place=100):
    """Change one byte of a file."""
    content = bytearray(Path(path).read_bytes())
    content[place] ^= 1
    Path(path).write_bytes(bytes(content))


def test_all_is_whole(world):
    code, (line,) = verify()
    assert (code, line.startswith("the ledgers are whole:")) == (0, True)


def test_a_byte_of_a_row_of_the_ledger(world):
    with world.store() as store, store.database.engine.begin() as connection:
        connection.execute(sa.text("update promotions set reason = 'number 3' where sequence = 1"))
    assert verify() == (1, ["changed: row 1 of promotions differs from its own hash"])


def test_a_byte_of_the_pointer(world):
    wrong = world.champion.translate(str.maketrans("0123456789abcdef", "1032547698badcfe"))
    POINTER.write_text(json.dumps({"bundle": wrong}))
    code, (line,) = verify()
    assert code == 1
    assert line.startswith(f"pointer: {POINTER} names the bundle {wrong[:12]}, row 2 of promotions made ")


def test_the_pointer_at_an_earlier_champion(world):
    first, second = (entry.bundle for entry in world.entries)
    POINTER.write_text(json.dumps({"bundle": first}))
    code, (line,) = verify()
    assert (code, f"names the bundle {first[:12]}, row 2 of promotions made {second[:12]} the champion of simulated, default" in line) == (1, True)


@pytest.mark.parametrize("content", [None, "{", '{"bundle": null}'])
def test_a_pointer_that_is_gone_damaged_or_empty(world, content):
    POINTER.unlink() if content is None else POINTER.write_text(content)
    code, (line,) = verify()
    assert (code, line.startswith("pointer: ")) == (1, True)


def test_a_pointer_that_nobody_promoted(world):
    Path("var/champion/other-fraud.json").write_text(json.dumps({"bundle": world.champion}))
    code, (line,) = verify()
    assert (code, line.endswith("which the promotion ledger never made champion")) == (1, True)


@pytest.mark.parametrize("name", ["booster.txt", "model.json"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_byte_of_a_bundle_is_named_and_the_champion_refused(world, name, number):
    bundle = world.entries[number - 1].bundle
    flip(f"var/bundles/{bundle}/{name}")
    code, (line,) = verify()
    assert code == 1
    assert line.startswith(f"bundle: var/bundles/{bundle} holds the bundle ")
    assert line.endswith(f"and not the one it is named by, of row {number} of promotions")
    if number == 2:
        with pytest.raises(RiskError, match="and not the one it is named by: restore that folder, or run `risk rollback"):
            _ = world.champion


def test_a_champion_without_its_folder(world):
    shutil.rmtree(f"var/bundles/{world.champion}")
    code, (line,) = verify()
    assert (code, line.endswith("the champion's bundle by row 2 of promotions, is gone")) == (1, True)


@pytest.mark.parametrize("place", [3, 4000])
def test_a_byte_of_a_kept_policy_also_in_a_comment(world, place):
    path = Path(f"var/policies/{load_policy('policy.yaml').hash}.yaml")
    assert path.read_text()[:1] == "#"
    flip(path, place)
    code, lines = verify()
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("policy: row ")
    assert str(path) in lines[0]


def test_where_no_installation_is_at_hand_the_ledger_alone_is_walked(world, tmp_path):
    done = CliRunner().invoke(main, ["ledger", "verify", "--var", str(tmp_path / "elsewhere"), "--database", "var/risk.db"])
    assert done.exit_code == 0
