"""Answers while no bundle can be loaded: on whom the book knows, its published score, decided anew by the policy of today."""

from models.horizon import horizon_of
from serving.kept import PublicationDamaged
from serving.scorer import Answer, Reason, Scored, Scorer, freshness_of, with_questions, worded

SUB_SCORE = "sub_"
UNEXPLAINED = "The book was published without reasons for {customer}, and without a bundle none can be worked out: mend the bundle, or publish all of them " \
              "(score.reasons)."


class LastGood(Scorer):
    """A Scorer of the rows of one publication alone: their scores, grades and reasons are those published, with the contribution of a reason but not of each
    of its columns. Of a row published without reasons there are none, and its faults say so. Overrides, states and amounts asked for count as ever."""

    whole = False

    def __init__(self, published, *, policy=None, cause=""):
        """published: Published or Kept; policy: another than its own; cause: why no bundle answers."""
        self._cause = cause
        self.policy, self.catalogue = policy or published.policy(), published.catalogue()
        manifest = published.manifest
        self.versions = {"bundle": manifest["bundle"], "policy": self.policy.hash, "context": manifest["context"], "publication": published.hash}
        self._use_case = manifest["use_case"]
        self._tables = tuple(table for table in self.catalogue.needs if table != "observations")

    @property
    def judges_transactions(self):
        return self._use_case == "fraud"

    def scored(self, asked, *, settled=None, undrawn=False):
        """Yield the Scored of each Asked, which is of a row of the book, as it was published with. settled: as in Scorer; undrawn: decided all the same.

        Raises PublicationDamaged for a row that carries no score.
        """
        for each in asked if settled is None else with_questions(asked, settled()):
            yield self._of_row(each)

    def _of_row(self, asked):
        row, question = asked.row, asked.question
        score, standing = row.score, row.score.get("standing") or {}
        name = next((name for name in score if horizon_of(name) or name == "p_fraud"), None)
        if name is None:
            raise PublicationDamaged(f"{self._cause} The book has no score of that row, so there is none to tell.")
        ((decision, takes),) = self._decisions([score["grade"]], [score[name]], [standing], [asked])
        freshness = asked.freshness if row.records is None else freshness_of(row.records, question.as_of)
        answer = Answer(
            use_case=self._use_case,
            customer_id=question.customer_id,
            as_of=question.as_of,
            probability_name=name,
            probability=score[name],
            **{each: score[each] for each in ("pd_low", "pd_high", "raw_score", "points", "grade")},
            **self._why(score, asked.languages),
            decision=decision,
            sufficiency=self._sufficiency(len(row.features), sum(value is not None for value in row.features.values()), freshness),
            freshness=freshness or {},
            versions=self.versions,
        )
        faults = (UNEXPLAINED.format(customer=question.customer_id),) if answer.reasons is None else ()
        return Scored(answer, row.features, standing, question, takes, published=score, languages=asked.languages, faults=faults)

    def _why(self, score, languages):
        """Sub-scores and reasons of a published row, both None where it has none."""
        if score["adverse"] is None:
            return {"sub_scores": None, "reasons": None}
        listed = tuple(self._published_reason(reason, languages) for side in ("adverse", "favourable") for reason in score[side])
        return {"sub_scores": {each.removeprefix(SUB_SCORE): total for each, total in score.items() if each.startswith(SUB_SCORE)}, "reasons": listed}

    def _published_reason(self, reason, languages):
        values = tuple({"name": each["name"], "value": each["value"] if each["text"] is None else each["text"], "contribution": None}
                       for each in reason["features"])
        contribution, comparison = reason["contribution"], _compared(reason.get("comparison"))
        # a publication of old names its strongest column alone
        said = comparison or {"kind": "none", "name": values[0]["name"], "value": values[0]["value"], "reference": None}
        sentence = worded(reason["message_id"], reason["factor"], contribution, said, self.catalogue[said["name"]].unit, languages)
        return Reason(reason["message_id"], reason["factor"], contribution, values, sentence, comparison)


def _compared(kept):
    """A comparison as an answer has it; in a file numbers and words have columns of their own."""
    if kept is None:
        return None
    value, reference = (kept[f"{name}_text"] if kept[name] is None else kept[name] for name in ("value", "reference"))
    return {"kind": kept["kind"], "name": kept["name"], "value": value, "reference": reference}
