"""A page with placeholders such as {{windows.ours.wall}} filled from the figures that `benchmarks.features --json` wrote.

    python -m benchmarks.fill FIGURES.json PAGE.md [--write]

Prints the filled page, or with --write puts it in place. Figures of a hundred and more are shown whole, of ten and more to one digit, others to two; a format
may follow the name, as in {{windows.phases.steps.computing.share|.0%}}. A placeholder without a figure stays and is named, and the command ends with 1.
"""

import argparse
import json
import re
import sys
from pathlib import Path

PLACEHOLDER = re.compile(r"\{\{([\w. ]+)(?:\|(\S+?))?\}\}")


def filled(page, figures):
    """The page with what is known of it filled, and the placeholders without a figure. `{{name|.1f}}` gives a figure its own format."""
    lacking = []

    def put(found):
        value = _figure(figures, found[1].split("."))
        if value is None:
            lacking.append(found[1])
            return found[0]
        return format(value, found[2]) if found[2] else shown(value)

    return PLACEHOLDER.sub(put, page), lacking


def _figure(figures, names):
    for name in names:
        if isinstance(figures, list) and name.isdigit() and int(name) < len(figures):
            figures = figures[int(name)]
        elif isinstance(figures, dict) and name in figures:
            figures = figures[name]
        else:
            return None
    return figures


def shown(value):
    """A figure as a page shows it."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def main():
    """Fill and print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    page, lacking = filled(asked.page.read_text(encoding="utf-8"), json.loads(asked.figures.read_text()))
    if asked.write:
        asked.page.write_text(page, encoding="utf-8")
    else:
        print(page)
    if lacking:
        print("no figure for " + ", ".join(dict.fromkeys(lacking)), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
