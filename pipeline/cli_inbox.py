"""`risk inbox`: what the service received, handed to the next ingest."""

import click


@click.group()
def inbox():
    """Rows that arrive beside the source: files in var/inbox, and the events that the service stored."""


@inbox.command("export")
def inbox_export():
    """Write the events that the service stored to var/inbox, before `risk run`. It can be repeated at any time: all of them are written anew."""
    from pipeline.inbox import export_inbox

    click.echo(export_inbox())
