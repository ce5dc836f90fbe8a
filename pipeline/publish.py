"""`risk publish`: the book's records, features and scores for the service; the pointer moves last."""

import duckdb
import msgspec
import pyarrow.parquet as pq

from features.catalogue import Catalogue
from features.errors import RiskError
from models.bundle import load_bundle
from models.policy import load_policy
from pipeline.datasets import INGEST, TABLES, case_path, read_json
from pipeline.params import load_params
from pipeline.progress import progress
from pipeline.score import POLICY
from pipeline.state import VAR, bundle_path, read_champion
from serving.published import BookRow, publish as write_publication
from serving.standing import standing_catalogue

CHUNK = 2000
# Beyond the longest window lie only the statements' history and what is still open: both kept whole.
RECENT_DAYS = {"transactions": 400, "events": 400, "exposures": 120, "series": 800}
SHARED = ("series",)


def publish(use_case):
    """Publish what the score stage wrote with the champion, and return a sentence about it.

    Raises RiskError when there is no champion, or the scores are another bundle's.
    """
    source = load_params().source.name
    champion = read_champion(source, use_case)
    if champion is None:
        raise RiskError(f"{use_case}: there is no champion yet: run `risk run`, or `risk promote` and then `dvc repro`.")
    scores = pq.read_table(case_path(use_case, "scores.parquet"))
    if scores["bundle"][0].as_py() != champion:
        raise RiskError(f"{use_case}: the scores are of another bundle than the champion {champion[:12]}: run `dvc repro` and publish again.")
    bundle, policy = load_bundle(bundle_path(champion)), load_policy(POLICY)
    book = case_path(use_case, "book")
    columns = read_json(book / "columns.json")
    catalogue = Catalogue.from_dict(read_json(book / "catalogue.json")).only(bundle.names)
    with open(POLICY, encoding="utf-8") as file:
        text = file.read()
    manifest = write_publication(
        VAR, _rows(scores, book, catalogue, columns, use_case), source=source, use_case=use_case, as_of=read_json(book / "about.json")["as_of"], bundle=champion,
        policy=text, catalogue=catalogue.to_dict(), context=pq.read_table(book / "context.parquet").to_pydict(),
        extra={"columns": columns, "policy_hash": policy.hash, "description": read_json(INGEST)["description"]})
    _record_policy(policy.hash, text)
    return f"{use_case}: published {manifest['rows']:,} rows as {manifest['hash'][:12]}."


def _record_policy(digest, text):
    from pipeline.promote import open_store

    with open_store() as store:
        store.record_policy(digest, text)


def _rows(scores, book, catalogue, columns, use_case):
    """BookRows of the scored rows by customer; a customer's records go with its first row."""
    table = pq.read_table(book / "features.parquet", columns=list(catalogue.names))
    needed = [name for name in {**catalogue.needs, **standing_catalogue(columns).needs} if name != "observations"]
    order = scores["customer_id"].combine_chunks().to_numpy(zero_copy_only=False).argsort(kind="stable")
    scores, table = scores.take(order), table.take(order)
    as_of, given = read_json(book / "about.json")["as_of"], set()
    bar = progress(len(scores), what=f"publish {use_case}", unit="row")
    for start in range(0, len(scores), CHUNK):
        part, values = scores.slice(start, CHUNK).to_pylist(), table.slice(start, CHUNK).to_pylist()
        new = sorted({row["customer_id"] for row in part} - given)
        given.update(new)
        records = _records(new, needed, as_of)
        for row, features_of_row in zip(part, values, strict=True):
            yield BookRow(row["customer_id"], features_of_row, row, records.pop(row["customer_id"], None), row.get("transaction_id"))
        bar.update(len(part))
    bar.close()


def _records(customers, tables, as_of):
    """Each customer's rows known at as_of: {customer_id: {table: rows as JSON}}."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
    connection.execute("CREATE TEMP TABLE chosen AS SELECT unnest(?) AS customer_id", [customers])
    found = {customer: {} for customer in customers}
    for table in tables:
        for customer, rows in connection.execute(_grouped(table), [as_of] * (2 if table in RECENT_DAYS else 1)).fetchall():
            found[customer][table] = msgspec.Raw(rows.encode())
    connection.close()
    return found


def _grouped(table):
    path = TABLES / f"{table}.parquet"
    recent = f"AND t.known_at > ?::TIMESTAMP - INTERVAL {RECENT_DAYS[table]} DAY" if table in RECENT_DAYS else ""
    joined = (f"chosen JOIN (SELECT customer_id, arg_max(industry, known_at) AS industry FROM '{TABLES}/customers.parquet' GROUP BY 1) c USING (customer_id) "
              f"JOIN '{path}' t ON t.industry IS NULL OR t.industry = c.industry") if table in SHARED else f"chosen JOIN '{path}' t USING (customer_id)"
    return f"SELECT chosen.customer_id, to_json(list(t ORDER BY t.known_at))::VARCHAR FROM {joined} WHERE t.known_at <= ?::TIMESTAMP {recent} GROUP BY 1"
