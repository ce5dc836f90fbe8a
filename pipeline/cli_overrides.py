"""`risk override` and `risk reviews`: what persons decide otherwise than the policy, and the calendar of reviews."""

import click

DAY = click.DateTime(["%Y-%m-%d"])


def _date(_context, _option, value):
    return value and value.date()


_as_of = click.option("--as-of", type=DAY, callback=_date, help="As of this day (YYYY-MM-DD); today unless given.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_by = click.option("--by", "author", required=True, help="Who asks for it; written to the ledger.")
_approver = click.option("--approver", required=True, help="Who approves it: another person.")
_expires = click.option("--expires", type=DAY, callback=_date, help="The last day on which it holds (YYYY-MM-DD).")
_days = click.option("--days", type=click.IntRange(0), help="Or for how many days from today it holds.")


@click.group()
def override():
    """Decide otherwise than the policy: with a reason, a second person and an end."""


@override.command("add")
@click.argument("customer")
@click.option("--action", help="approve (with --limit) or decline.")
@click.option("--limit", type=click.IntRange(0), help="The most to be granted, whole currency units.")
@click.option("--route", help="Who signs: automatic, one_person, two_persons or committee.")
@click.option("--grade", help="Let the policy decide by this grade, A to E.")
@click.option("--code", required=True, help="Why, to be counted: new_information, data_error, security, relationship, strategy or suspicion.")
@click.option("--reason", required=True, help="Why, in words.")
@_by
@_approver
@_expires
@_days
def override_add(customer, action, limit, route, grade, code, reason, author, approver, expires, days):
    """Override the decision on a CUSTOMER of the published book.

    \b
    risk override add C0000042 --action approve --limit 300000 --code security \\
        --reason "bank guarantee of 12 May" --by anna --approver ben --days 90
    """
    from pipeline.override import add_override

    changes = {"action": action, "limit": limit, "route": route, "grade": grade}
    click.echo(add_override(customer, changes, reason_code=code, reason=reason, author=author, approver=approver, expires=expires, days=days))


@override.command("renew")
@click.argument("override_id")
@click.option("--reason", required=True, help="Why it is still right.")
@_by
@_approver
@_expires
@_days
def override_renew(override_id, reason, author, approver, expires, days):
    """Let an override hold longer, as long as it has not expired."""
    from pipeline.override import renew_override

    click.echo(renew_override(override_id, reason=reason, author=author, approver=approver, expires=expires, days=days))


@override.command("revoke")
@click.argument("override_id")
@click.option("--reason", required=True, help="Why it no longer holds.")
@_by
def override_revoke(override_id, reason, author):
    """Take an override back: from today on the policy decides again."""
    from pipeline.override import revoke_override

    click.echo(revoke_override(override_id, reason=reason, author=author))


@override.command("list")
@click.option("--customer", help="Only this customer's.")
@click.option("--all", "everything", is_flag=True, help="Expired and revoked ones too.")
@_as_of
@_json
def override_list(customer, everything, as_of, as_json):
    """The overrides in force."""
    from pipeline.override import list_overrides

    click.echo(list_overrides(customer=customer, everything=everything, as_of=as_of, as_json=as_json))


@override.command("report")
@_json
def override_report(as_json):
    """How often overrides were right, once outcomes are in, beside comparable customers."""
    from pipeline.override import report_overrides

    click.echo(report_overrides(as_json=as_json))


@click.group()
def reviews():
    """The review calendar: what is due, done and missed."""


@reviews.command("record")
@click.argument("customer")
@click.option("--note", required=True, help="What was looked at and found.")
@click.option("--decision", "decision_id", help="Id of the decision the review rests on.")
@_by
@_approver
def reviews_record(customer, note, decision_id, author, approver):
    """Record that a CUSTOMER was reviewed today."""
    from pipeline.reviews import record_review

    click.echo(record_review(customer, reviewer=author, approver=approver, note=note, decision_id=decision_id))


@reviews.command("due")
@click.option("--within", type=click.IntRange(0), default=30, show_default=True, help="Also what falls due within so many days.")
@_as_of
@_json
def reviews_due(within, as_of, as_json):
    """Reviews to be done: missed ones, today's, and those that fall due soon."""
    from pipeline.reviews import due_reviews

    click.echo(due_reviews(as_of=as_of, within=within, as_json=as_json))


@reviews.command("done")
@_as_of
@_json
def reviews_done(as_of, as_json):
    """Reviews that were done, by whom and with which note."""
    from pipeline.reviews import done_reviews

    click.echo(done_reviews(as_of=as_of, as_json=as_json))


@reviews.command("missed")
@_as_of
@_json
def reviews_missed(as_of, as_json):
    """Reviews whose day passed: those still open, those caught up late, and those open when the customer left."""
    from pipeline.reviews import missed_reviews

    click.echo(missed_reviews(as_of=as_of, as_json=as_json))


@reviews.command("left")
@_as_of
@_json
def reviews_left(as_of, as_json):
    """Customers who dropped out of the calendar, and why."""
    from pipeline.reviews import left_reviews

    click.echo(left_reviews(as_of=as_of, as_json=as_json))
