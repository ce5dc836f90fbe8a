"""`risk cycle`, `risk calendar`, `risk notify`: the scheduled job, what ran and what was missed, and the messages that still wait."""

import click

_period = click.option("--period", type=click.Choice(["day", "week", "month"]), help="How often it is done; cycle.period in params.yaml unless given.")


@click.command()
@_period
@click.option("--as-of", help="A day (YYYY-MM-DD) of the period that it is done for, today (UTC) unless given; the data are those of now.")
@click.option("--again", is_flag=True, help="Do a finished period once more.")
def cycle(period, as_of, again):
    """Take in what came, score, judge, retrain where that is called for, publish and tell: the scheduled job, once per period.

    Killed at any moment and started again it carries on. Exit code 1: a use case failed, or a faulty feed kept the last
    publication; what is published stays in force.
    """
    from pipeline.cycle import cycle as run_cycle

    click.echo(run_cycle(period=period, as_of=as_of, again=again, echo=click.echo))


@click.command()
@_period
@click.option("--last", type=click.IntRange(1), help="Only the last so many periods.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def calendar(period, last, as_json):
    """Which periods of `risk cycle` ran and how, which were missed, what runs now and what comes next."""
    from pipeline.cycle_calendar import calendar as periods
    from pipeline.cycle_calendar import calendar_json, calendar_lines

    found = periods(period=period, last=last)
    click.echo(calendar_json(found) if as_json else "\n".join(calendar_lines(found)))


@click.command()
def notify():
    """Write and send the notifications that still wait; `risk cycle` does it too."""
    from pipeline.notify import deliver
    from pipeline.params import load_params
    from pipeline.promote import open_store

    with open_store() as store:
        click.echo(deliver(store, load_params().cycle))
