"""Stage dossier: everything a validator asks of the candidate, on one page in every language, from what the stages measured."""

import shutil
from pathlib import Path

from models.policy import load_policy
from pipeline.datasets import case_path, replacing
from pipeline.lock import data_hashes
from pipeline.params import load_params
from pipeline.reports.dossier import dossier_view, read_artefacts
from pipeline.reports.pages import Site, index_name
from pipeline.reports.text import LANGUAGES
from pipeline.stage import run_stage

POLICY = Path("policy.yaml")


def dossier(use_case):
    """Write `dossier/`: `index.html` and `index.zh.html`, and beside them the `figures/` of explain that they link to."""
    with replacing(case_path(use_case, "dossier")) as folder:
        folder.mkdir(parents=True)
        # Copied, so that a dossier kept with its bundle keeps what it shows.
        shutil.copytree(case_path(use_case, "explanation", "figures"), folder / "figures")
        write_pages(folder, use_case)


def write_pages(folder, use_case, *, promotions=None):
    """Write the pages into a folder. promotions: the use case's entries of the promotion ledger, for the dossier that is kept; a stage reads no database."""
    made = read_artefacts(use_case, policy=load_policy(POLICY, use_case), params=load_params(), hashes=data_hashes(use_case), promotions=promotions)
    site = Site(made, more=("dossier", "explanation", "promotions"))
    addresses = {language: index_name(language) for language in LANGUAGES}
    for language in LANGUAGES:
        view = dossier_view(made, site.words[language])
        page = site.page("dossier.html", view, language=language, addresses=addresses, home=None)
        (folder / index_name(language)).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run_stage(dossier)
