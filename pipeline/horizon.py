"""The horizon in force: the source's where it states one, else the parameters'. Nothing else reads `horizon_days` of either."""

import msgspec

from features.errors import RiskError


def observe_rules(params, use_case, about):
    """The observation rules of a use case over a source (`about` is ingest.json), its own horizon in place of the parameters'."""
    rules, given = getattr(params.observe, use_case), about.get("horizon_days")
    # A source states how far its default looks ahead; a fraud is known of one transaction.
    return rules if given is None or use_case == "fraud" else msgspec.structs.replace(rules, horizon_days=given)


def embargo_days(params, use_case, horizon_days):
    """The embargo before the judged period: the parameters', lengthened to a source's own longer horizon.

    Raises: RiskError where it is shorter than the days in which a fraud is reported: the model would learn from labels that nobody had when it was judged.
    """
    asked = getattr(params.sample, use_case).embargo_days
    if use_case == "fraud" and asked < (lag := params.observe.fraud.reporting_lag_days):
        raise RiskError(f"sample.fraud.embargo_days {asked} is shorter than observe.fraud.reporting_lag_days {lag}: labels would be learned from "
                        "before they were known; raise it.")
    own = horizon_days != getattr(params.observe, use_case).horizon_days
    return max(asked, horizon_days) if own else asked
