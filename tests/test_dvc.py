"""Every stage of dvc.yaml depends on what its module imports, so an edit re-runs exactly what it can change."""

import re
from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).parent.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("features", "models", "serving", "pipeline", cache_dir=None)


def declared(stage):
    return STAGES[stage].get("do", STAGES[stage])


def imported_files(graph, stage):
    """Files of all modules that the stage's module imports, however deep; packages without code of their own aside."""
    modules = graph.find_upstream_modules(f"pipeline.{stage}") | {f"pipeline.{stage}"}
    places = [ROOT / module.replace(".", "/") for module in modules]
    files = {place.with_suffix(".py") for place in places if place.with_suffix(".py").exists()}
    packages = {place / "__init__.py" for place in places if (place / "__init__.py").exists()}
    return {str(file.relative_to(ROOT)) for file in files | {file for file in packages if file.read_text(encoding="utf-8").count("\n") > 6}}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_what_the_module_imports(graph, stage):
    code = {dep for dep in declared(stage)["deps"] if dep.endswith(".py") and "$" not in dep}
    needed = imported_files(graph, stage)
    assert needed - code == set(), f"add these to the deps of {stage} in dvc.yaml: {sorted(needed - code)}"
    assert code - needed == set(), f"take these out of the deps of {stage} in dvc.yaml: {sorted(code - needed)}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_its_module_and_says_what_it_does(stage):
    command = declared(stage)["cmd"].split()
    assert command[:3] == ["python", "-m", f"pipeline.{stage}"]
    assert declared(stage)["desc"]


def test_what_the_run_logs_is_a_dep_of_it():
    source = (ROOT / "pipeline/track.py").read_text(encoding="utf-8").split("artifacts=")[1]
    logged = tuple(f"data/${{item}}/{folder}/" for folder in re.findall(r'case_path\(use_case, "(\w+)"\)', source))
    written = [next(iter(out)) if isinstance(out, dict) else out for stage in STAGES for kind in ("outs", "metrics", "plots")
               for out in declared(stage).get(kind, ())]
    deps = tuple(declared("track")["deps"])
    assert len(logged) == 4
    assert [out for out in written if f"{out}/".startswith(logged) and not f"{out}/".startswith(tuple(f"{dep}/" for dep in deps))] == []


def test_the_champion_is_moved_by_no_stage():
    outs = [out for stage in STAGES for out in declared(stage)["outs"]]
    assert not [out for out in outs if str(out).startswith("var/")]


def test_templates_and_wording_of_the_reports_are_deps():
    templates = {str(file.relative_to(ROOT)) for file in (ROOT / "pipeline" / "reports" / "templates").iterdir()}
    stages = {stage: set(declared(stage)["deps"]) for stage in ("report", "dossier")}
    # The committee's pack is made by a command when a person asks for it, not by a stage.
    of_no_stage = {name for name in templates if Path(name).name.startswith("committee.")}
    assert templates - set().union(*stages.values()) == of_no_stage
    both = {f"{folder}/{language}.json" for folder in ("serving/messages", "pipeline/reports/templates") for language in ("en", "zh")}
    for deps in stages.values():
        # What a page extends, includes or asks for words is a dep of its stage.
        shown = [ROOT / dep for dep in deps if dep.endswith(".html")]
        named = {name for page in shown for name in re.findall(r"'([a-z]+\.(?:html|css|js))'", page.read_text(encoding="utf-8"))}
        included = {f"pipeline/reports/templates/{name}" for name in named}
        assert (included | both) - deps == set()
