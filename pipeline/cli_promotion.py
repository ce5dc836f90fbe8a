"""`risk promote`, `rollback`, `champion`, `promotions`, `shadow` and `retrain`: what comes into production, and how the next candidate is made."""

import click

from pipeline.cli_cases import cases_of, use_case_option

_reason = click.option("--reason", required=True, help="Why; it is written to the promotion ledger.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _by(words):
    return click.option("--by", "actor", default="unnamed", show_default=True, help=f"{words}; it is written to the promotion ledger.")


def _date(_context, _option, value):
    return value and value.date()


@click.command()
@use_case_option
@_by("Who promotes")
@click.option("--reason", default="", help="Why; it is written to the promotion ledger.")
@click.option("--override", is_flag=True, help="Promote although the gate says keep, the candidate is slow or its trial is not over; the ledger says so.")
@click.option("--approver", help="The second person who agrees, another than --by; asked for where promote.four_eyes is true.")
@click.option("--approve", "number", type=int, help="Carry out the promotion that this row of the ledger requests, as its second person (--by).")
def promote(use_case, actor, reason, override, approver, number):
    """Make the candidate the champion, if the gate lets it.

    Nothing else moves what is in production. Promoting what is champion already does nothing. Where params.yaml asks for a trial (promote.shadow_days) or a
    second person (promote.four_eyes), it begins the trial or records the request. Run `risk run` afterwards to score, report and publish.

    \b
    risk promote --by lin --reason "quarterly refit"
    risk promote --approve 7 --by wang
    """
    from pipeline.promote import approve
    from pipeline.promote import promote as promote_one

    if number is not None:
        if use_case or approver or override or reason:
            raise click.UsageError("--approve carries out what was requested, as it was: leave all but --by away.")
        return click.echo(approve(number, actor=actor))
    for case in cases_of(use_case):
        click.echo(promote_one(case, actor=actor, reason=reason, override=override, approver=approver))
    return None


@click.command()
@use_case_option
@_by("Who rolls back")
@_reason
@click.option("--model-only", is_flag=True, help="Leave policy.yaml as it is.")
def rollback(use_case, actor, reason, model_only):
    """Make the previous champion the champion again, with the policy it decided by."""
    from pipeline.rollback import rollback as roll_back

    for case in cases_of(use_case):
        click.echo(roll_back(case, actor=actor, reason=reason, model_only=model_only))


@click.command()
@use_case_option
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), callback=_date, help="At the end of this day, UTC (YYYY-MM-DD); now unless given.")
def champion(use_case, on):
    """Say which bundle is champion, or was on a day, since when, by whom and why."""
    from pipeline.promotions import champion_lines

    click.echo("\n".join(champion_lines(cases_of(use_case), on=on)))


@click.group()
def promotions():
    """The promotion ledger: every promotion, rollback, request and trial."""


@promotions.command("list")
@use_case_option
@_json
def promotions_list(use_case, as_json):
    """Every entry, newest first."""
    from pipeline.promotions import list_json, list_lines

    cases = cases_of(use_case)
    click.echo(list_json(cases) if as_json else "\n".join(list_lines(cases)))


@promotions.command("show")
@click.argument("number", type=int)
@_json
def promotions_show(number, as_json):
    """One entry (row NUMBER) with the evidence it stands on."""
    from pipeline.promotions import show_json, show_lines

    click.echo(show_json(number) if as_json else "\n".join(show_lines(number)))


@click.group(invoke_without_command=True)
@use_case_option
@_json
@click.pass_context
def shadow(context, use_case, as_json):
    """How the bundle on trial agrees with the champion: grades, probabilities, approvals, by book and over the service's answers."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.shadow_text import shadow_json, shadow_lines

    cases = cases_of(use_case)
    click.echo(shadow_json(cases) if as_json else "\n".join(line for case in cases for line in shadow_lines(case)))


@shadow.command("end")
@click.option("--use-case", type=click.Choice(["default", "fraud"]), required=True, help="Whose trial.")
@_by("Who ends it")
@_reason
def shadow_end(use_case, actor, reason):
    """End a trial: the champion stays, and the service stops scoring beside it."""
    from pipeline.shadow import end

    click.echo(end(*cases_of(use_case), actor=actor, reason=reason))


@click.command()
@use_case_option
@click.option("--action", type=click.Choice(["recalibrate", "refit", "rebuild"]), help="What to do; what `decide` found in retrain.json unless given.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Go back to how the candidate before was made; for one that the gate kept out.")
def retrain(use_case, action, withdrawn):
    """Make a new candidate from what is known by now, and say what the gate finds. `risk promote` puts it into production.

    \b
    risk retrain --use-case default --action recalibrate
    """
    from pipeline.retraining import retrain as retrain_one
    from pipeline.retraining import withdraw

    if withdrawn and action:
        raise click.UsageError("--withdraw makes no candidate: leave --action away.")
    for case in cases_of(use_case):
        click.echo(withdraw(case) if withdrawn else retrain_one(case, action, echo=click.echo))
