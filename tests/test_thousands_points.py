"""Points that may part thousands."""

import pytest

from pipeline.params import load_params
from pipeline.source import Source
from pipeline.staging import connect
from pipeline.thousands_points import point_findings

LIMITS = load_params().ingest


def findings(folder, values, sql="SELECT sum FROM 'sums.csv'"):
    (folder / "sums.csv").write_text("id;sum\n" + "".join(f"{number};{value}\n" for number, value in enumerate(values)))
    (folder / "payments.sql").write_text(sql)
    with connect(LIMITS) as connection:
        return point_findings(connection, Source("mine", folder, "", ["default"], None, {"payments": folder / "payments.sql"}))


def test_points_with_three_digits_behind_them_throughout_are_told(tmp_path):
    (told,) = findings(tmp_path, ["1.234", "12.500", "999"])
    assert (told["table"], told["rule"], told["rows"], told["example"]) == ("payments", "points that may part thousands", 2, "1.234")
    assert "thousands = '.'" in told["remedy"]


@pytest.mark.parametrize("values", [
    ["1.234", "12.5", "12.500"], ["0.234", "1.250", "1.251"], ["1.234", "1.250", "1000"], ["1234.250", "1.250", "1.251"], ["7", "8", "9"],
])
def test_evident_fractions_are_not(tmp_path, values):
    assert findings(tmp_path, values) == []


def test_a_call_that_says_what_a_point_is_decides(tmp_path):
    assert findings(tmp_path, ["1.234", "12.500"], "SELECT sum FROM read_csv('sums.csv', decimal_separator = '.')") == []
