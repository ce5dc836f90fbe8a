"""`risk replay` and `risk ledger`: decisions rebuilt and ledgers verified, with the serving extra alone."""

import sys

import click

_database = click.option("--database", envvar="CUSTOMER_RISK_DATABASE_URL", help="Operational database (URL or file); risk.db in the var folder otherwise.")
_var = click.option("--var", envvar="CUSTOMER_RISK_VAR", default="var", show_default=True, help="The folder the service reads.")


@click.command()
@click.argument("decision_id")
@_database
@_var
def replay(decision_id, database, var):
    """Rebuild a recorded decision from the bundle, policy and features of then, and compare it with what was told.

    Then say whether today's feature code gives the same features from the same records. Exit code 0: the answer is the same; 1: it differs.
    """
    from pipeline.proof import replay_lines

    _say(*replay_lines(decision_id, database=database, var=var))


@click.group()
def ledger():
    """Prove the ledgers whole, anchor them outside the database, and read decisions."""


@ledger.command("verify")
@click.option("--anchor", "anchors", multiple=True, type=click.Path(dir_okay=False), help="File that `risk ledger anchor` writes; several times.")
@_database
@_var
def ledger_verify(anchors, database, var):
    """Find every changed, inserted, removed or truncated row; exit code 1 when there is one."""
    from pipeline.proof import verify_lines

    _say(*verify_lines(database=database, var=var, anchors=anchors))


@ledger.command("anchor")
@click.argument("file", type=click.Path(dir_okay=False))
@_database
@_var
def ledger_anchor(file, database, var):
    """Append the heads of all ledgers to FILE, which should lie where who can write the database cannot."""
    from pipeline.proof import anchor_line

    click.echo(anchor_line(file, database=database, var=var))


@ledger.command("show")
@click.argument("decision_id")
@_database
@_var
def ledger_show(decision_id, database, var):
    """Print a decision as it was recorded, with its request, features and answer."""
    from pipeline.proof import decision_text

    click.echo(decision_text(decision_id, database=database, var=var))


@ledger.command("list")
@click.option("--customer", help="Only this customer's.")
@click.option("--use-case", type=click.Choice(["default", "fraud"]), help="Only of this use case.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@_database
@_var
def ledger_list(customer, use_case, limit, database, var):
    """The latest decisions, newest first."""
    from pipeline.proof import list_lines

    click.echo("\n".join(list_lines(database=database, var=var, customer=customer, use_case=use_case, limit=limit)))


def _say(lines, whole):
    click.echo("\n".join(lines))
    sys.exit(0 if whole else 1)
