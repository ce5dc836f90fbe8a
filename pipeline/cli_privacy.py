"""`risk privacy`: what is kept of a person, and for how long."""

import click

_database = click.option("--database", envvar="CUSTOMER_RISK_DATABASE_URL", help="Operational database; var/risk.db otherwise.")
_actor = click.option("--actor", required=True, help="Who does it; it is written to the ledger.")


@click.group()
def privacy():
    """What is kept of a person: a copy for it, erasure, and the end of its time (docs/privacy.md)."""


@privacy.command("export")
@click.argument("customer")
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False), help="The JSON file to write; it must not be there yet.")
@_actor
@_database
def privacy_export(customer, path, actor, database):
    """Write all that is kept of a CUSTOMER to a file for that person.

    \b
    risk privacy export C0000042 --to C0000042.json --actor lin
    """
    from pipeline.privacy import export_customer

    click.echo(export_customer(customer, path, actor=actor, database=database))


@privacy.command("erase")
@click.argument("customer")
@click.option("--reason", required=True, help="Why; it is written to the ledger.")
@_actor
@_database
def privacy_erase(customer, reason, actor, database):
    """Erase a CUSTOMER from every ledger; hashes stay, so the chains stay whole, which is verified afterwards."""
    from pipeline.privacy import erase_customer

    click.echo("\n".join(erase_customer(customer, actor=actor, reason=reason, database=database)))


@privacy.command("expire")
@click.option("--actor", help="Who does it; it is written to the ledger.")
@click.option("--keep", multiple=True, metavar="TABLE=DAYS", help="Keep a table's rows for other than the declared days; several times.")
@click.option("--dry-run", is_flag=True, help="Only say what is past its time.")
@_database
def privacy_expire(actor, keep, dry_run, database):
    """Erase what has been kept long enough; run it nightly.

    \b
    risk privacy expire --dry-run
    risk privacy expire --actor night --keep decisions=3650
    """
    from pipeline.privacy import expire_rows

    click.echo("\n".join(expire_rows(actor=actor, keep=keep, dry_run=dry_run, database=database)))


@privacy.command("pseudonym")
@click.argument("customer")
def privacy_pseudonym(customer):
    """What a CUSTOMER is called in the log."""
    from pipeline.privacy import pseudonym_of

    click.echo(pseudonym_of(customer))


@privacy.command("readings")
@click.argument("customer", required=False)
@_database
def privacy_readings(customer, database):
    """Who read reports on a CUSTOMER, or on anybody, when and why."""
    from pipeline.privacy import reading_lines

    click.echo("\n".join(reading_lines(customer, database=database)))


@click.group("human-reviews")
def human_reviews():
    """Requests that a person look at a decision: each has a day by which a named person answers it."""


@human_reviews.command("list")
@click.option("--all", "everything", is_flag=True, help="Answered ones too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_database
def human_reviews_list(everything, as_json, database):
    """The open cases, the most urgent first."""
    from pipeline.human_reviews import list_cases

    click.echo(list_cases(everything=everything, as_json=as_json, database=database))


@human_reviews.command("open")
@click.argument("decision_id")
@click.option("--statement", required=True, help="What the person says, and wants looked at.")
@click.option("--by", required=True, help="Who takes it down.")
@_database
def human_reviews_open(decision_id, statement, by, database):
    """Open a case on the decision DECISION_ID for somebody who wrote or called; the service does it with POST /v1/reviews."""
    from pipeline.human_reviews import open_case

    click.echo(open_case(decision_id, statement=statement, by=by, database=database))


@human_reviews.command("answer")
@click.argument("case_id")
@click.option("--by", required=True, help="Who looked at it and answers.")
@click.option("--outcome", required=True, type=click.Choice(["upheld", "changed"]), help="changed: by an override, see --override.")
@click.option("--note", required=True, help="The answer, in words that the person is told.")
@click.option("--override", "override_id", help="The override that changes the decision (`risk override add`).")
@_database
def human_reviews_answer(case_id, by, outcome, note, override_id, database):
    """Answer the case CASE_ID, once."""
    from pipeline.human_reviews import answer_case

    click.echo(answer_case(case_id, by=by, outcome=outcome, note=note, override_id=override_id, database=database))
