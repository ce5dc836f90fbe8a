"""`risk customers` and `risk playbook`: where customers stand in their life with us, and what is done in an emergency."""

import click

_as_of = click.option("--as-of", help="The day (YYYY-MM-DD) it is done on; the book's unless given.")
_by = click.option("--by", "actor", required=True, help="Who decides or acts; it is written to the ledger.")
_reason = click.option("--reason", required=True, help="Why; it is written to the ledger.")


@click.group()
def customers():
    """Where customers stand in their life with us, and moving them: onboarding, active, watch, restrict, run_down, exit, re_entry."""


@customers.command("advance")
@_as_of
@click.option("--take-over", is_flag=True, help="Let new customers, and those still in onboarding untouched, be active: business that is there already. "
              "Needs --by and --reason.")
@click.option("--by", "actor", default="", help="Who answers for the customers taken over.")
@click.option("--reason", default="", help="Why they are.")
def customers_advance(as_of, take_over, actor, reason):
    """Move the book by the rules of life_cycle.yaml, nightly after scoring; doing it again changes nothing.

    \b
    risk customers advance --take-over --by lin --reason "the book of our start"
    risk customers advance
    """
    from pipeline.customers import advance_book

    click.echo("\n".join(advance_book(as_of, take_over=take_over, actor=actor, note=reason)))


@customers.command("show")
@click.argument("customer")
@_as_of
def customers_show(customer, as_of):
    """A CUSTOMER's state and history, what is open, and the plan of its run-down."""
    from pipeline.customers import customer_lines

    click.echo("\n".join(customer_lines(customer, as_of)))


@customers.command("list")
@click.option("--state", help="The customers in this state, the most urgent first; without it how many are in each.")
@_as_of
def customers_list(state, as_of):
    """Who is in a state, or how many are in each."""
    from pipeline.customers import list_lines

    click.echo("\n".join(list_lines(state, as_of)))


@customers.command("move")
@click.argument("customer")
@click.option("--to", required=True, help="The state it moves to; its own confirms it and sets the deadline anew.")
@_by
@_reason
@_as_of
def customers_move(customer, to, actor, reason, as_of):
    """Move a CUSTOMER on a person's word: approvals, run-downs, re-entry. Nobody approves a case of their own.

    \b
    risk customers move C0000042 --to active --by wang --reason "papers complete"
    """
    from pipeline.customers import move_customer

    click.echo(move_customer(customer, to, actor=actor, note=reason, as_of=as_of))


@click.group()
def playbook():
    """Emergency playbooks: what is done at once, in which order, by whom and until when."""


@playbook.command("list")
@click.argument("run", required=False, type=int)
def playbook_list(run):
    """The playbooks and their open runs, or the steps of one RUN."""
    from pipeline.playbook import list_lines

    click.echo("\n".join(list_lines(run)))


@playbook.command("start")
@click.argument("name")
@click.argument("customer")
@_by
@_reason
@_as_of
def playbook_start(name, customer, actor, reason, as_of):
    """Start the playbook NAME for a CUSTOMER, and move it to the playbook's state where it stands softer."""
    from pipeline.playbook import start

    click.echo("\n".join(start(name, customer, actor=actor, note=reason, as_of=as_of)))


@playbook.command("done")
@click.argument("run", type=int)
@click.argument("step")
@_by
@click.option("--note", default="", help="What was done.")
def playbook_done(run, step, actor, note):
    """Say that a STEP of a RUN was done now; the steps before it come first."""
    from pipeline.playbook import done

    click.echo("\n".join(done(run, step, actor=actor, note=note)))


@playbook.command("drill")
@click.argument("name")
@click.option("--customer", help="Whom it pretends to be about.")
@_by
@_reason
def playbook_drill(name, customer, actor, reason):
    """Practise the playbook NAME: recorded, marked as a drill, moves nobody, and says what would have been late."""
    from pipeline.playbook import drill

    click.echo("\n".join(drill(name, customer=customer, actor=actor, note=reason)))
