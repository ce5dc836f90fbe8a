"""The option that names one use case, and the use cases it stands for."""

import click

from features.errors import RiskError

use_case_option = click.option("--use-case", type=click.Choice(["default", "fraud"]), help="Only this use case; all of the source's otherwise.")


def cases_of(use_case):
    """The use case named, or all of the chosen source's. Raises: RiskError for one that it does not have."""
    from pipeline.params import load_params

    cases = load_params().use_cases
    if use_case and use_case not in cases:
        raise RiskError(f"the chosen source has no use case {use_case}: it has {', '.join(cases)}.")
    return [use_case] if use_case else cases
