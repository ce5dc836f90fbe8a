"""The data dictionary says what the declarations say."""

from pipeline.dictionary import COMMAND, PAGE, page


def test_the_page_is_what_the_declarations_say():
    assert PAGE.read_text(encoding="utf-8") == page(), f"docs/features.md is behind the declarations: write it with `{COMMAND}`"


def test_no_cell_breaks_its_table():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 400
    assert {line.count("|") for line in rows if not line.startswith("| `bg_<")} == {12}
