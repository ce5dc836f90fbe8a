"""What is odd across kept rows without breaking a table's contract: told beside the counts, and nothing is changed for it."""

from features.feeders.sql import literal, quoted
from features.tables import TABLES
from pipeline.contract_rules import NO_DAY_LIMIT, WHOLE_NUMBERS
from pipeline.unit_findings import finding, unit_findings

# Table and column that names a row of another table by its id.
REFERENCES = (
    *((table, "customer_id", "customers") for table, contract in TABLES.items() if "customer_id" in contract.names and table != "customers"),
    ("payments", "invoice_id", "invoices"),
    ("outcomes", "transaction_id", "transactions"),
    ("observations", "transaction_id", "transactions"),
)
# Forms in which an id that is not found may be found after all: SQL of the form, rule, meaning, remedy. The rest is found in none.
FORMS = (
    ("ltrim({}, '0')", "{name} is in {owner} only with other leading zeros",
     "The id lost its leading zeros in one of the two files, so these rows belong to nobody.",
     "Read the id as text in both, e.g. read_csv('…', types = {{'…': 'VARCHAR'}}), or put the zeros back in {table}.sql, e.g. lpad({name}, {width}, '0')."),
    ("upper(trim({}))", "{name} is in {owner} only with other blanks or capitals",
     "The id is written differently in the two files, so these rows belong to nobody.",
     "Write it alike in {table}.sql and {owner}.sql, e.g. upper(trim({name}))."),
    (None, "{name} is not in {owner}",
     "No row of {owner} has this id.",
     "Complete {owner}.sql, or leave these rows out in {table}.sql."),
)
# Outcomes and observations tell of what came later by their nature.
LOOKING_AHEAD = ("outcomes", "observations")
FUTURE = ("It tells of something that cannot have happened yet.", "Correct the date in {table}.sql, or give null where it is only planned.")
LATER = ("The row tells of a day that had not come when it is said to have been known, so a model would learn from the future.",
         "Give the row as it was known first, without {name}, and again, with it, known from that day on.")


def number_ids(connection, contract):
    """Ids of `staged` that came as numbers of different lengths, which they would have if leading zeros had been lost; a mere count of rows is none."""
    found = connection.execute("SELECT column_name, column_type FROM (DESCRIBE staged)").fetchall()
    names = [name for name, kind in found if kind in WHOLE_NUMBERS and getattr(contract.column(name), "kind", None) == "id"]
    return [told for name in names for told in _number_id(connection, contract.name, name)]


def _number_id(connection, table, name):
    digits = f"length({quoted(name)}::VARCHAR)"
    rows, example, longest = connection.execute(f"""
        WITH form AS (SELECT max({digits}) AS longest,
                             approx_count_distinct({quoted(name)}) >= 0.5 * (max({quoted(name)}) - min({quoted(name)}) + 1) AS counted FROM staged)
        SELECT count(*), min({quoted(name)})::VARCHAR, any_value(longest) FROM staged, form WHERE NOT counted AND {digits} < longest""").fetchone()
    if not rows:
        return []
    meaning = f"Ids have up to {longest} digits and these have fewer: leading zeros, if there were any, are lost."
    remedy = f"Read the column as text in {table}.sql, e.g. read_csv('…', types = {{'…': 'VARCHAR'}}); ids that are numbers by nature are fine as they are."
    return [finding(table, f"{name} came as a number", rows, example, meaning, remedy)]


def table_findings(connection, folder, *, latest=NO_DAY_LIMIT):
    """Findings over the kept tables of a folder: ids that match nothing, dates in the future, dates later than known, amounts in another unit.

    `latest` is the last day that can have happened.
    """
    columns = {table: _columns(connection, folder / f"{table}.parquet") for table in TABLES if (folder / f"{table}.parquet").exists()}
    told = [each for table, name, owner in REFERENCES for each in _unmatched(connection, folder, columns, table, name, owner)]
    told += [each for table, present in columns.items() for each in _dates(connection, folder / f"{table}.parquet", TABLES[table], present, latest)]
    return told + unit_findings(connection, folder, columns)


def _columns(connection, path):
    return [row[0] for row in connection.execute(f"DESCRIBE FROM {literal(path)}").fetchall()]


def _unmatched(connection, folder, columns, table, name, owner):
    key = "customer_id" if owner == "customers" else name
    if name not in columns.get(table, ()) or key not in columns.get(owner, ()):
        return []
    rows, owners = (literal(folder / f"{each}.parquet") for each in (table, owner))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE owners AS SELECT DISTINCT {key} AS id FROM {owners}")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE lost AS
        SELECT * FROM (SELECT {name} AS id, count(*) AS rows FROM {rows} WHERE {name} IS NOT NULL GROUP BY ALL) ANTI JOIN owners USING (id)""")
    told = []
    if connection.execute("SELECT 1 FROM lost LIMIT 1").fetchone():
        width = connection.execute("SELECT max(length(id)) FROM owners").fetchone()[0]
        names = {"table": table, "name": name, "owner": owner, "width": width}
        for form, rule, meaning, remedy in FORMS:
            count, example = _found_in(connection, form)
            if count:
                told.append(finding(table, rule.format(**names), count, example, meaning.format(**names), remedy.format(**names)))
    return told


def _found_in(connection, form):
    """Rows of `lost` whose id is one of `owners` in that form, which are lost no longer, with an example; all that are left where there is no form."""
    if form is None:
        return connection.execute("SELECT coalesce(sum(rows), 0)::BIGINT, min(id) FROM lost").fetchone()
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE alike AS SELECT lost.id, any_value(lost.rows) AS rows, min(owners.id) AS owned
        FROM lost JOIN owners ON {form.format('lost.id')} = {form.format('owners.id')} GROUP BY lost.id""")
    connection.execute("DELETE FROM lost WHERE id IN (SELECT id FROM alike)")
    return connection.execute("SELECT coalesce(sum(rows), 0)::BIGINT, min(id || ' for ' || owned) FROM alike").fetchone()


def _dates(connection, path, contract, present, latest):
    """Dates of what has happened that lie in the future, or after the day from which their row was known."""
    past = [column.name for column in contract.columns if column.kind == "time" and not column.ahead and column.name in present]
    told, end = [], f"TIMESTAMP '{latest} 23:59:59'"
    for name in past:
        if name in ("known_at", contract.occurred):
            continue  # the contract's own rules judge these
        told += _dated(connection, path, contract, name, f"{name} > {end}", f"{name} in the future", FUTURE)
        if contract.name not in LOOKING_AHEAD:
            told += _dated(connection, path, contract, name, f"{name}::DATE > known_at::DATE AND {name} <= {end}", f"{name} after known_at", LATER)
    return told


def _dated(connection, path, contract, name, test, rule, words):
    shown = f"{contract.key[0]} || ': ' || {name}::DATE"
    rows, example = connection.execute(f"SELECT count(*), min({shown}) FROM {literal(path)} WHERE {test}").fetchone()
    meaning, remedy = (text.format(table=contract.name, name=name) for text in words)
    return [finding(contract.name, rule, rows, example, meaning, remedy)] if rows else []
