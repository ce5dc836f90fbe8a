"""The commands around the policy: read back, put in place, recorded."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.errors import RiskError
from models.policy import load_policy
from pipeline.cli import main
from pipeline.policies import check_lines, publish_policy, use_profile
from pipeline.promote import open_store
from serving.daily_spend import Draw
from serving.store import Entry

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTOMER_RISK_DATABASE_URL", raising=False)
    (tmp_path / "var").mkdir()
    for name in ("policy.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def asked(*arguments):
    found = CliRunner().invoke(main, list(arguments))
    return found.exit_code, found.output


def test_a_policy_is_read_back_with_its_hash(folder):
    lines = check_lines("policy.yaml")
    assert lines[:2] == ["policy.yaml is valid: profile trade_credit, amounts in CNY", f"hash {load_policy('policy.yaml').hash}"]
    assert "  C  automatic below 20,000, one person below 200,000, two persons below 1,000,000, committee from 1,000,000" in lines
    assert "  D  at most 500,000 and 2% of capacity; paid in 15 days, own share 30%, guarantee, reviewed every 30 days" in lines
    assert "  open_lawsuit: open_lawsuit_amount of 1,000,000 or more: at least committee" in lines
    lending = check_lines(ROOT / "policies" / "lending.yaml")
    assert any("paid every 30 days for 48 months" in line for line in lending)
    assert "  E  at most 0 and 0% of capacity; no loan, own share 100%, guarantee, reviewed every 30 days" in lending
    assert check_lines(ROOT / "policies" / "fraud_review.yaml")[-1] == "Transactions: blocked from 80.0%, reviewed from 1.0% up to 80 a day"


def test_a_faulty_policy_is_refused_by_every_command_with_line_and_reason(folder):
    Path("bad.yaml").write_text(Path("policy.yaml").read_text().replace("route: committee}", "route: nobody}", 1))
    for command in (("check", "bad.yaml"), ("publish", "bad.yaml"), ("diff", "policy.yaml", "bad.yaml")):
        code, said = asked("policy", *command)
        assert (code, said.count("\n")) == (1, 1)
        assert "bad.yaml line 24, field default.approval[0].amount[3].route: route nobody is unknown; use automatic" in said
    assert not (folder / "var" / "risk.db").exists()


def test_a_profile_takes_the_policys_place_and_what_was_there_is_kept(folder):
    Path("policy.yaml").write_text(Path("policy.yaml").read_text() + "# ours\n")
    said = use_profile("lending")
    assert Path("policy.yaml").read_bytes() == (ROOT / "policies" / "lending.yaml").read_bytes()
    (kept,) = Path("var/policies").iterdir()
    assert kept.read_text().endswith("# ours\n")
    assert str(kept) in said
    assert "what was there" not in use_profile("lending")
    with pytest.raises(RiskError, match="there is no profile leasing: the shipped ones are trade_credit, lending, fraud_review"):
        use_profile("leasing")


def test_a_version_is_recorded_once_under_its_hash(folder):
    policy = load_policy("policy.yaml")
    assert publish_policy("policy.yaml") == f"{policy.hash[:12]} is recorded; run `risk run` to decide by it."
    assert publish_policy("policy.yaml") == f"{policy.hash[:12]} is recorded already."
    shutil.copy(ROOT / "policies" / "lending.yaml", "other.yaml")
    assert "copy it to policy.yaml and run `risk run`" in publish_policy("other.yaml")
    with open_store() as store:
        assert store.find_policy(policy.hash) == Path("policy.yaml").read_text()


def test_what_the_days_of_the_service_have_spent_is_read_back(folder):
    assert asked("policy", "spent") == (0, "simulated: no decision of the service drew on a day's budget since then.\n")
    about = {"source": "simulated", "customer_id": "C1", "bundle": "b", "policy": "p", "context": "c", "payload": None}
    with open_store() as store:
        for use_case, unit, takes in (("default", "CNY", 123_456), ("fraud", "reviews", 3), ("default", "EUR", 100)):
            store.record_decision(Entry(use_case=use_case, **about, draw=Draw(unit, lambda spent, takes=takes: ({}, takes))))
        today = store.now().date()
    assert asked("policy", "spent", "--days", "1") == (0, f"{today}  default: CNY 1,234.56 of 50,000.00 expected loss approved automatically\n"
                                                        f"{today}  default: EUR 1.00 (no budget) expected loss approved automatically\n"
                                                        f"{today}  fraud: 3 of 50 transactions sent to review\n")
