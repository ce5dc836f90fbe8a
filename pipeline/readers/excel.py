"""A sheet of a workbook (xlsx, xlsm, xlsb, xls, ods) as Arrow: types as the cells have them, nothing guessed."""

import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import RiskError
from pipeline.readers.place import existing

# Beyond it not every whole number has a double of its own.
LARGEST_WHOLE = 2**53
UNNAMED = "__UNNAMED__"


def read(spec, folder):
    """The sheet's rows, those without any value left out.

    Dates are timestamps, text stays text. Numbers are DOUBLE, or BIGINT where the whole column is whole: a workbook knows only doubles, and an
    id 17 must not become the text 17.0. A column with numbers and text, or truth values among numbers, is text. An error cell (#N/A) is null.

    Raises RiskError for a file that is no workbook, a missing sheet, a header row that is empty or beyond the end, and a column name used twice.
    """
    path = existing(spec.file, folder)
    workbook = _open(path)
    sheet = _sheet_name(workbook, spec.sheet, path)
    where = f"{path}, sheet {sheet}"
    names = _header(workbook, sheet, spec.header_row, where)
    table = _load(workbook, sheet, header_row=spec.header_row - 1, schema_sample_rows=None)
    table = _with_truth_as_text(table, workbook, sheet, spec.header_row - 1)
    return _filled(_plain(_named(table, names)))


def sheet_names(path):
    """Names of the workbook's sheets, in their order; RiskError when the file is no workbook."""
    return list(_open(path).sheet_names)


def _open(path):
    import fastexcel

    # It logs a line for every column without values.
    logging.getLogger("fastexcel").setLevel(logging.ERROR)
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0].removeprefix("calamine error: ")
        raise RiskError(f"{path} cannot be read as a workbook ({reason}): save it again as .xlsx, without a password.") from None


def _sheet_name(workbook, asked, path):
    there = list(workbook.sheet_names)
    if asked is None and there:
        return there[0]
    if asked not in there:
        raise RiskError(f"{path} has no sheet {asked}: its sheets are {', '.join(there)}.")
    return asked


def _header(workbook, sheet, header_row, where):
    """The header's cells by position, None where a cell is empty; the row itself is read because fastexcel renames what is there twice."""
    height = workbook.load_sheet(sheet, header_row=None, skip_rows=0, n_rows=1).total_height
    beyond = header_row > height
    row = [] if beyond else _load(workbook, sheet, header_row=None, skip_rows=header_row - 1, n_rows=1, dtypes="string").to_pylist()
    names = [None if cell is None or not cell.strip() else cell.strip() for cell in row[0].values()] if row else []
    if not any(names):
        raise RiskError(f"{where}: row {header_row} holds no column names: set `header_row:` to the row that does, counted as Excel does.")
    seen = set()
    for name in filter(None, names):
        if name.lower() in seen:
            raise RiskError(f"{where}: the column name {name} stands twice in row {header_row} (capitals do not count): rename one of them.")
        seen.add(name.lower())
    return names


def _load(workbook, sheet, **options):
    import fastexcel

    try:
        return pa.Table.from_batches([workbook.load_sheet(sheet, whitespace_as_null=True, **options).to_arrow()])
    except fastexcel.FastExcelError as error:
        raise RiskError(f"sheet {sheet} cannot be read ({str(error).splitlines()[0]}): correct the workbook.") from None


def _with_truth_as_text(table, workbook, sheet, header_row):
    """A truth value among numbers comes as 1.0 from fastexcel: such a column is mixed, so it is loaded as text."""
    numbers = [place for place, field in enumerate(table.schema) if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]
    if not numbers:
        return table
    # All columns once more: a choice of some by their place misses where a sheet begins further right.
    texts = _load(workbook, sheet, header_row=header_row, dtypes="string")
    for place in numbers:
        if pc.any(pc.is_in(texts.column(place), pa.array(["true", "false"]))).as_py():
            table = table.set_column(place, table.schema.names[place], texts.column(place))
    return table


def _named(table, names):
    """The header's own names; a column without one is left out when it is empty, and else called after its place."""
    names = [names[place] if place < len(names) and names[place] else f"{UNNAMED}{place}" for place in range(table.num_columns)]
    kept = [place for place, name in enumerate(names) if not name.startswith(UNNAMED) or table.column(place).null_count < table.num_rows]
    return pa.table([table.column(place) for place in kept], names=[names[place] for place in kept])


def _plain(table):
    columns = [_plain_column(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _plain_column(column):
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_floating(kind) and _is_whole(column) else column


def _is_whole(column):
    values = column.drop_null().to_numpy()
    return len(values) > 0 and bool(np.all((values == np.floor(values)) & (np.abs(values) < LARGEST_WHOLE)))


def _filled(table):
    if not table.num_columns:
        return table
    empty = table.column(0).is_null()
    for column in table.columns[1:]:
        empty = pc.and_(empty, column.is_null())
    return table.filter(pc.invert(empty))
