"""The comparison of two policies in words, or as JSON."""

import json

from models.policy import AUTOMATIC, MINOR_UNITS, ROUTES
from serving.messages import policy_reason

NAMES = {"approve": "approved", "reduce": "reduced", "decline": "declined", "granted": "granted", "risk_limit": "limits", "expected_loss": "expected loss",
         "observed_loss": "observed loss", "pass": "passed", "review": "reviewed", "block": "blocked", "wrong_block": "blocked, genuine"}
MONEY = ("granted", "risk_limit", "expected_loss", "observed_loss")
SHOWN_MOVES = 12


def diff_json(found):
    """Comparisons, one per use case, as a JSON list."""
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)


def diff_lines(found):
    """The comparison for a terminal."""
    lines = [f"{found['use_case']}: {found['old']['path']} ({found['old']['hash'][:12]}) against {found['new']['path']} ({found['new']['hash'][:12]})"]
    if found["old"]["hash"] == found["new"]["hash"]:
        lines.append("The two say the same: whatever differs below is a fault of this program.")
    for side, words in (("book", "Today's book"), ("history", "Matured history, out of time")):
        if found[side] is not None:
            lines += ["", *_side_lines(found[side], words, found)]
    if found["forecast"]:
        lines += ["", *_forecast_lines(found["forecast"], found["currency"])]
    return lines


def _side_lines(side, words, found):
    span = side["first"] if side["first"] == side["last"] else f"{side['first']} to {side['last']}"
    per = "a month" if found["use_case"] == "fraud" else "of one book"
    head = f"{words}, {span}: {side['cases']:,} cases of {side['customers']:,} customers; figures {per}, 95 % by drawing customers"
    rows = [("", "old", "new", "difference"), *(_figure_row(name, figure, found["currency"]) for name, figure in side["figures"].items())]
    return [head, *_table(rows), *_recovery_lines(side, found["currency"]), *_move_lines(side), *_mover_lines(side["movers"], found["currency"])]


def _figure_row(name, figure, currency):
    show = (lambda value: _money(value, currency)) if name in MONEY else _count
    named = f"{_route(name.partition('.')[2])}, cases a month" if name.startswith("workload.") else NAMES[name]
    low, high = (show(figure[end]) for end in ("low", "high"))
    return named, show(figure["old"]), show(figure["new"]), f"{_signed(figure['difference'], show)} ({low} to {high})"


def _recovery_lines(side, currency):
    """What the old policy would expect by its own loss given default, where the new one states another."""
    rates = side.get("loss_given_default", {"old": None, "new": None})
    if rates["old"] == rates["new"]:
        return []
    own = side["figures"]["expected_loss"]["old"] * rates["old"] / rates["new"]
    return [f"  expected loss by the new policy's loss given default, {rates['new']:g}, on both sides, so that the difference is of decisions; by its own, "
            f"{rates['old']:g}, the old policy expects {_money(own, currency)}"]


def _move_lines(side):
    if not side["moves"]:
        return ["  nobody moves"]
    counted = "" if side["first"] == side["last"] else " (cases of all days together)"
    lines = [f"  who moves{counted}, and by which rules of the new policy"]
    for move in side["moves"][:SHOWN_MOVES]:
        why = "; ".join(f"{policy_reason(code, language='en').rstrip('.')} ({count:,})" for code, count in _most(move["because"]))
        lines.append(f"    {move['cases']:>7,}  {_place(move['from'])} -> {_place(move['to'])}" + (f": {why}" if why else ""))
    left = side["moves"][SHOWN_MOVES:]
    return lines + ([f"    {sum(move['cases'] for move in left):>7,}  in {len(left)} smaller moves"] if left else [])


def _mover_lines(movers, currency):
    if not movers:
        return []
    lines = ["  who moves most"]
    for mover in movers:
        who = mover["customer_id"] + (f" {mover['name']}" if mover.get("name") else "") + (f", {mover['grade']}" if "grade" in mover else "")
        granted, limits = ([_money(value, currency) for value in mover.get(key, ())] for key in ("granted", "risk_limit"))
        # What a transaction's policy lets pass is no grant.
        word = "granted" if limits else "passes"
        changed = f"{word} {granted[0]} -> {granted[1]}" if granted[0] != granted[1] else f"limit {limits[0]} -> {limits[1]}" if limits else "none passes"
        lines.append(f"    {who} at {mover['probability']:.2%}: {_place(mover['from'])} -> {_place(mover['to'])}, {changed}")
    return lines


def _forecast_lines(ahead, currency):
    known = f"{ahead['severity']['rate']:.0%} of the exposure lost on average, drawn from {ahead['severity']['known']:,} past defaults" \
        if ahead["severity"]["known"] else f"{ahead['severity']['rate']:.0%} of the exposure lost, the policy's assumption"
    rows = [("months", "old", "new", "new, at a constant rate")]
    for each in ahead["ahead"]:
        rows.append((f"{each['months']}", *(_range(each[side], currency) for side in ("old", "new", "constant_rate"))))
    return [f"Loss to expect of today's book at what is granted: {known}; 95 % with a common factor of {ahead['asset_correlation']:g}", *_table(rows)]


def _range(side, currency):
    if side is None:
        return "no history"
    expected, low, high = (_money(side["loss"][key], currency) for key in ("expected", "low", "high"))
    return f"{expected} ({low} to {high})"


def _place(place):
    action, route = place
    return NAMES[action] + ("" if not route else " automatically" if route == ROUTES[AUTOMATIC] else f" by {_route(route)}")


def _route(name):
    return name.replace("_", " ")


def _most(because, count=3):
    return sorted(because.items(), key=lambda item: -item[1])[:count]


def _money(value, currency):
    return f"{currency} {value / MINOR_UNITS:,.0f}"


def _count(value):
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"


def _signed(value, show):
    return show(value) if value <= 0 else f"+{show(value)}"


def _table(rows):
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows]
