"""`risk keys`: who may call the service."""

import click

_database = click.option("--database", envvar="CUSTOMER_RISK_DATABASE_URL", help="Operational database; var/risk.db otherwise.")


@click.group()
def keys():
    """Keys of the service's callers: what each may ask for, and until when."""


@keys.command("add")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it is for; several times for several scopes. `risk keys scopes` names them.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it holds (YYYY-MM-DD); no end unless given.")
@_database
def keys_add(name, scopes, expires, database):
    """Make a key for NAME, a system or a person, and print it: it is shown this once.

    \b
    risk keys add crm --scope score --scope read --expires 2027-06-30
    """
    from pipeline.keys import add_key

    about, token = add_key(name, scopes, expires=expires and expires.date(), database=database)
    click.echo(about, err=True)
    click.echo(token)


@keys.command("list")
@_database
def keys_list(database):
    """Every key that was ever made, without its secret."""
    from pipeline.keys import list_keys

    click.echo(list_keys(database=database))


@keys.command("revoke")
@click.argument("key_id")
@_database
def keys_revoke(key_id, database):
    """End the key KEY_ID: within a second no worker answers it any more."""
    from pipeline.keys import revoke_key

    click.echo(revoke_key(key_id, database=database))


@keys.command("scopes")
def keys_scopes():
    """What a key can be for."""
    from serving.keys import SCOPES

    click.echo("\n".join(f"{name:8} {meaning}" for name, meaning in SCOPES.items()))
