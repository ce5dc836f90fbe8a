"""The feeder of books too large for one machine: Spark reads, filters and deals customers into buckets, the kernel computes each bucket.

Spark adds nothing up but the context's whole numbers. Each bucket's rows of all tables meet its observations in one Python worker, where they
are put in order and computed by the code that every feeder runs, so the bits are the same. A worker holds one bucket at a time; with `buckets`
(Spark's own `spark.sql.shuffle.partitions` where none is given) chosen so that a bucket has about a million rows, that is a few hundred MB. One
customer is never split: the largest one is the least that a worker must hold.

The driver holds what tables without customers have (market series), and where it builds the context: per observation the figures that peer
features compare (at most 22 numbers), per counterparty and day two counts. Workers need this package installed.
"""

import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from pathlib import Path

import pyarrow as pa

from features.context import Context
from features.errors import RiskError
from features.feeders.arrow import as_array, as_column, features_schema, write_context
from features.feeders.bases import bases_of, counterparties_of, knots_of
from features.feeders.buckets import answers_of, features_of
from features.feeders.needs import COUNTED, needed, oldest_needed, require_counted, zoned_moments
from features.feeders.parcels import pack, unpack
from features.feeders.writing import replacing

try:
    import py4j.protocol
    import pyspark.errors
    import pyspark.sql
    from pyspark.sql import functions as sf
    from pyspark.sql import types as st
except ImportError:
    pyspark = None

MISSING_PYSPARK = "The Spark feeder needs pyspark, which is not installed: pip install .[spark]."
EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Featurized:
    """What `featurize` gives: the Spark DataFrame of features and the Context they were computed with."""

    frame: object
    context: Context


def local_session(*, threads=2, memory="2g", partitions=None):
    """A Spark session on this machine alone, in UTC and without its web page, whose workers run this interpreter.

    `memory` is the driver's, which does all the engine's work here; `partitions` sets `spark.sql.shuffle.partitions`, two per thread by default.
    Raises RiskError when pyspark or Java is missing.
    """
    _require_pyspark()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = pyspark.sql.SparkSession.builder.master(f"local[{threads}]").appName("customer-risk")
    for name, value in {
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(partitions or 2 * threads),
        "spark.executorEnv.PYTHONPATH": str(Path(__file__).parents[2]),
    }.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except pyspark.errors.PySparkRuntimeError as error:
        raise RiskError(f"Spark does not start ({_first_line(error)}); install Java 17 or newer and put java on the path.") from None


def featurize(spark, tables, observations, out_path=None, *, catalogue, context=None, context_path=None, buckets=None):
    """The catalogue's features of every observation as Featurized: observation_id and the catalogue's columns, rows in any order.

    `tables` is a folder of <table>.parquet or {table: DataFrame}, `observations` a path or a DataFrame; their moments carry no zone
    (timestamp_ntz). With `out_path` the features are written there as a new folder of Parquet parts and the frame reads them; without one
    only the observations are checked and the context is built, buckets are computed whenever the frame is asked for rows, and what workers refuse
    then reads plainly inside `with sentences():`.
    Without a `context` one is built from these observations (and, for counterparties, from the transactions known by their last as_of), the
    same as the DuckDB feeder's, and written to `context_path`, if given. `buckets` bounds memory and changes no bit.
    Raises RiskError when pyspark, a table or a column that cannot be done without is missing, a file cannot be read, moments carry a zone, an
    observation lacks customer_id or as_of, or out_path is already there.
    """
    _require_pyspark()
    with sentences():
        book = _book(spark, tables, observations, catalogue, buckets)
        given = _context(book, catalogue) if context is None else context
        frame = _answers(book, catalogue, given, features_of, features_schema(catalogue))
        frame = frame if out_path is None else _written(spark, frame, str(out_path))
    if context is None and context_path is not None:
        with replacing(Path(context_path)) as beside:
            write_context(given, beside)
    return Featurized(frame, given)


@contextmanager
def sentences():
    """Inside it, what a worker refused is raised as the one-sentence RiskError it was, without Spark's traces."""
    try:
        yield
    except (pyspark.errors.PySparkException, py4j.protocol.Py4JError) as error:
        said = re.findall(r"RiskError: (.*)", str(error))
        if not said:
            raise
        raise RiskError(said[-1].strip()) from None


def _require_pyspark():
    if pyspark is None:
        raise RiskError(MISSING_PYSPARK)


def _first_line(error):
    return str(error).strip().splitlines()[0]


# what is asked, and of what


