"""`risk alerts`: early warnings raised every night, what people do about them, and whether they came true."""

import click

from models.alert_file import OUTCOMES
from models.playbooks import DEPARTMENTS

_as_of = click.option("--as-of", help="The day (YYYY-MM-DD) it is done on; the book's, or that of the last step, unless given.")


def _by(function):
    return click.option("--by", "actor", required=True, help="Who does it; it is written to the ledger.")(function)


@click.group()
def alerts():
    """Early warnings: raised on the whole book every night and by events, with an owner and a deadline each, and measured once outcomes are in."""


@alerts.command("raise")
@_as_of
def alerts_raise(as_of):
    """Raise an alert for each threshold of life_cycle.yaml that a customer came to since the last night; doing it again changes nothing.

    \b
    risk run && risk customers advance && risk alerts raise && risk alerts escalate && risk publish
    """
    from pipeline.alerts import raise_alerts

    click.echo("\n".join(raise_alerts(as_of)))


@alerts.command("list")
@click.option("--owner", type=click.Choice(DEPARTMENTS), help="Only those of this department.")
@click.option("--customer", help="Only those on this customer.")
@click.option("--overdue", is_flag=True, help="Only those past their deadline.")
@click.option("--all", "everything", is_flag=True, help="Closed ones too: the latest of each kind on each customer.")
@_as_of
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the sentences in both languages.")
def alerts_list(owner, customer, overdue, everything, as_of, as_json):
    """The open alerts with what was seen, the most urgent first."""
    from pipeline.alerts import list_alerts

    click.echo(list_alerts(owner=owner, customer=customer, overdue=overdue, everything=everything, as_of=as_of, as_json=as_json))


@alerts.command("snooze")
@click.argument("alert")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The day on which it wakes (YYYY-MM-DD).")
@_by
@click.option("--reason", required=True, help="Why it can wait.")
@_as_of
def alerts_snooze(alert, until, actor, reason, as_of):
    """Put an ALERT off until a day; it wakes earlier when it gets worse by a step.

    \b
    risk alerts snooze 5b0f3c9a7d21 --until 2026-04-10 --by lin --reason "the hearing is on 9 April"
    """
    from pipeline.alerts import snooze_alert

    click.echo(snooze_alert(alert, until.date(), actor=actor, note=reason, as_of=as_of))


@alerts.command("close")
@click.argument("alert")
@click.option("--outcome", required=True, type=click.Choice(OUTCOMES), help="Right with nothing to be done, wrong, or right and acted on.")
@_by
@click.option("--note", required=True, help="What was found or done.")
@_as_of
def alerts_close(alert, outcome, actor, note, as_of):
    """Close an ALERT with what came of it.

    \b
    risk alerts close 5b0f3c9a7d21 --outcome acted --by lin --note "limit halved, a guarantee asked for"
    """
    from pipeline.alerts import close_alert

    click.echo(close_alert(alert, outcome, actor=actor, note=note, as_of=as_of))


@alerts.command("escalate")
@click.argument("alert", required=False)
@click.option("--by", "actor", help="Who passes the ALERT on; needed where one is named.")
@click.option("--reason", help="Why; needed where one is named.")
@_as_of
def alerts_escalate(alert, actor, reason, as_of):
    """Pass all alerts past their deadline on to the next level, nightly; or one ALERT before that, on a person's word."""
    from pipeline.alerts import escalate_alerts, pass_on_alert

    click.echo(pass_on_alert(alert, actor=actor, note=reason, as_of=as_of) if alert else "\n".join(escalate_alerts(as_of)))


@alerts.command("measure")
def alerts_measure():
    """Whether the alerts came true and how long before, by the outcomes known now, beside the base rate and beside watching the riskiest."""
    from pipeline.alert_measure import measure_lines

    click.echo("\n".join(measure_lines()))
