"""The raw records behind a book's rows, customer by customer, as the service will read them."""

import duckdb
import msgspec

from features.catalogue import Catalogue
from features.feeders.needs import oldest_needed
from features.tables import TABLES as CONTRACTS
from pipeline.datasets import TABLES
from serving.standing import standing_catalogue

# Of a series, the latest period and those up to twelve months before it are read, whatever the lag of publication; a month's value may be of any day from
# the 16th of the month before to its 15th.
SERIES_DAYS = 400


class BookRecords:
    """Reads every row that the catalogue and the policy's standing can use, of what was known at `as_of` (a timestamp).

    `earliest` is the first as_of of the book's rows in seconds: no window reaches further back than from there.
    """

    def __init__(self, catalogue, columns, *, as_of, earliest):
        both = Catalogue(catalogue.use_case, [*catalogue.features, *standing_catalogue(columns).features])
        self.tables = [table for table in both.needs if table != "observations"]
        self.since, self.as_of, self.earliest, self.columns = oldest_needed(both, earliest), as_of, earliest, columns
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 2; SET TimeZone = 'UTC'")

    def of(self, customers):
        """Each customer's rows: {customer_id: {table: rows as JSON}}."""
        self.connection.execute("CREATE OR REPLACE TEMP TABLE chosen AS SELECT unnest(?::VARCHAR[]) AS customer_id", [customers])
        found = {customer: {} for customer in customers}
        for table in self.tables:
            for customer, rows in self.connection.execute(self._query(table), {"as_of": self.as_of}).fetchall():
                found[customer][table] = msgspec.Raw(rows.encode())
        return found

    def _query(self, table):
        path = TABLES / f"{table}.parquet"
        source = self._series(path) if table == "series" else f"chosen JOIN '{path}' t USING (customer_id)"
        recent = ""
        if table in self.since:
            recent = f"AND t.{CONTRACTS[table].occurred} >= make_timestamp({self.since[table] * 1_000_000}::BIGINT)"
        return (f"SELECT chosen.customer_id, to_json(list(t ORDER BY t.known_at, t))::VARCHAR FROM {source} "
                f"WHERE t.known_at <= $as_of::TIMESTAMP {recent} GROUP BY 1")

    def _series(self, path):
        """The market's series and those of the customer's own industry, of the periods that the book's first row or a later one can read."""
        own = all("industry" in self.columns[table] for table in ("customers", "series"))
        last = f"max(CASE WHEN known_at <= make_timestamp({self.earliest * 1_000_000}::BIGINT) THEN period_end END) OVER (PARTITION BY {_key(self.columns)})"
        recent = (f"(FROM '{path}' WHERE known_at <= $as_of::TIMESTAMP "
                  f"QUALIFY period_end >= coalesce({last}, period_end) - INTERVAL {SERIES_DAYS} DAY)")
        if not own:
            return f"chosen JOIN {recent} t ON {'t.industry IS NULL' if 'industry' in self.columns['series'] else 'true'}"
        industry = (f"SELECT customer_id, arg_max(industry, known_at) AS industry FROM '{TABLES}/customers.parquet' "
                    "WHERE known_at <= $as_of::TIMESTAMP GROUP BY 1")
        return f"chosen JOIN ({industry}) c USING (customer_id) JOIN {recent} t ON t.industry IS NULL OR t.industry = c.industry"


def _key(columns):
    return ", ".join(name for name in ("name", "industry") if name in columns["series"])
