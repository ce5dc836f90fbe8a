"""Part `portfolio` of `benchmarks.features`: all default features of a simulated portfolio at every month end of two years, and which cost most."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from benchmarks import feature_costs, feature_phases
from benchmarks.measuring import alternate, line, measured, serve_work
from features.catalogue import build_catalogue
from features.feeders import duck
from features.feeders.sql import literal
from pipeline.sources.simulated import Settings, last_day, simulate

MODULE = "benchmarks.feature_portfolio"
OBSERVED_MONTHS, HISTORY_MONTHS = 24, 12
# The reference PD is not asked for here and takes most of a simulation: no month is the thousandth.
WITHOUT_REFERENCE = 1_000
OBSERVATIONS = """
    WITH dates AS (SELECT unnest(generate_series(DATE '{last}' - INTERVAL {back} MONTH + INTERVAL 1 DAY, DATE '{last}' + INTERVAL 1 DAY, INTERVAL 1 MONTH))
                          - INTERVAL 1 SECOND AS as_of),
         known AS (SELECT customer_id, min(known_at) AS since FROM {customers} GROUP BY 1)
    SELECT customer_id || '@' || strftime(as_of, '%Y-%m-%d') AS observation_id, customer_id, as_of::TIMESTAMP AS as_of
    FROM known JOIN dates ON since <= as_of ORDER BY as_of, customer_id"""


def catalogue_of(folder):
    """The default features that the simulated tables allow."""
    observations = Path(folder) / "observations.parquet"
    return build_catalogue("default", duck.columns_of(Path(folder) / "tables", until=duck.last_as_of(observations)))


def work_make(clock, *, folder, customers, months):
    """The simulator's tables, and as observations the last month ends of all customers known by then."""
    folder = Path(folder)
    settings = Settings(customers=customers, months=months, reference_every_months=WITHOUT_REFERENCE)
    simulate(folder / "tables", folder / "truth", settings=settings)
    (folder / "ours").mkdir(exist_ok=True)
    # the last month end's next day is a first of the month, so that steps of a month never slip
    last, known = last_day(settings.first_month, months), literal(folder / "tables" / "customers.parquet")
    asked = OBSERVATIONS.format(last=last, back=OBSERVED_MONTHS - 1, customers=known)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"COPY ({asked}) TO {literal(folder / 'observations.parquet')} (FORMAT parquet)")


def work_ours(clock, *, folder, threads):
    """The DuckDB feeder with peers' context; the number of columns and observations."""
    folder, catalogue = Path(folder), catalogue_of(folder)
    clock.start()
    duck.featurize(folder / "tables", folder / "observations.parquet", folder / "ours" / "features.parquet", catalogue=catalogue, threads=threads)
    return {"columns": len(catalogue), "observations": pq.read_metadata(folder / "observations.parquet").num_rows}


def work_phases(clock, *, folder, threads):
    """The same run with clocks around its steps."""
    folder, out = Path(folder), Path(folder) / "ours" / "phases.parquet"
    return feature_phases.phases(folder / "tables", folder / "observations.parquet", out, catalogue=catalogue_of(folder), threads=threads)


def work_costs(clock, *, folder, sample, threads):
    """The kernel with clocks around its steps over some customers drawn by their hash, with the context that they give each other."""
    folder, catalogue = Path(folder), catalogue_of(folder)
    asked = folder / "sample.parquet"
    _draw_customers(folder / "observations.parquet", asked, sample)
    context = duck.featurize(folder / "tables", asked, folder / "ours" / "sample.parquet", catalogue=catalogue, threads=threads)
    return feature_costs.costs(catalogue, feature_phases.chunks_of(folder / "tables", asked, catalogue, threads=threads), context)


def _draw_customers(observations, out, sample):
    """Write the observations of as many customers as have about `sample` of them."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"""COPY (
            WITH ordered AS (SELECT *, dense_rank() OVER (ORDER BY hash(customer_id), customer_id) AS place FROM {literal(observations)}),
                 counted AS (SELECT place, sum(count(*)) OVER (ORDER BY place) AS upto FROM ordered GROUP BY place)
            SELECT ordered.* EXCLUDE (place) FROM ordered JOIN counted USING (place) WHERE upto <= greatest({sample}, 100) ORDER BY as_of, customer_id
            ) TO {literal(out)} (FORMAT parquet)""")


def portfolio(folder, options):
    """Print the run, where its time goes, what was read and what costs most; the figures."""
    if options.months < OBSERVED_MONTHS + HISTORY_MONTHS:
        raise SystemExit(f"portfolio: {options.months} months leave the first of {OBSERVED_MONTHS} month ends without a year of history: give 36 or more")
    folder = folder / f"portfolio-{options.customers}-{options.months}"
    if not (folder / "observations.parquet").exists():
        made = measured(MODULE, "make", folder=folder, customers=options.customers, months=options.months)
        print(f"  (simulated in {made['wall']:.0f} s)", flush=True)
    given = {"folder": folder, "threads": options.threads}
    found = alternate({"ours": lambda: measured(MODULE, "ours", watch=folder / "ours" / ".features.parquet.scratch", **given)}, rounds=options.rounds)["ours"]
    result = {"customers": options.customers, "months": OBSERVED_MONTHS, **found, **found["told"]}
    result |= {"phases": measured(MODULE, "phases", **given)["told"], "costs": measured(MODULE, "costs", sample=options.sample, **given)["told"]}
    _print_portfolio(result)
    return result


def _print_portfolio(result):
    about = f"{result['customers']:,} customers, {result['observations']:,} observations at {result['months']} month ends, {result['columns']} columns"
    print(f"portfolio: {about}", line("ours", result), *feature_phases.lines(result["phases"]), sep="\n")
    print(*feature_costs.lines(result["costs"], result["phases"]["steps"]["computing"]["seconds"]), sep="\n")


if __name__ == "__main__":
    serve_work({"make": work_make, "ours": work_ours, "phases": work_phases, "costs": work_costs})
