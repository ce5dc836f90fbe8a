"""`risk`: one command line over the pipeline and the service. Each sub-command imports what it needs when it is called."""

import sys

import click

from features.errors import RiskError
from pipeline.cli_alerts import alerts
from pipeline.cli_cases import cases_of as _cases
from pipeline.cli_cases import use_case_option as _use_case
from pipeline.cli_committee import committee
from pipeline.cli_cycle import calendar, cycle, notify
from pipeline.cli_inbox import inbox
from pipeline.cli_keys import keys
from pipeline.cli_life_cycle import customers, playbook
from pipeline.cli_overrides import override, reviews
from pipeline.cli_privacy import human_reviews, privacy
from pipeline.cli_promotion import champion, promote, promotions, retrain, rollback, shadow
from pipeline.cli_proof import ledger, replay


class _Group(click.Group):
    """Shows a user's error as one sentence, and exits with 1."""

    def main(self, *arguments, **options):
        try:
            return super().main(*arguments, **options)
        except RiskError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main():
    """How likely each customer is to default (or a transaction to be fraud), why, and what to do about it.

    Start with `risk run`: it takes the chosen source through the whole pipeline and ends with a summary.
    """


@main.command(hidden=True)
def init():
    """Prepare var/ for the chosen source."""
    from pipeline.use import initialise

    initialise()


@main.command()
@click.argument("source")
@click.option("--data", "path", help="Folder with the files that the source's SQL reads.")
@click.option("--target", help="A labelled file's column that says what became of the row: 0/1, yes/no, good/bad …")
@click.option("--id", "customer", help="A labelled file's column that names the customer.")
@click.option("--date", help="A labelled file's column with the day of the row, or one day (YYYY-MM-DD) for all rows.")
@click.option("--target-known", help="A labelled file's column with the day from which the target was known.")
@click.option("--bad", multiple=True, help="A value of the target that means bad; may be given several times.")
@click.option("--horizon", type=click.IntRange(1), help="Days that the target looks ahead, where it is not the parameters' year.")
@click.option("--encoding", help="How the file is written, where it is not found out: utf-8, cp1252, gb18030 …")
@click.option("--delimiter", help="What stands between the file's columns.")
@click.option("--sheet", help="The sheet of a workbook.")
@click.option("--name", help="What to call a labelled file's source; else it is called like the file.")
def use(source, path, target, customer, date, target_known, bad, horizon, encoding, delimiter, sheet, name):
    """Choose the SOURCE that the pipeline reads: a shipped one, a folder of SQL files of your own, or one labelled file.

    \b
    risk use simulated
    risk use american_bankruptcy --data ../shared/data/american_bankruptcy
    risk use ./my-source --data ./files
    risk use data.csv --target default_flag --id customer_no --date snapshot
    """
    from pipeline.use import use_source
    from pipeline.use_file import Asked, HowWritten, is_labelled_file, report_lines, use_file

    if is_labelled_file(source):
        if path:
            raise RiskError(f"{source} is a labelled file, which is all that it reads: leave --data away, or join the files in a source (`risk source new`).")
        asked = Asked(target=target, id=customer, date=date, target_known=target_known, bad=bad)
        chosen, labelled = use_file(source, asked, written=HowWritten(encoding, delimiter, sheet), name=name, horizon_days=horizon)
        click.echo("\n".join([*report_lines(source, chosen, labelled), "next: risk run"]))
        return
    if any((target, customer, date, target_known, bad, horizon, encoding, delimiter, sheet, name)):
        raise RiskError(f"{source} is not a file of rows: --target, --id, --date and the options beside them are for a labelled file, such as data.csv.")
    chosen = use_source(source, path)
    click.echo(f"source {chosen.name}: {chosen.description}\nnext: risk run")


@main.group()
def source():
    """Draft, check and list sources: folders of SQL files that read somebody's data."""


@source.command("new")
@click.argument("name")
@click.option("--data", "path", required=True, help="The files to look at: a folder, or one file.")
@click.option("--to", "folder", help="The folder to write; it must not be there yet. ./NAME unless given.")
def source_new(name, path, folder):
    """Look at files and write a first draft of a source NAME for you to correct.

    \b
    risk source new my-source --data ./files
    """
    from pipeline.drafting.draft import draft_lines, new_source
    from pipeline.params import load_params

    click.echo("\n".join(draft_lines(new_source(name, path, to=folder, params=load_params()), path)))


@source.command("check")
@click.argument("name", required=False)
@click.option("--data", "path", help="The files it reads; those it was chosen with unless given.")
def source_check(name, path):
    """Run a source apart from everything else and say what it is good for; the chosen one unless NAME is given.

    \b
    risk source check ./my-source --data ./files
    """
    from pipeline.source_check import check
    from pipeline.source_check_text import check_lines, how_to_use

    found = check(name, path)
    click.echo("\n".join(check_lines(found, command=how_to_use(name, path))))
    sys.exit(1 if found.problems else 0)


