"""`risk use data.csv`: a labelled file alone becomes a source of one SQL file, written where it can be read and corrected."""

import datetime
from pathlib import Path

import msgspec

from features.errors import RiskError
from pipeline.datasets import replacing
from pipeline.drafting.labelled import Asked, as_written, check_asked, draft_labelled
from pipeline.drafting.opening import KNOWN, Opener
from pipeline.drafting.sqltext import input_lines, one_line, yaml_text
from pipeline.params import load_params
from pipeline.sample import split
from pipeline.staging import connect
from pipeline.use import PARAMS, SHIPPED, plain_name, use_source

__all__ = ["Asked", "HowWritten", "is_labelled_file", "report_lines", "use_file"]
WRITTEN = Path("var/sources")
READS = "# Reads: "


class HowWritten(msgspec.Struct, frozen=True):
    """How a file is written, where the person says it."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


def is_labelled_file(name):
    """Whether what `risk use` was given is a file of rows rather than a source; RiskError where it is called like one and is not there."""
    called = Path(name).name.removesuffix(".gz").lower().endswith(KNOWN)
    if called and not Path(name).exists():
        raise RiskError(f"{name} does not exist: say where the file is.")
    return called and Path(name).is_file()


def use_file(path, asked, *, written=None, name=None, horizon_days=None):
    """Make a labelled file the chosen source; returns the source and the Labelled that says what was understood.

    Raises RiskError, and leaves the parameters as they were, when the file cannot be read or the columns asked for are not in it.
    """
    path, params = Path(path), load_params(PARAMS)
    if name is not None and plain_name(name) != name:
        raise RiskError(f"--name {name}: a source's name is lower-case letters, digits and _: take {plain_name(name)}.")
    folder = WRITTEN / (name or _free_name(path))
    _refuse_others(folder, path)
    opened, labelled = _understand(path, asked, written or HowWritten(), params, horizon_days)
    with replacing(folder) as beside:
        beside.mkdir(parents=True)
        (beside / "observations.sql").write_text(labelled.sql, encoding="utf-8")
        (beside / "source.yaml").write_text(_about(path, opened, labelled, horizon_days), encoding="utf-8")
    return use_source(str(folder), str(path)), labelled


def report_lines(path, source, labelled):
    """What `risk use` says about a labelled file: every column, what was left out, what is unsure, and how it will be judged."""
    width = max(len(one_line(name)) for name, *_ in labelled.understood)
    yield f"{path}: {source.description}"
    yield from (f"  {one_line(name):<{width}}  {how} -> {becomes}" for name, how, becomes in labelled.understood)
    yield from (f"  left out: {name} ({why})" for name, why in labelled.left_out)
    yield from (f"unsure: {doubt}" for doubt in labelled.unsure)
    yield from labelled.said
    if source.horizon_days is None:
        yield "no --horizon: the target is called a default within the parameters' observe.default.horizon_days; say the days it looks ahead with --horizon"
    yield f"written: {WRITTEN / source.name}/observations.sql and source.yaml"


def _understand(path, asked, written, params, horizon_days):
    rules = params.observe.default
    horizon = horizon_days or rules.horizon_days
    connection = connect(params.ingest)
    opener = Opener(connection, path.parent, **msgspec.structs.asdict(written))
    sheets = opener.open([path])
    wanted = (sheet for sheet in sheets if asked.target and any(asked.target in (column.name, one_line(column.name)) for column in sheet.columns))
    opened = next(wanted, sheets[0])
    asked = as_written(opened, asked)
    check_asked(opened, asked)
    labelled = draft_labelled(connection, opened, asked, file_day=_file_day(path), today=datetime.date.today().isoformat(),
                              label_after_days=horizon + rules.reporting_lag_days, by_time=lambda rows: _by_time(rows, params, horizon),
                              written_by="`risk use` writes this file anew when it is called on that file again.")
    connection.close()
    if labelled.refusal:
        raise RiskError(labelled.refusal)
    others = [f"{path.name} has further sheets, which are not read: {', '.join(sheet.label for sheet in sheets if sheet is not opened)}"] if sheets[1:] else []
    return opened, msgspec.structs.replace(labelled, said=[*labelled.said, *others])


def _by_time(rows, params, horizon):
    """Whether later dates can judge: the same split that the stage sample makes, which falls back to customers where they cannot."""
    try:
        return split(rows, use_case="default", params=params, protocol=None, horizon_days=horizon).attrs["by"] == "time"
    except RiskError:
        return False


def _file_day(path):
    return min(datetime.date.fromtimestamp(path.stat().st_mtime), datetime.date.today()).isoformat()


def _free_name(path):
    name = plain_name(path.name.split(".")[0]) or "file"
    shipped = {place.stem for place in SHIPPED.iterdir()}
    return f"{name}_file" if name in shipped else name


def _refuse_others(folder, path):
    """Two files must not share a champion: a folder written for another file is not overwritten."""
    about = folder / "source.yaml"
    written_for = next((line.removeprefix(READS) for line in about.read_text(encoding="utf-8").splitlines() if line.startswith(READS)), None) \
        if about.exists() else None
    if about.exists() and written_for != str(path.resolve()):
        raise RiskError(f"{folder} is the source of {written_for or 'something else'}: give this file a name of its own with --name.")


def _about(path, opened, labelled, horizon_days):
    lines = [f"{READS}{path.resolve()}", f"description: {yaml_text(f'{opened.rows:,} labelled rows of {path.name} ({opened.how})')}", "use_cases: [default]",
             f"complete_to: {yaml_text(labelled.complete_to)}"]
    lines += [f"# {one_line(note)}" for note in labelled.said]
    if horizon_days:
        lines.append(f"horizon_days: {horizon_days}")
    if labelled.protocol:
        lines += ["protocol:", *(f"  {key}: {value}" for key, value in labelled.protocol.items())]
    return "\n".join([*lines, *input_lines([opened.input] if opened.input else [])]) + "\n"
