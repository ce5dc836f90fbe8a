"""From whole numbers to the tables' columns: schemas, identifiers, categories, and Parquet files written block after block."""

import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import LINES
from pipeline.sources._simulated_transactions import CHANNELS, KINDS
from pipeline.sources._simulated_world import INDUSTRIES, NULL, OWNERSHIPS, REGIONS, SCOPES


@dataclass(frozen=True)
class Id:
    """An identifier: a letter and a number of fixed width; a negative number is null."""

    prefix: str
    width: int


TIME, MONEY, NUMBER, FLAG, WHOLE, TEXT = "time", "money", "number", "flag", "whole", "text"
CUSTOMER = Id("C", 7)
CNY = ("CNY",)

SCHEMAS = {
    "customers": {"customer_id": CUSTOMER, "known_at": TIME, "name": TEXT, "kind": ("company",), "industry": INDUSTRIES, "scope": SCOPES,
                  "ownership": OWNERSHIPS, "region": REGIONS, "founded_on": TIME, "onboarded_on": TIME},
    "statements": {"customer_id": CUSTOMER, "period_end": TIME, "period_months": WHOLE, "basis": ("separate",), "source": ("filing",),
                   "known_at": TIME, "currency": CNY, "audited": FLAG} | dict.fromkeys(LINES, NUMBER),
    "contracts": {"contract_id": Id("D", 10), "known_at": TIME, "customer_id": CUSTOMER, "signed_on": TIME, "due_on": TIME,
                  "fulfilled_on": TIME, "amount": MONEY, "status": ("open", "fulfilled", "late", "breached")},
    "invoices": {"invoice_id": Id("I", 12), "known_at": TIME, "customer_id": CUSTOMER, "issued_at": TIME, "due_at": TIME, "amount": MONEY,
                 "currency": CNY},
    "payments": {"payment_id": Id("P", 12), "known_at": TIME, "invoice_id": Id("I", 12), "customer_id": CUSTOMER, "occurred_at": TIME,
                 "amount": MONEY, "kind": ("payment", "credit_note", "write_off")},
    "transactions": {"transaction_id": Id("T", 13), "known_at": TIME, "customer_id": CUSTOMER, "occurred_at": TIME, "amount": MONEY,
                     "currency": CNY, "kind": KINDS, "counterparty_id": Id("K", 7), "channel": CHANNELS, "balance": MONEY},
    "events": {"event_id": Id("E", 10), "known_at": TIME, "customer_id": CUSTOMER, "occurred_at": TIME,
               "kind": ("complaint", "dispute", "lawsuit", "inquiry"), "amount": MONEY, "severity": NUMBER,
               "source": ("crm", "court", "register"), "confidence": NUMBER},
    "exposures": {"customer_id": CUSTOMER, "known_at": TIME, "limit": MONEY, "exposure": MONEY, "collateral": MONEY, "currency": CNY},
    "series": {"name": ("business_climate", "industry_index"), "industry": INDUSTRIES, "period_end": TIME, "known_at": TIME,
               "value": NUMBER, "unit": ("index",)},
    "outcomes": {"customer_id": CUSTOMER, "transaction_id": Id("T", 13), "kind": ("default", "fraud"), "occurred_at": TIME,
                 "known_at": TIME, "loss": MONEY, "cured_at": TIME},
}
TRUTH_SCHEMAS = {
    "reference": {"customer_id": CUSTOMER, "as_of": TIME, "reference_pd_12m": NUMBER},
    "state": {"customer_id": CUSTOMER, "as_of": TIME, "leverage": NUMBER, "illiquidity": NUMBER, "weak_margin": NUMBER, "lateness": NUMBER,
              "thin_buffer": NUMBER, "frailty": NUMBER, "monthly_hazard": NUMBER, "rush_months": WHOLE},
    "fraud": {"transaction_id": Id("T", 13), "reference_probability": NUMBER},
}
_TYPES = {TIME: pa.timestamp("us"), MONEY: pa.int64(), NUMBER: pa.float64(), FLAG: pa.bool_(), WHOLE: pa.int64(), TEXT: pa.string()}


def arrow_schema(schema):
    """The Arrow schema of a table; identifiers and categories are strings."""
    return pa.schema([(name, _TYPES[kind] if isinstance(kind, str) else pa.string()) for name, kind in schema.items()])


def encode(rows, schema, *, block_start):
    """One table's rows as Arrow arrays by column; `customer` in the rows is the place in the block that starts at `block_start`."""
    rows = dict(rows)
    if "customer" in rows:
        rows["customer_id"] = np.where(rows["customer"] < 0, -1, rows["customer"] + block_start + 1)
    if "lines" in rows:
        rows |= dict(zip(LINES, rows["lines"].T, strict=True))
    return {name: _column(rows[name], kind) for name, kind in schema.items()}


def _column(values, kind):
    if isinstance(kind, Id):
        return _identifiers(values, kind)
    if isinstance(kind, tuple):
        return pa.array(kind).take(pa.array(values, mask=values < 0))
    if kind == TIME:
        return pa.array(values * np.where(values == NULL, 0, 1_000_000), mask=values == NULL).cast(pa.timestamp("us"))
    if kind == MONEY:
        return pa.array(values, mask=values == NULL)
    return pa.array(values, type=_TYPES[kind], from_pandas=kind == NUMBER)


def _identifiers(numbers, kind):
    """Fixed-width identifiers written digit by digit into the buffer of an Arrow string array."""
    n, width = len(numbers), kind.width + 1
    text = np.empty((n, width), dtype=np.uint8)
    text[:, 0] = ord(kind.prefix)
    rest = np.maximum(numbers, 0)
    for place in range(width - 1, 0, -1):
        rest, digit = np.divmod(rest, 10)
        text[:, place] = digit + 48
    offsets = np.arange(n + 1, dtype=np.int32) * width
    valid = pa.py_buffer(np.packbits(numbers >= 0, bitorder="little").tobytes()) if (numbers < 0).any() else None
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text), valid)


class Files:
    """Parquet files in one folder, written beside their final names and put in place together when all are complete."""

    def __init__(self, folder, schemas):
        folder.mkdir(parents=True, exist_ok=True)
        self.schemas = schemas
        self.paths = {name: folder / f"{name}.parquet" for name in schemas}
        self.writers = {name: open_writer(_beside(path), schemas[name]) for name, path in self.paths.items()}

    def write(self, name, rows, *, block_start):
        """Append rows as one row group; nothing for no rows."""
        columns = encode(rows, self.schemas[name], block_start=block_start)
        self.writers[name].write_table(pa.table(columns, schema=self.writers[name].schema))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        """Put the files in place, or drop them if anything went wrong."""
        for writer in self.writers.values():
            writer.close()
        for path in self.paths.values():
            _beside(path).unlink() if kind else os.replace(_beside(path), path)


def _beside(path):
    return path.with_name(path.name + ".part")


def open_writer(path, schema):
    """A Parquet writer of one table's rows."""
    repeated = [name for name, kind in schema.items() if isinstance(kind, tuple) or kind in (CUSTOMER, TIME, WHOLE, TEXT)]
    return pq.ParquetWriter(path, arrow_schema(schema), compression="zstd", compression_level=1, use_dictionary=repeated)