@dataclass(frozen=True)
class _Book:
    """Frames by table, the observations' frame, their first and last as_of in seconds, and the number of buckets."""

    spark: object
    frames: dict
    asked: object
    earliest: int
    latest: int
    buckets: int


def _book(spark, tables, observations, catalogue, buckets):
    names = [name for name in catalogue.needs if name != "observations"]
    frames = {name: _table(spark, tables, name) for name in names}
    if any(each.scope == "counterparty" for each in catalogue.features):
        frames["outcomes"] = _table(spark, tables, "outcomes", optional=True)
    asked = _asked(spark, observations, catalogue)
    earliest, latest = _span(asked)
    return _Book(spark, frames, asked, earliest, latest, buckets or int(spark.conf.get("spark.sql.shuffle.partitions")))


def _table(spark, tables, name, *, optional=False):
    if not isinstance(tables, dict):
        path = f"{str(tables).rstrip('/')}/{name}.parquet"
        return _read(spark, path, None if optional else f"Table {name} is missing: there is no {path}")
    if name not in tables and not optional:
        raise RiskError(f"Table {name} is missing: given are {', '.join(tables) or 'none'}; ingest it or build the catalogue from the tables that are there.")
    return tables.get(name)


def _read(spark, path, missing):
    """The frame of a Parquet path; where there is none, None or, if `missing` says what is wrong, a RiskError."""
    try:
        return spark.read.parquet(path)
    except (pyspark.errors.PySparkException, py4j.protocol.Py4JError) as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise RiskError(f"{path} cannot be read as a table ({_first_line(error)}); ingest it again.") from None
        if missing is None:
            return None
        raise RiskError(f"{missing}; ingest it or build the catalogue from the tables that are there.") from None


def _asked(spark, observations, catalogue):
    own = catalogue.needs.get("observations", ())
    names = list(dict.fromkeys(["observation_id", "customer_id", "as_of", *own]))
    frame = observations if isinstance(observations, pyspark.sql.DataFrame) else _read(spark, str(observations), f"There is no {observations}")
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        raise RiskError(f"The observations lack the column {', '.join(lacking)}; the catalogue of {catalogue.use_case} needs it.")
    return _without_zones("observations", frame.select(*map(_column, names)))


def _span(asked):
    """The first and the last as_of in seconds, rounded down; 0 without observations."""
    moment = _column("as_of").cast("timestamp_ntz")
    gaps = [sf.count_if(_column(name).isNull()) for name in ("as_of", "customer_id")]
    first, last, *lacking = asked.agg(sf.min(moment), sf.max(moment), *gaps).first()
    if any(lacking):
        raise RiskError(f"Observations: {lacking[0]} rows lack as_of and {lacking[1]} lack customer_id; every observation needs both.")
    return _seconds(first), _seconds(last)


def _seconds(moment):
    return 0 if moment is None else (moment - EPOCH) // timedelta(seconds=1)


def _without_zones(name, frame):
    zoned = [field.name for field in frame.schema if isinstance(field.dataType, st.TimestampType)]
    if zoned:
        count = frame.agg(sf.count(_column(zoned[0]))).first()[0]
        raise zoned_moments(name, zoned[0], count, remedy="store them as UTC without a zone, in Spark as timestamp_ntz")
    return frame


def _column(name):
    return sf.col("`" + name.replace("`", "``") + "`")


def _moment(seconds):
    return sf.lit(str(EPOCH + timedelta(seconds=seconds))).cast("timestamp_ntz")


# rows to buckets, buckets to answers


def _answers(book, catalogue, context, answer, schema):
    """The frame of `answer(catalogue, needs, asked, tables, context=context)`, an Arrow table of that schema, over all buckets."""
    needs = needed(catalogue, {name: frame.columns for name, frame in book.frames.items() if frame is not None})
    since = oldest_needed(catalogue, book.earliest)
    rows = {name: _rows(book, need, since.get(name)) for name, need in needs.items()}
    everywhere = {name: (frame.limit(0) if needs[name].owned else frame).toArrow() for name, frame in rows.items()}
    job = book.spark.sparkContext.broadcast((catalogue, needs, everywhere, context))

    def compute_bucket(asked, parcels):
        own_catalogue, own_needs, shared, own_context = job.value
        return answer(own_catalogue, own_needs, asked, unpack(parcels, shared), context=own_context)

    asked = book.asked.withColumn("bucket", _bucket(book)).groupBy("bucket")
    parcels = _parcels(book, {name: frame for name, frame in rows.items() if needs[name].owned}).groupBy("bucket")
    return asked.cogroup(parcels).applyInArrow(compute_bucket, _spark_schema(schema))