@source.command("list")
def source_list():
    """The sources that come with the project, a line each."""
    from pipeline.drafting.shipped import shipped_lines

    click.echo("\n".join(shipped_lines()))


@main.command()
def run():
    """Run the whole pipeline: learn, promote the first champion, score, report, publish, and say what came out."""
    from pipeline.run import run as run_all

    run_all(echo=click.echo)


@main.command()
@_use_case
@click.option("--trials", type=int, help="How many trials the study is to hold; tune.trials in params.yaml unless given.")
@click.option("--minutes", type=float, help="How long to try for, a use case; tune.minutes in params.yaml unless given.")
@click.option("--fresh", is_flag=True, help="Forget the study of these data and begin anew.")
@click.option("--apply", "applied", is_flag=True, help="Try nothing: write the best settings found so far into params.yaml.")
def tune(use_case, trials, minutes, fresh, applied):
    """Search better settings for the trees, on development and validation rows only.

    A study is stopped with Ctrl-C and goes on when called again. Nothing is applied unless you say so with --apply.

    \b
    risk tune --use-case default --trials 60 --minutes 20
    risk tune --use-case default --apply
    """
    from pipeline.tune import apply_case, tune_case

    cases = _cases(use_case)
    if applied and (trials is not None or minutes is not None or fresh):
        raise RiskError("--apply tries nothing: leave --trials, --minutes and --fresh away.")
    if applied and len(cases) > 1:
        raise RiskError(f"the section train of params.yaml serves {' and '.join(cases)} alike: name the one whose study is applied with --use-case.")
    for case in cases:
        if applied:
            apply_case(case, echo=click.echo)
        else:
            tune_case(case, trials=trials, minutes=minutes, fresh=fresh, echo=click.echo)


@main.command()
@_use_case
def publish(use_case):
    """Give the service what it reads: the book's records, features and scores. The pointer moves last."""
    from pipeline.publish import publish as publish_one

    for case in _cases(use_case):
        click.echo(publish_one(case))


@main.group()
def policy():
    """Read, check, compare and publish the policy: who signs, how much, on what terms (policy.yaml)."""


@policy.command("check")
@click.argument("file", default="policy.yaml")
def policy_check(file):
    """Validate a policy FILE (policy.yaml unless given) and read it back as tables, with the hash that decisions will carry."""
    from pipeline.policies import check_lines

    click.echo("\n".join(check_lines(file)))


@policy.command("use")
@click.argument("profile")
def policy_use(profile):
    """Copy a shipped PROFILE (trade_credit, lending, fraud_review) over policy.yaml; what was there is kept under var/policies.

    \b
    risk policy use lending
    """
    from pipeline.policies import use_profile

    click.echo(use_profile(profile))


@policy.command("publish")
@click.argument("file", default="policy.yaml")
def policy_publish(file):
    """Record a policy FILE (policy.yaml unless given) in the operational database under its hash, so that decisions that name it can be read for ever."""
    from pipeline.policies import publish_policy

    click.echo(publish_policy(file))


@policy.command("spent")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1), help="how many days, today's included")
def policy_spent(days):
    """Show what the service's decisions of a day (UTC) took of the day's loss budget and of the reviewers' capacity, today first."""
    from pipeline.policies import spent_lines

    click.echo("\n".join(spent_lines("policy.yaml", days)))


