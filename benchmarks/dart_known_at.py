"""dart_korea under both rules of known_at: what the day of the last amendment tells about a firm before it is delisted.

    python -m benchmarks.dart_known_at [--data ../shared/data]

The shipped source takes a report as known by 31 March, the legal due date, because the file keeps the number of its latest amendment only. The
strict rule takes that number's day as it stands. Both run through the pipeline with the default parameters on the same rows; the difference is paired
(DeLong, by firm).
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks.models import PUBLISHED, ground, play_round
from models.discrimination import auc, average_precision, compare_auc
from pipeline.workspace import ROOT

SHIPPED = ROOT / "pipeline" / "sources" / "dart_korea"
DUE, FILED = "least(filed_on, make_date(reports.report_year + 1, 3, 31))", "filed_on"


def strict_definition(folder):
    """A copy of the shipped source in `folder` whose statements are known on the day of their number; returns its path."""
    definition = Path(shutil.copytree(SHIPPED, Path(folder) / "dart_korea"))
    statements = definition / "statements.sql"
    text = statements.read_text(encoding="utf-8")
    if text.count(DUE) != 1:
        raise SystemExit(f"{statements} no longer holds `{DUE}` once: the strict rule cannot be told from the shipped one.")
    statements.write_text(text.replace(DUE, FILED), encoding="utf-8")
    return definition


def judged(path, definition=SHIPPED):
    """The out-of-time rows of one definition with customer_id, target and raw_score, by observation_id."""
    given = ground("dart_korea", path, [("source.definition", str(definition))])
    return play_round(given, given.protocols[PUBLISHED])


def main():
    """Print both figures and their difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    path = parser.parse_args().data / "dart_korea"
    due = judged(path)
    with tempfile.TemporaryDirectory() as folder:
        strict = judged(path, strict_definition(folder)).loc[due.index]
    for name, rows in (("known by the due date", due), ("known as filed", strict)):
        print(f"{name:22} AUC {auc(rows['target'], rows['raw_score']):.4f}  average precision {average_precision(rows['target'], rows['raw_score']):.4f}")
    paired = compare_auc(due["target"].to_numpy(), strict["raw_score"], due["raw_score"], groups=due["customer_id"])
    print(f"as filed less by the due date: AUC {paired['difference']:+.4f} ({paired['low']:+.4f} to {paired['high']:+.4f})")


if __name__ == "__main__":
    main()
