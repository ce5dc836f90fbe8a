"""Where a run of the DuckDB feeder spends its threads' time, and what the kernel takes alone: the feeder itself runs, with clocks around its steps."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.measuring import Tally
from features.compute import compute
from features.feeders import duck, reading

# A step and where the feeder calls it; what no step names is DuckDB's reading and sorting, on its threads and on ours.
STEPS = (
    ("converting", reading, "_rows"),
    ("computing", duck, "compute"),
    ("storing", duck, "_store"),
    ("comparing with peers", duck, "_peer_knots"),
    ("comparing with peers", duck, "_fill_peers"),
    ("counting counterparties", reading.Reader, "counterparties"),
    ("writing", duck, "write_columns"),
)
READING = "reading and sorting"
UNSEEN = 0.0005


def phases(tables, observations, out, *, catalogue, threads):
    """Thread seconds and share by step of one run, and the rows that reached the kernel by table: {"steps": {label: {seconds, share}}, "rows": {table: n}}."""
    tally, rows = Tally(), {}
    with _clocks(tally), _counted(rows):
        begun = time.process_time()
        duck.featurize(Path(tables), Path(observations), Path(out), catalogue=catalogue, threads=threads)
        total = time.process_time() - begun
    # a step called inside another would count twice: none is
    seconds = {READING: total - sum(tally.seconds.values()), **tally.seconds}
    return {"steps": {label: {"seconds": spent, "share": spent / total} for label, spent in seconds.items()}, "rows": rows}


class _Together:
    """Several context managers as one."""

    def __init__(self, managers):
        self.managers = managers

    def __enter__(self):
        for each in self.managers:
            each.__enter__()

    def __exit__(self, *about):
        for each in reversed(self.managers):
            each.__exit__(*about)


def _clocks(tally):
    return _Together([patch.object(owner, name, tally.timed(label, getattr(owner, name))) for label, owner, name in STEPS])


def _counted(rows):
    """Count what is converted; a table without customers is read once and shown to every chunk."""
    convert = reading._rows

    def counting(contract, arrow, *others):
        before = rows.get(contract.name, 0) if contract.column("customer_id") else 0
        rows[contract.name] = before + len(arrow)
        return convert(contract, arrow, *others)

    return patch.object(reading, "_rows", counting)


def chunks_of(tables, observations, catalogue, *, threads, chunk_customers=2000):
    """(records, observations) chunk by chunk as `features.feeders.duck` gives them to the kernel."""
    asked = reading.read_observations(observations, catalogue)
    connection = reading.connect(threads=threads)
    connection.execute(f"SET temp_directory = '{Path(observations).parent}/spill'")
    order = duck._by_customer(asked.code)
    ends = duck._chunk_ends(asked, chunk_customers)
    edges = np.searchsorted(asked.code if order is None else asked.code[order], [0, *ends])
    for number, records in enumerate(reading.Reader(connection, Path(tables), catalogue, asked).chunks(ends)):
        low, high = edges[number : number + 2]
        chosen = slice(low, high) if order is None else np.sort(order[low:high])
        yield records, duck._observations(asked, chosen, ends[number - 1] if number else 0)
    connection.close()


def kernel_alone(tables, observations, *, catalogue, threads):
    """Seconds of `compute` over all chunks, which lie in memory: by the clock with one thread and with `threads`, and of processor time with one."""
    chunks = list(chunks_of(tables, observations, catalogue, threads=threads))
    begun, busy = time.perf_counter(), time.process_time()
    for each in chunks:
        compute(catalogue, *each)
    one = {"one_thread": time.perf_counter() - begun, "processor": time.process_time() - busy, "chunks": len(chunks)}
    begun = time.perf_counter()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(lambda each: len(compute(catalogue, *each)), chunks))
    return {**one, "all_threads": time.perf_counter() - begun}


def lines(found):
    """The steps, one line each, and the rows read."""
    for label, each in ((label, each) for label, each in found["steps"].items() if each["share"] > UNSEEN):
        yield f"    {label:28}{each['seconds']:9.2f} s of a thread{each['share']:8.1%}"
    yield "    rows read: " + ", ".join(f"{count:,} {table}" for table, count in found["rows"].items())