@policy.command("diff")
@click.argument("old")
@click.argument("new")
@_use_case
@click.option("--ask", default="0", show_default=True, help="What each customer asks for beyond its exposure once a month: a share (10%) or an amount.")
@click.option("--months", type=click.IntRange(1, 60), multiple=True, help="How far ahead losses are forecast; 3, 6 and 12 unless given. Several times.")
@click.option("--movers", default=10, show_default=True, type=click.IntRange(0), help="How many of the customers that move most are named.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def policy_diff(old, new, use_case, ask, months, movers, as_json):
    """Decide today's book and matured history by two policies, and say what differs: OLD against NEW.

    \b
    risk policy diff policy.yaml stricter.yaml --use-case default
    """
    from pipeline.what_if import policy_diff as compare
    from pipeline.what_if_text import diff_json, diff_lines

    found = [compare(old, new, case, ask=ask, months=months or (3, 6, 12), movers=movers) for case in _cases(use_case)]
    click.echo(diff_json(found) if as_json else "\n\n".join("\n".join(diff_lines(each)) for each in found))


@main.command()
@click.argument("scenario", required=False)
@click.option("--to", "folder", type=click.Path(file_okay=False), help="Folder to write; it must be new or empty.")
@click.option("--customers", type=int, help="5000 unless given.")
@click.option("--months", type=int, help="84 unless given.")
@click.option("--first-month", help="YYYY-MM; 2018-01 unless given.")
@click.option("--seed", type=int, help="1 unless given.")
@click.option("--month-of-change", type=int, help="Month with which the scenario sets in, 0 is the first; the last year unless given.")
@click.option("--size", type=float, help="How much of the scenario, in the unit that --list shows; its usual size unless given.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV instead of Parquet.")
@click.option("--decisions", type=click.Path(dir_okay=False), help="CSV of customer_id, limit_factor, stop and perhaps from_month.")
@click.option("--step", "step", type=click.IntRange(min=1), is_flag=False, flag_value=1, help="Add this many months (1) to the folder.")
@click.option("--list", "listed", is_flag=True, help="Show the scenarios and leave.")
def simulate(scenario, folder, decisions, step, listed, as_csv, **given):
    """Write a simulated portfolio, living through a SCENARIO, as files a month apart with a source that reads them.

    \b
    risk simulate recession --to ./sim --customers 2000 --months 60
    risk use ./sim/source --data ./sim
    risk simulate --to ./sim --step 3 --decisions ours.csv
    """
    from pipeline.simulate import new_record, scenario_lines, simulate_folder, step_folder

    if listed:
        return click.echo("\n".join(scenario_lines()))
    if folder is None:
        raise click.UsageError("name the folder to write with --to, or see the scenarios with --list.")
    chosen = {name: value for name, value in {"scenario": scenario, **given}.items() if value is not None}
    if step and (chosen or as_csv):
        raise click.UsageError("--step goes on with the settings of the folder: it takes --to and --decisions only.")
    if step:
        return click.echo(step_folder(folder, step, decisions=decisions))
    renamed = {{"month_of_change": "scenario_month", "size": "scenario_size"}.get(name, name): value for name, value in chosen.items()}
    return click.echo(simulate_folder(folder, new_record(extension="csv" if as_csv else "parquet", **renamed), decisions=decisions))


@main.command()
@click.argument("customer", required=False)
@_use_case
@click.option("--input", "source", type=click.Path(dir_okay=False), help="Score this feature file (Parquet or CSV) instead.")
@click.option("--output", type=click.Path(dir_okay=False), help="Where the scores go (Parquet or CSV).")
def score(customer, use_case, source, output):
    """Show the score of a CUSTOMER of the book, or score a feature file with the champion.

    \b
    risk score C0000042
    risk score --input features.parquet --output scores.csv
    """
    from pipeline.lookup import score_file, show_customer

    if source:
        click.echo(score_file(source, output, use_case=use_case or "default"))
    elif customer:
        click.echo(show_customer(customer))
    else:
        raise click.UsageError("name a customer of the book, or a feature file with --input.")


@main.command()
@click.argument("customer", required=False)
@click.option("--to", "folder", type=click.Path(file_okay=False), help="Write the report on the CUSTOMER, whoever of the book it is, into this folder.")
def report(customer, folder):
    """Say where the reports are: the portfolio page, or the officer's report on a CUSTOMER.

    \b
    risk report C0000042 --to ./reports
    """
    if folder is not None:
        from pipeline.reports_in_force import write_report

        if customer is None:
            raise click.UsageError("name the customer whose report is to be written.")
        click.echo("\n".join(map(str, write_report(customer, folder))))
        return
    from pipeline.lookup import find_report

    click.echo(find_report(customer))


@main.command()
@_use_case
def monitor(use_case):
    """Judge drift, data quality and the need to retrain, on what is in data/ and the source now."""
    from pipeline.repro import repro
    from pipeline.summary import monitoring_lines
    from pipeline.use import initialise
    from pipeline.watermarks import refresh

    cases = _cases(use_case)
    refresh(initialise())
    repro(*[f"decide@{case}" for case in cases])
    for case in cases:
        click.echo("\n".join(monitoring_lines(case)))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--source", help="Whose customers to serve, when several sources are published.")
@click.option("--database", envvar="CUSTOMER_RISK_DATABASE_URL", help="Operational database; var/risk.db otherwise.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that answer side by side.")
def serve(host, port, source, database, workers):
    """Serve scores over HTTP from what was published; the API's description is at /docs."""
    from serving.server import run
    from serving.settings import Settings

    run(Settings.from_environment(source=source, database=database), host=host, port=port, workers=workers)


for each in (promote, rollback, champion, promotions, shadow, retrain):
    main.add_command(each)
for each in (customers, alerts, playbook, override, reviews, committee, keys, privacy, human_reviews, ledger, replay, inbox, cycle, calendar, notify):
    main.add_command(each)


if __name__ == "__main__":
    main()
