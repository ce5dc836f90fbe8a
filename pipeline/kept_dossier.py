"""The dossier that is kept with a bundle that goes into production: the stage's pages, with the section on promotions that no stage may fill."""

from functools import partial

from pipeline.datasets import case_path
from pipeline.state import keep_dossier
from serving.store import Promotion


def keep_dossier_of(case, evidence, policy):
    """Keep the dossier of a candidate about to be promoted or requested, and return the sha256 of its English page; None where the dossier is not made or is of
    another bundle. policy: hash of the policy in force from then on, None for a request.

    The section tells the ledger up to now and, last, the entry about to be written: its row in the ledger holds this page's hash and so cannot be in it.
    """
    entries = case.entries()
    about_to_be = Promotion(sequence=0, made_at=case.store.now(), use_case=case.use_case, source=case.source, action="request" if policy is None else "promote",
                            bundle=case.candidate, previous_bundle=case.champion, policy=policy, actor=case.actor, reason=case.reason, evidence=evidence)
    return keep_dossier(case_path(case.use_case, "dossier"), case.candidate, write=partial(_write, case.use_case, (*entries, about_to_be)))


def _write(use_case, promotions, folder):
    from pipeline.dossier import write_pages

    write_pages(folder, use_case, promotions=promotions)