def _rows(book, need, since):
    """The rows of a table that some observation may read, with the columns it needs."""
    frame = book.frames[need.table].select(*map(_column, need.carried))
    kept = _without_zones(need.table, frame).filter(_column("known_at") <= _moment(book.latest)).dropna(subset=list(need.filled))
    if since is not None:
        kept = kept.filter(_column(need.order[0]) > _moment(since - 1))
    # Spark hashes an int and a bigint of one value differently, and Arrow finds no int among bigints
    return kept.withColumn("customer_id", _column("customer_id").try_cast(book.asked.schema["customer_id"].dataType)) if need.owned else kept


def _bucket(book):
    return sf.pmod(sf.xxhash64(_column("customer_id").cast("string")), sf.lit(book.buckets)).cast("int").alias("bucket")


def _parcels(book, rows):
    """All owned rows as one frame of parcels."""
    schema = "bucket int, table string, rows binary"
    frames = [
        frame.filter(_column("customer_id").isNotNull()).withColumn("bucket", _bucket(book)).mapInArrow(_packing(name), schema)
        for name, frame in rows.items()
    ]
    return reduce(lambda all_frames, frame: all_frames.unionAll(frame), frames, book.spark.createDataFrame([], schema))


def _packing(name):
    def pack_table(batches):
        yield from pack(batches, name)

    return pack_table


def _spark_schema(schema):
    kinds = {pa.string(): st.StringType(), pa.float64(): st.DoubleType(), pa.int64(): st.LongType()}
    return st.StructType([st.StructField(field.name, kinds[field.type]) for field in schema])


def _written(spark, frame, path):
    try:
        frame.write.parquet(path, compression="snappy")
    except pyspark.errors.AnalysisException as error:
        if "PATH_ALREADY_EXISTS" not in str(error):
            raise
        raise RiskError(f"{path} is already there; remove it or write to another folder.") from None
    return spark.read.parquet(path)


# the context


def _context(book, catalogue):
    """The Context that the DuckDB feeder builds of these observations."""
    counted = Context(counterparties=_counterparties(book) if "outcomes" in book.frames else None)
    compared = bases_of(catalogue)
    return Context(_knots(book, compared), counted.counterparties) if len(compared) else counted


def _knots(book, compared):
    schema = features_schema(compared).set(0, pa.field("as_of", pa.int64()))
    found = _answers(book, compared, None, _bases, schema).toArrow()
    return knots_of({name: as_array(found[name]) for name in compared.names}, found["as_of"].to_numpy())


def _bases(catalogue, needs, asked, tables, *, context):
    observations, columns = answers_of(catalogue, needs, asked, tables, context=context)
    schema = features_schema(catalogue).set(0, pa.field("as_of", pa.int64()))
    return pa.table([observations.as_of, *(as_column(column) for column in columns.values())], schema=schema)


def _counterparties(book):
    """Running counts of all counterparties: Spark adds whole numbers up by counterparty and day, which is exact in any order."""
    known = _judged(book).filter(_column("known_at") <= _moment(book.latest))
    # a day counts from the next midnight on, like every moment rounded up
    midnight = sf.to_date("known_at")
    day = sf.unix_date(midnight) + (_column("known_at") > midnight.cast("timestamp_ntz")).cast("int")
    found = known.groupBy("counterparty_id", day.cast("long").alias("day")).agg(sf.sum(1 - sf.col("fraud")), sf.sum("fraud")).toArrow()
    return counterparties_of(found, earliest=book.earliest, latest=book.latest)


def _judged(book):
    """One row per transaction with a counterparty, and one more for each fraud among them: counterparty_id, known_at, fraud 0 or 1."""
    rows = _chosen(book, "transactions").filter(_column("counterparty_id").isNotNull())
    judged = rows.withColumn("fraud", sf.lit(0))
    if book.frames["outcomes"] is not None:
        outcomes = _chosen(book, "outcomes").filter("kind = 'fraud'")
        both = rows.join(outcomes.select("transaction_id", sf.col("known_at").alias("found_at")), "transaction_id")
        judged = judged.unionAll(both.select("transaction_id", "counterparty_id", sf.greatest("known_at", "found_at"), sf.lit(1)))
    return judged


def _chosen(book, table):
    require_counted(table, book.frames[table].columns)
    return _without_zones(table, book.frames[table].select(*COUNTED[table])).withColumn("known_at", _column("known_at").cast("timestamp_ntz"))
