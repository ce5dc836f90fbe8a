"""`source.yaml`, typed: what a source is, the inputs that DuckDB cannot open itself, and how its results are judged."""

from typing import Annotated, Literal

import msgspec

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Something that says of which kind it is; a key its kind does not declare is an error."""


class ByTime(_Kind, tag="by_time"):
    """Judged on later dates: as_of days, all inclusive; what lies between belongs to neither side."""

    development_to: Day
    out_of_time_from: Day
    out_of_time_to: Day


class _Drawn(_Kind):
    """What protocols without dates share.

    `only` keeps the observations whose column has that value, `as_of_from` and `as_of_to` (inclusive) those of some dates. Rows are drawn in
    the order of observation_id.
    """

    only: dict[str, str] = {}
    as_of_from: Day | None = None
    as_of_to: Day | None = None
    seed: int = 0


class AtRandom(_Drawn, tag="random"):
    """Judged on a share of the rows, drawn at random with the classes in proportion; round r draws with seed + r."""

    test_share: Share = 0.3
    rounds: Count = 1


class KFold(_Drawn, tag="k_fold"):
    """Judged fold by fold, classes in proportion, `repeats` times over; a round is one fold."""

    folds: Annotated[int, msgspec.Meta(ge=2)] = 10
    repeats: Count = 1


class Grouped(_Drawn, tag="grouped"):
    """Judged fold by fold with every customer wholly on one side; a round is one fold."""

    folds: Annotated[int, msgspec.Meta(ge=2)] = 5


Protocol = ByTime | AtRandom | KFold | Grouped


class Excel(_Kind, tag="excel"):
    """A sheet of a workbook (the first one where none is named); `header_row` counts from 1, as Excel does."""

    file: str
    sheet: str | None = None
    header_row: Count = 1


class PostgreSQL(_Kind, tag="postgresql"):
    """The answer of a query, fetched through ADBC from the database whose URL the environment variable `url_env` holds.

    `watermark` is a cheap query of one row that changes whenever the answer does; `risk run` asks it to see whether to ingest again.
    """

    url_env: Annotated[str, msgspec.Meta(pattern="^[A-Z_][A-Z0-9_]*$")]
    query: str
    watermark: str | None = None


class Arff(_Kind, tag="arff"):
    """A file in Weka's attribute-relation format."""

    file: str


class Text(_Kind, tag="text"):
    """A delimited text in an encoding that DuckDB does not read itself (gb18030, cp1250, …); every column arrives as text."""

    file: str
    encoding: str
    delimiter: str = ","


class CompanyReports(_Kind, tag="company_reports"):
    """Commercial company reports in JSON, one or a list of them a file (`files` may be a pattern), as rows of the table events."""

    files: str


class BureauFile(_Kind, tag="bureau"):
    """A credit bureau's CSV, as rows of the table events; the columns it needs are in docs/credit_reports.md."""

    file: str


Input = Excel | PostgreSQL | Arff | Text | CompanyReports | BureauFile


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`source.yaml` beside the SQL files.

    `complete_to` is the day up to which every outcome is in the files (absent: the last date found in them); `horizon_days` how far the
    published outcome looks ahead where that is not the parameters' horizon; `inputs` are relations the SQL can name beside files;
    `protocol` is the published way to judge, `also` further ways by name, for comparisons.
    """

    description: str
    use_cases: list[Literal["default", "fraud"]]
    complete_to: Day | None = None
    horizon_days: Count | None = None
    inputs: dict[Name, Input] = {}
    protocol: Protocol | None = None
    also: dict[Name, Protocol] = {}
