"""What would change a customer's grade, for the officer's report: the moves searched on the book's own customers, and the sentences that tell them."""

import numpy as np

from models.bundle import load_bundle
from models.explanation import sample_rows
from models.move_reference import Reference
from models.moves import what_would_change
from models.scoring import encode
from pipeline.columns import read_columns
from pipeline.datasets import case_path
from pipeline.frames import read_frame
from pipeline.state import bundle_folder

# Customers of the book that say what is plausible: more move no proposal, and the ranks of every industry have enough to be read from.
REFERENCE_ROWS = 5000
# How a figure is said, by the unit of its column; a ratio that a move is told in is a share of something.
_SAID = {"share": "percent", "ratio": "percent", "days": "days", "minor units": "money"}


class Advisor:
    """Searches for moves in one book, by the bundle that scored it and that book's customers of better grades."""

    def __init__(self, book, *, threads=1):
        bundle = load_bundle(bundle_folder(book.use_case, book.bundle))
        self._file, self._threads = case_path(book.use_case, "book", "features.parquet"), threads
        self._place = {key: place for place, key in enumerate(read_frame(self._file, columns=["observation_id"])["observation_id"])}
        rows = sample_rows(len(self._place), limit=REFERENCE_ROWS)
        self._reference = Reference(bundle, encode(read_columns(self._file, bundle.names, rows=rows), bundle), threads=threads)

    def changes(self, rows):
        """{observation_id: `models.moves.Change`} of rows of the score file."""
        bundle, keys = self._reference.bundle, [row["observation_id"] for row in rows]
        places = np.array([self._place[key] for key in keys], dtype=np.int64)
        matrix = encode(read_columns(self._file, bundle.names, rows=places), bundle)
        return {key: what_would_change(self._reference, values, threads=self._threads) for key, values in zip(keys, matrix, strict=True)}


def moves_view(change, columns, words):
    """What `moves.html` shows of a Change in one language; columns: the bundle's description of its columns by name. words: made with more=("moves",)."""
    grades = {"grade": change.grade, "target": change.target, "reached": change.reached}
    before, after = words.probability(change.probability), words.probability(change.after) if change.after is not None else ""
    return {"state": change.state, "said": words(f"moves.{change.state}", count=len(change.steps), before=before, after=after, **grades),
            "steps": [_step(step, columns, words) for step in change.steps]}


def _step(step, columns, words):
    said = getattr(words, _SAID.get(columns[step.column]["unit"], "number"))
    sentence = words(f"move.{step.move}", before=_figure(step.before, said), after=_figure(step.after, said))
    return {"sentence": sentence, "effort": words("moves.effort", share=words.percent(step.effort, 0))}


def _figure(value, said):
    return "–" if value is None else said(value)
