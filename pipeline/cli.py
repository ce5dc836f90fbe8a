"""`risk`: one command line over the pipeline and the service. Each sub-command imports what it needs when it is called."""

import sys

import click

from features.errors import RiskError


class _Group(click.Group):
    """Shows a user's error as one sentence, and exits with 1."""

    def main(self, *arguments, **options):
        try:
            return super().main(*arguments, **options)
        except RiskError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)


_use_case = click.option("--use-case", type=click.Choice(["default", "fraud"]), help="Only this use case; all of the source's otherwise.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main():
    """How likely each customer is to default (or a transaction to be fraud), why, and what to do about it.

    Start with `risk run`: it takes the chosen source through the whole pipeline and ends with a summary.
    """


@main.command(hidden=True)
def init():
    """Prepare var/ for the chosen source."""
    from pipeline.use import initialise

    initialise()


@main.command()
@click.argument("source")
@click.option("--data", "path", help="Folder with the files that the source's SQL reads.")
def use(source, path):
    """Choose the SOURCE that the pipeline reads: a shipped one, or a folder of SQL files of your own.

    \b
    risk use simulated
    risk use american_bankruptcy --data ../shared/data/american_bankruptcy
    risk use ./my-source --data ./files
    """
    from pipeline.use import use_source

    chosen = use_source(source, path)
    click.echo(f"source {chosen.name}: {chosen.description}\nnext: risk run")


@main.command()
def run():
    """Run the whole pipeline: learn, promote the first champion, score, report, publish, and say what came out."""
    from pipeline.run import run as run_all

    run_all(echo=click.echo)


@main.command()
@_use_case
@click.option("--by", "actor", default="unnamed", show_default=True, help="Who promotes; it is written to the promotion ledger.")
@click.option("--reason", default="", help="Why; it is written to the promotion ledger.")
@click.option("--override", is_flag=True, help="Promote although the gate says keep; the ledger says so.")
def promote(use_case, actor, reason, override):
    """Make the candidate the champion, if the gate lets it.

    Nothing else moves what is in production. Promoting what is champion already does nothing. Run `risk run` afterwards
    to score, report and publish with the new champion.
    """
    from pipeline.promote import promote as promote_one

    for case in _cases(use_case):
        click.echo(promote_one(case, actor=actor, reason=reason, override=override))


@main.command()
@_use_case
@click.option("--by", "actor", default="unnamed", show_default=True, help="Who rolls back; it is written to the promotion ledger.")
@click.option("--reason", required=True, help="Why; it is written to the promotion ledger.")
def rollback(use_case, actor, reason):
    """Make the previous champion the champion again."""
    from pipeline.promote import rollback as roll_back

    for case in _cases(use_case):
        click.echo(roll_back(case, actor=actor, reason=reason))


@main.command()
@_use_case
def publish(use_case):
    """Give the service what it reads: the book's records, features and scores. The pointer moves last."""
    from pipeline.publish import publish as publish_one

    for case in _cases(use_case):
        click.echo(publish_one(case))


@main.command()
@click.argument("customer", required=False)
@_use_case
@click.option("--input", "source", type=click.Path(dir_okay=False), help="Score this feature file (Parquet or CSV) instead.")
@click.option("--output", type=click.Path(dir_okay=False), help="Where the scores go (Parquet or CSV).")
def score(customer, use_case, source, output):
    """Show the score of a CUSTOMER of the book, or score a feature file with the champion.

    \b
    risk score C0000042
    risk score --input features.parquet --output scores.csv
    """
    from pipeline.lookup import score_file, show_customer

    if source:
        click.echo(score_file(source, output, use_case=use_case or "default"))
    elif customer:
        click.echo(show_customer(customer))
    else:
        raise click.UsageError("name a customer of the book, or a feature file with --input.")


@main.command()
@click.argument("customer", required=False)
def report(customer):
    """Say where the reports are: the portfolio page, or the officer's report on a CUSTOMER."""
    from pipeline.lookup import find_report

    click.echo(find_report(customer))


@main.command()
@_use_case
def monitor(use_case):
    """Judge drift, data quality and the need to retrain, on what is in data/ and the source now."""
    from pipeline.repro import repro
    from pipeline.summary import monitoring_lines

    cases = _cases(use_case)
    repro(*[f"decide@{case}" for case in cases])
    for case in cases:
        click.echo("\n".join(monitoring_lines(case)))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--source", help="Whose customers to serve, when several sources are published.")
@click.option("--database", envvar="CUSTOMER_RISK_DATABASE_URL", help="Operational database; var/risk.db otherwise.")
def serve(host, port, source, database):
    """Serve scores over HTTP from what was published; the API's description is at /docs."""
    from pipeline.serve import serve as serve_forever

    serve_forever(host=host, port=port, source=source, database=database)


def _cases(use_case):
    from pipeline.params import load_params

    cases = load_params().use_cases
    if use_case and use_case not in cases:
        raise RiskError(f"the chosen source has no use case {use_case}: it has {', '.join(cases)}.")
    return [use_case] if use_case else cases


if __name__ == "__main__":
    main()
