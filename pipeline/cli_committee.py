"""`risk committee`: what the risk committee decides every month, who carries it out by when, and the pack it decides from."""

import click

from models.playbooks import DEPARTMENTS
from serving.committee import OUTCOMES

DAY = click.DateTime(["%Y-%m-%d"])


def _date(_context, _option, value):
    return value and value.date()


_by = click.option("--by", "actor", required=True, help="Who writes it down; it stays in the ledger.")


@click.group()
def committee():
    """The monthly risk committee: its pack, and the decisions it takes."""


@committee.command("pack")
@click.option("--month", required=True, help="The month it reports on, YYYY-MM.")
@click.option("--to", "path", required=True, type=click.Path(dir_okay=False), help="The English page, NAME.html; the Chinese one goes beside it, NAME.zh.html.")
def committee_pack(month, path):
    """Write the committee's pack of a month: one page in each language, to be read without a network or printed on A4.

    \b
    risk committee pack --month 2026-03 --to committee-2026-03.html
    """
    from pipeline.committee_pack import write_pack

    click.echo(write_pack(month, path))


@committee.command("decide")
@click.argument("text")
@click.option("--owner", required=True, help="Who carries it out.")
@click.option("--department", required=True, type=click.Choice(DEPARTMENTS), help="Whose section of the pack it stands in.")
@click.option("--due", "due_on", required=True, type=DAY, callback=_date, help="The last day in time (YYYY-MM-DD).")
@click.option("--customer", help="Whom it is about; then it is erased with that customer.")
@_by
def committee_decide(text, owner, department, due_on, customer, actor):
    """Record what the committee decided (TEXT), with its owner and due day.

    \b
    risk committee decide "Catch up the 12 missed reviews" --owner lin --department sales --due 2026-05-15 --by anna
    """
    from pipeline.committee import decide

    click.echo(decide(text, owner=owner, department=department, due_on=due_on, customer=customer, actor=actor))


@committee.command("close")
@click.argument("decision_id")
@click.option("--outcome", default="done", show_default=True, type=click.Choice(OUTCOMES), help="How it ended.")
@click.option("--note", required=True, help="What was done, or why it was given up.")
@_by
def committee_close(decision_id, outcome, note, actor):
    """Close a decision: it was carried out, or given up."""
    from pipeline.committee import close

    click.echo(close(decision_id, outcome=outcome, note=note, actor=actor))


@committee.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.option("--as-of", type=DAY, callback=_date, help="As of this day (YYYY-MM-DD); today unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def committee_list(everything, as_of, as_json):
    """The decisions that are open, overdue ones included."""
    from pipeline.committee import listed

    click.echo(listed(everything=everything, as_of=as_of, as_json=as_json))
