"""`risk use data.csv`: a labelled file alone is a source, and what was made of every column is said aloud."""

import datetime
import gzip
import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from workbook import workbook

from pipeline.cli import main
from pipeline.datasets import INGEST, TABLES, read_json
from pipeline.ingest import ingest
from pipeline.observe import observe
from pipeline.params import load_params, read_yaml
from pipeline.source_file import SourceFile
from pipeline.workspace import ROOT, workspace

HEAD = "Kundennr;Stichtag;Umsatz;Branche;Notiz;Konstant;Ausfall"
SQL = Path("var/sources/kredite/observations.sql")


@pytest.fixture
def work(tmp_path):
    """A workspace to stand in, with a folder `files` beside it."""
    (tmp_path / "files").mkdir()
    with workspace(tmp_path / "work"):
        yield tmp_path / "files"


def row(number, **changes):
    """One line of the German file: every fifth customer fails, a new month every ten rows."""
    month = datetime.date(2018 + number // 120, 1 + number // 10 % 12, 28)
    given = {"id": f"{number % 90:05d}", "date": f"{month:%d.%m.%Y}", "sales": f"{number % 7}.{number % 900:03d},50", "sector": ("Bau", "Handel")[number % 2],
             "note": f"n{number}", "constant": "x", "target": "ja" if number % 5 == 0 else "nein"} | changes
    return ";".join(given.values())


def german(files, lines=None, *, name="kredite.csv", encoding="cp1252"):
    (files / name).write_bytes("\n".join([HEAD, *(lines or [row(number) for number in range(600)])]).encode(encoding))
    return str(files / name)


def plain(files, header, lines, *, name="data.csv"):
    (files / name).write_text("\n".join([header, *lines]) + "\n")
    return str(files / name)


def use(*arguments):
    return CliRunner().invoke(main, ["use", *arguments])


def used(*arguments):
    result = use(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def about(name="kredite"):
    return read_yaml(Path("var/sources") / name / "source.yaml", SourceFile)


def ingested(name="observations"):
    ingest()
    return pd.read_parquet(TABLES / f"{name}.parquet")


def test_a_german_file_becomes_observations(work):
    text = used(german(work), "--target", "Ausfall", "--id", "Kundennr", "--date", "Stichtag")
    rows = ingested()
    assert load_params().source.name == "kredite"
    assert rows["customer_id"].str.len().eq(5).all()
    assert rows["target"].mean() == pytest.approx(0.2)
    assert rows.set_index(["customer_id", "as_of"]).loc[("00004", pd.Timestamp("2018-01-28")), "umsatz"] == 4004.5
    assert sorted(rows["as_of"].dt.day.unique()) == [28]
    assert "target Ausfall: ja means bad (120 of 600 rows, 20.00%), nein good" in text
    assert "left out: Notiz (an identifier: 600 different values in 600 rows)" in text
    assert "left out: Konstant (the same value in every row)" in text


def test_the_folder_it_writes_can_be_read_and_used_like_any_source(work):
    path = german(work)
    used(path, "--target", "Ausfall", "--id", "Kundennr", "--date", "Stichtag")
    sql = SQL.read_text()
    assert """CASE "Ausfall" WHEN 'ja' THEN '1' WHEN 'nein' THEN '0' ELSE "Ausfall" END AS target""" in sql
    assert """strptime("Stichtag", '%d.%m.%Y') AS as_of""" in sql
    assert "-- left out: Notiz" in sql
    used("./var/sources/kredite", "--data", path)
    assert len(ingested()) == 600


def test_a_long_history_is_judged_by_time_and_says_what_is_assumed_of_the_labels(work):
    text = used(german(work), "--target", "Ausfall", "--id", "Kundennr", "--date", "Stichtag")
    assert about().protocol is None
    assert "judged by time" in text
    assert "no --target-known: each target is taken as known 410 days after its row's date (horizon and reporting lag); complete to 2024-02-11" in text
    assert about().complete_to == "2024-02-11"


def test_a_day_on_which_labels_became_known_takes_the_place_of_the_assumption(work):
    lines = [f"{number % 50},2020-{1 + number % 12:02d}-01,2021-06-30,{number * 7 % 41},{number % 3 == 0:d}" for number in range(300)]
    text = used(plain(work, "id,day,seen,x,y", lines), "--target", "y", "--id", "id", "--date", "day", "--target-known", "seen")
    assert "outcomes are taken as complete to 2021-06-30" in text
    assert ingested()["target_known_at"].eq(pd.Timestamp("2021-06-30")).all()


@pytest.mark.parametrize(("options", "kind", "sentence"), [
    ((), "random", "no date: rows are judged by a random draw of the rows; nothing can be said about later dates"),
    (("--id", "id"), "grouped", "no date: rows are judged fold by fold, every customer wholly on one side; nothing can be said about later dates"),
    (("--id", "id", "--date", "day"), "grouped", "the dates reach too short a time, or hold too few bad ones, to judge by later ones"),
    (("--id", "id", "--date", "2020-06-30"), "grouped", "one date: rows are judged fold by fold"),
])
def test_what_cannot_be_judged_by_time_is_drawn_and_said_so(work, options, kind, sentence):
    lines = [f"{number % 50},2020-0{1 + number % 3}-01,{number * 7 % 41},{number % 3 == 0:d}" for number in range(200)]
    text = used(plain(work, "id,day,x,y", lines), "--target", "y", *options)
    assert about("data").protocol.__struct_config__.tag == kind
    assert sentence in text


def test_without_a_date_all_rows_have_the_day_of_the_file(work):
    path = plain(work, "id,x,y", [f"{number},{number * 7 % 41},{number % 3 == 0:d}" for number in range(60)])
    moment = datetime.datetime(2023, 5, 17, 12).timestamp()
    os.utime(path, (moment, moment))
    used(path, "--target", "y", "--id", "id")
    rows = ingested()
    assert rows["as_of"].eq(pd.Timestamp("2023-05-17")).all()
    assert read_json(INGEST)["complete_to"] == "2023-05-17"
    observe("default")
    assert pd.read_parquet("data/default/development/observations.parquet")["status"].eq("matured").all()


def test_without_an_id_rows_are_told_apart_by_their_number(work):
    text = used(plain(work, "x,y", [f"{number * 7 % 41},{number % 3 == 0:d}" for number in range(60)]), "--target", "y")
    assert ingested()["customer_id"].tolist()[:2] == ["00000001", "00000002"]
    assert "no --id: rows are told apart by their number in the file" in text


@pytest.mark.parametrize(("options", "said"), [((), True), (("--horizon", "90"), False)])
def test_a_horizon_that_is_assumed_is_said(work, options, said):
    text = used(plain(work, "x,y", [f"{number * 7 % 41},{number % 3 == 0:d}" for number in range(60)]), "--target", "y", *options)
    assert ("no --horizon: the target is called a default within the parameters' observe.default.horizon_days" in text) is said


def test_rows_without_a_target_are_scored_and_not_learned_from(work):
    lines = [f"{number},{number * 7 % 41},{'' if number >= 50 else int(number % 3 == 0)}" for number in range(60)]
    text = used(plain(work, "id,x,y", lines), "--target", "y", "--id", "id")
    assert "10 rows without a target: not learned from, but scored" in text
    assert ingested()["target"].isna().sum() == 10


@pytest.mark.parametrize(("words", "mean"), [(("0", "1"), 0.5), (("true", "false"), 0.5), (("Yes", "No"), 0.5), (("good", "bad"), 0.5), (("0.0", "1.0"), 0.5),
                                             (("是", "否"), 0.5)])
def test_targets_are_mapped_by_their_words(work, words, mean):
    used(plain(work, "id,x,y", [f"{number},{number * 7 % 41},{words[number % 2]}" for number in range(60)]), "--target", "y", "--id", "id")
    assert ingested()["target"].mean() == mean


def test_the_values_that_mean_bad_can_be_named(work):
    path = plain(work, "id,x,y", [f"{number},{number * 7 % 41},{'ABCD'[number % 4]}" for number in range(60)])
    result = use(path, "--target", "y")
    assert "the target y holds A (15), B (15), C (15), D (15), which do not all say yes or no: name the ones that mean bad with --bad VALUE" in result.stderr
    assert "B and D mean bad (30 of 60 rows, 50.00%), A and C good" in used(path, "--target", "y", "--bad", "B", "--bad", "D")


def test_a_value_of_the_target_that_comes_later_is_rejected_and_named(work):
    path = german(work)
    used(path, "--target", "Ausfall", "--id", "Kundennr", "--date", "Stichtag")
    german(work, [row(number) for number in range(600)] + [row(600, target="vielleicht")])
    rows = ingested()
    rejects = pd.read_parquet("data/rejects/observations.parquet")
    assert len(rows) == 600
    assert rejects["value"].tolist() == ["vielleicht"]


@pytest.mark.parametrize(("values", "why"), [
    ([f"{number}@example.com" for number in range(60)], "an identifier"),
    ([f"{number * 7 % 41}" for number in range(60)], None),
    (["same"] * 60, "the same value in every row"),
    ([""] * 60, "empty"),
    ([str(int(number % 3 == 0)) for number in range(60)], "says the same as the target in every row"),
    (["2099-01-01"] * 30 + ["2020-01-01"] * 30, "lies after the row's date in 50% of the rows"),
    (["2020-01-01", "2020-01-02"] * 30, None),
])
def test_columns_that_are_no_features_are_left_out_with_the_reason(work, values, why):
    lines = [f"{number},{number * 11 % 23},{value},{number % 3 == 0:d}" for number, value in enumerate(values)]
    text = used(plain(work, "id,x,extra,y", lines), "--target", "y", "--id", "id")
    assert (f"left out: extra ({why}" in text) if why else "left out: extra" not in text


def test_a_further_date_becomes_days_before_the_row(work):
    lines = [f"{number},2020-06-30,2020-06-{1 + number % 20:02d},{number % 3 == 0:d}" for number in range(60)]
    used(plain(work, "id,day,opened,y", lines), "--target", "y", "--id", "id", "--date", "day")
    assert ingested().sort_values("customer_id")["opened_days_before"].max() == 29


def test_columns_called_like_those_of_the_contract_get_a_name_of_their_own(work):
    lines = [f"{number},{number * 7 % 41},{'ab'[number % 2]},{number % 3 == 0:d}" for number in range(60)]
    used(plain(work, "id,Amount,STATUS,y", lines), "--target", "y", "--id", "id")
    assert {"amount_given", "status_given"} <= set(ingested())


@pytest.mark.parametrize("name", ["data.parquet", "data.xlsx", "data.json"])
def test_other_kinds_of_files_are_labelled_files_too(work, name):
    frame = pd.DataFrame({"customer_no": [f"{number:03d}" for number in range(60)], "day": pd.Timestamp("2020-06-30"),
                          "x": [number * 7 % 41 for number in range(60)], "bad": [number % 3 == 0 for number in range(60)]})
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pandas(frame), work / name)
    elif name.endswith("xlsx"):
        workbook(work / name, data=[list(frame), *frame.assign(bad=frame["bad"].astype(int)).astype(object).values.tolist()])
    else:
        frame.assign(day="2020-06-30").to_json(work / name, orient="records", lines=True)
    used(str(work / name), "--target", "bad", "--id", "customer_no", "--date", "day")
    rows = ingested()
    assert rows["customer_id"].tolist()[7] == "007"
    assert (rows["target"].sum(), rows["as_of"].min()) == (20, pd.Timestamp("2020-06-30"))


def test_rows_that_will_be_rejected_are_counted_and_date_nothing(work):
    ids, years = ["", "", "", *range(3, 600)], [2999 if number in (3, 4) else 2016 + number % 6 for number in range(600)]
    lines = [f"{ids[number]},{years[number]}-06-30,{number % 7},{int(number % 5 == 0)}" for number in range(600)]
    told = used(plain(work, "no,day,debt,bad", lines), "--target", "bad", "--id", "no", "--date", "day")
    assert "3 rows without an id: set aside as rejects" in told
    assert f"2 rows dated after {datetime.date.today()}: set aside as rejects" in told
    assert "complete to 2022-08-14" in told
    # The empty ids are no customer who stands there three times.
    assert "customers in" not in told
    assert len(ingested()) == 595


def test_a_workbook_of_several_sheets_may_end_in_a_column_of_words(work):
    sheet = [["no", "x", "bad", "branch"], *([f"K{number}", number % 7, number % 5 == 0, ("north", "east")[number % 2]] for number in range(200))]
    workbook(work / "book.xlsx", loans=sheet, other=[["k", "branch"], ["a", "b c"], ["b", "c d"]])
    assert "book.xlsx has further sheets, which are not read: other" in used(str(work / "book.xlsx"), "--id", "no", "--target", "bad")


def test_a_wrapped_header_of_a_csv_is_one_header_and_named_in_one_line(work):
    path = plain(work, '"Client\nno",x,"Default\nflag"', [f"K{number},{number % 7}.5,{int(number % 5 == 0)}" for number in range(200)])
    used(path, "--id", "Client no", "--target", "Default flag")
    rows = ingested()
    assert (len(rows), rows["target"].sum(), rows["customer_id"][0]) == (200, 40, "K0")


def test_an_id_that_is_a_word_for_nothing_is_named(work):
    path = plain(work, "no,x,bad", [f"{'NA' if number < 9 else number},{number % 7}.5,{int(number % 5 == 0)}" for number in range(200)])
    assert "unsure: 9 rows have the id NA and are taken for one customer; empty it in the file if it means none" in used(path, "--id", "no", "--target", "bad")


def test_names_and_values_of_several_lines_break_neither_the_sql_nor_the_yaml(work):
    lines = [["Client\nno", "Free\ntext", "x", "Default\nflag"], *([f"K{number}", f"{'word ' * 9}{number}", number % 7, ("good", "bad\nguy")[number % 5 == 0]]
                                                               for number in range(200))]
    workbook(work / "book.xlsx", data=lines)
    used(str(work / "book.xlsx"), "--id", "Client\nno", "--target", "Default\nflag", "--bad", "bad\nguy")
    assert ingested()["target"].sum() == 40


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "kredite.csv: which column is the target? likely: Ausfall: say it with --target, and if there are such columns --id (likely: Kundennr"),
    (("--target", "ausfall"), "kredite.csv has no column ausfall (--target): did you mean Ausfall?"),
    (("--target", "default"), "has no column default (--target): it has Kundennr, Stichtag, Umsatz, Branche, Notiz, Konstant, Ausfall; likely: Ausfall."),
    (("--target", "Konstant"), "the target Konstant holds x (600), which do not all say yes or no"),
    (("--target", "Ausfall", "--date", "Branche"), "--date Branche holds no dates that are recognised (text, such as Bau, Handel): name another column"),
    (("--target", "Ausfall", "--bad", "maybe"), "--bad maybe is no value of the target Ausfall, which holds ja (120), nein (480)"),
    (("--target", "Ausfall", "--encoding", "utf-8"), "kredite.csv is not utf-8 throughout: leave --encoding away to have it guessed, or name another"),
    (("--target", "Ausfall", "--encoding", "latin-99"), "kredite.csv: latin-99 is no encoding: name one as Python does"),
    (("--target", "Ausfall", "--id", "Ausfall"), "the column Ausfall is named twice, with --target and --id: name another column, or leave one"),
    (("--target", "Ausfall", "--date", "9999-01-01"), "(600 rows dated after "),
    (("--target", "Ausfall", "--date", f"{datetime.date.today():%Y-%m-%d}"), "none of its targets counts as known by "),
    (("--target", "Ausfall", "--name", "My Loans"), "--name My Loans: a source's name is lower-case letters, digits and _: take my_loans"),
])
def test_what_cannot_be_done_is_said_in_one_line_and_changes_nothing(work, arguments, message):
    path = german(work, [row(number, sector=("Bau", "Handel", "Öl")[number % 2]) for number in range(599)] + [row(599, note="größer")])
    before = Path("params.yaml").read_text()
    result = use(path, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert Path("params.yaml").read_text() == before
    assert not Path("var/sources").exists()


def test_a_target_with_one_class_is_refused(work):
    result = use(plain(work, "id,x,y", [f"{number},{number * 7 % 41},0" for number in range(60)]), "--target", "y")
    assert "the target y holds only 0 (60): a model needs both, good ones and bad ones" in result.stderr


def test_a_file_that_is_not_there_or_damaged_is_named(work):
    assert use(str(work / "no.csv"), "--target", "y").stderr.endswith("no.csv does not exist: say where the file is.\n")
    (work / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n" + bytes(range(48, 91)) * 900)[:60])
    (work / "no.csv.gz").write_bytes(b"a,b\n1,2\n")
    for name in ("cut.csv.gz", "no.csv.gz"):
        assert re.fullmatch(f"error: {name} cannot be read .*: it is damaged, cut off, or not what its name says; get it anew.\n",
                            use(str(work / name), "--target", "b").stderr)


def test_data_is_refused_for_a_file_that_reads_nothing_else(work):
    assert "is a labelled file, which is all that it reads: leave --data away" in use(german(work), "--target", "Ausfall", "--data", str(work)).stderr


def test_the_options_of_a_file_are_refused_for_a_source(work):
    assert "simulated is not a file of rows: --target, --id, --date" in use("simulated", "--target", "y").stderr


def test_two_files_of_one_name_do_not_share_a_source(work):
    (work / "other").mkdir()
    lines = [f"{number},{number * 7 % 41},{number % 3 == 0:d}" for number in range(60)]
    used(plain(work, "id,x,y", lines), "--target", "y")
    other = plain(work / "other", "id,x,y", lines)
    assert "var/sources/data is the source of" in use(other, "--target", "y").stderr
    used(other, "--target", "y", "--name", "other_data")
    assert load_params().source.name == "other_data"


def test_a_file_called_like_a_shipped_source_gets_another_name(work):
    used(plain(work, "id,x,y", [f"{number},{number * 7 % 41},{number % 3 == 0:d}" for number in range(60)], name="simulated.csv"), "--target", "y")
    assert load_params().source.name == "simulated_file"


def test_a_shorter_horizon_is_kept_in_the_source(work):
    lines = [f"{number % 50},{2020 + number % 4}-0{1 + number % 3}-01,{number * 7 % 41},{number % 3 == 0:d}" for number in range(200)]
    text = used(plain(work, "id,day,x,y", lines), "--target", "y", "--id", "id", "--date", "day", "--horizon", "30")
    assert about("data").horizon_days == 30
    assert "75 days after its row's date" in text


def test_the_example_of_the_page_gives_what_the_page_says(work):
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8").partition("## A labelled file is enough")[2]
    blocks = dict(re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", page.partition("## Check")[0], re.MULTILINE | re.DOTALL))
    Path("loans.csv").write_text(blocks["text"])
    assert used(*blocks["console"].split()[2:]) == blocks["answer"]
