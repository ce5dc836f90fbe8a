"""The schedules in deploy/ start `risk cycle`, one at a time, and are what cron, systemd and Kubernetes can read."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.webhook import SECRET, URL

DEPLOY = Path(__file__).parent.parent / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("unit", ["customer-risk-night.service", "customer-risk-night.timer"])
def test_systemd_finds_no_fault_in_the_units(unit, tmp_path):
    for name in ("customer-risk-night.service", "customer-risk-night.timer"):
        # The program is not installed where the unit says, and that is all that may be wrong.
        text = (DEPLOY / name).read_text(encoding="utf-8").replace("/srv/customer-risk/.venv/bin/risk", "/bin/true")
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "customer-risk" in line] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_the_timer_s_time_is_a_time():
    (given,) = re.findall("OnCalendar=(.*)", (DEPLOY / "customer-risk-night.timer").read_text(encoding="utf-8"))
    assert "Next elapse" in subprocess.run(["systemd-analyze", "calendar", given], capture_output=True, text=True, check=True).stdout


def test_the_service_runs_the_cycle_and_anchors_whatever_came_of_it():
    unit = (DEPLOY / "customer-risk-night.service").read_text(encoding="utf-8")
    assert re.findall("^ExecStart=.*/risk (.*)", unit, re.M) == ["cycle"]
    assert re.findall("^ExecStopPost=.*/risk (.*)", unit, re.M) == ["ledger anchor /var/log/customer-risk/anchors.jsonl"]
    assert URL in unit
    assert SECRET in unit


def test_kubernetes_starts_one_at_a_time_and_keeps_what_a_night_needs():
    job = yaml.safe_load((DEPLOY / "cronjob.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"], spec["concurrencyPolicy"], spec["timeZone"]) == ("batch/v1", "CronJob", "Forbid", "Etc/UTC")
    assert re.fullmatch(r"\d+ \d+ \* \* \*", spec["schedule"])
    assert 100 < spec["startingDeadlineSeconds"] < 21 * 3600
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert (pod["restartPolicy"], pod["securityContext"]["runAsNonRoot"]) == ("Never", True)
    (container,) = pod["containers"]
    assert container["command"] == ["risk", "cycle"]
    assert {Path(mount["mountPath"]).name for mount in container["volumeMounts"]} == {"var", "data", "cache"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "env" not in container  # secrets come from the Secret, never from this file


def test_cron_s_lines_have_five_times_a_user_and_the_cycle():
    lines = [line for line in (DEPLOY / "customer-risk.cron").read_text(encoding="utf-8").splitlines() if line and line[0] not in "#S"]
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"\d+ \d+ \* \* \* customer-risk cd /srv/customer-risk && .*\.venv/bin/risk cycle >> \S+ 2>&1", line)
        assert "%" not in line  # cron reads it as the end of the line


@pytest.mark.parametrize("command", ["cycle", "calendar", "notify"])
def test_the_commands_say_what_they_do(command):
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 4
