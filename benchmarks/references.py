"""The reference script's predictions on a shipped source's rows: which of its rows is which observation, and one frame a round."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


def in_order(folder, ids):
    """The script numbers its rows as they stand in the file, which is the order of observation_id."""
    return pd.Series(np.arange(len(ids)), index=ids)


def by_place(folder, ids):
    """american_bankruptcy: the place of the firm-year in order of firm and year."""
    years = pd.read_parquet(folder / "firm_years_1999_2014.parquet", columns=["company_name", "year"])
    years = years.sort_values(["company_name", "year"])
    return pd.Series(np.arange(len(years)), index=years["company_name"] + "@" + years["year"].astype(str))


def by_account(folder, ids):
    """berka: the account of the loan, loans in the file's order."""
    loans, moves = (pd.read_csv(folder / name, sep=";", low_memory=False) for name in ("loan.asc", "trans_preloan_1997_1998_FEUP_competition.csv"))
    accounts = loans["account_id"][loans["account_id"].isin(moves["account_id"])]
    return pd.Series(accounts.to_numpy(), index=ids)


def by_filing(folder, ids):
    """dart_korea: the place among the firm-years with an amount, this year's or the last, on one of the script's lines of a separate statement in won."""
    lines = pd.read_parquet(folder / "statements_2015_2019.parquet")
    lines = lines[(lines["fs_nm"] == "재무제표") & (lines["currency"].fillna("KRW") == "KRW") & lines["account_nm"].isin(DART_LINES)]
    amounts = [pd.to_numeric(lines[name].str.replace(",", ""), errors="coerce").notna() for name in ("thstrm_amount", "frmtrm_amount")]
    firms = lines[amounts[0] | amounts[1]].assign(year=lambda table: table["bsns_year"].astype(int))[["stock_code", "year"]].drop_duplicates()
    firms = firms.sort_values(["stock_code", "year"])
    return pd.Series(np.arange(len(firms)), index=firms["stock_code"].str.zfill(6) + "@" + firms["year"].astype(str))


DART_LINES = ("유동자산", "자산총계", "유동부채", "부채총계", "자본금", "이익잉여금", "자본총계", "매출액", "영업이익", "법인세차감전 순이익", "당기순이익",
              "당기순이익(손실)")


@dataclass(frozen=True)
class Reference:
    """Where the script's predictions for one protocol are: its `set`, a function from the source's folder and its observation ids (in order) to the
    script's row by observation_id, and how the rounds that belong to the protocol begin (empty: all do)."""

    set: str
    rows: Callable
    rounds: str = ""


# By source and protocol ("" is the published one, else a name of `also`).
REFERENCES = {
    ("american_bankruptcy", ""): Reference("american", by_place),
    ("dart_korea", ""): Reference("dart", by_filing),
    ("berka", ""): Reference("berka", by_account),
    ("uci_credit_default", ""): Reference("uci", in_order),
    ("polish_bankruptcy", ""): Reference("polish", in_order, "5year"),
    ("polish_bankruptcy", "five_years_ahead"): Reference("polish", in_order, "1year"),
}


class Script:
    """Runs the reference script once a set and keeps its answer and the seconds it took."""

    def __init__(self, tools):
        self.path, self._answers = Path(tools) / "reference_scores.py", {}

    def predictions(self, name):
        """(frame of row, target, probability, round; seconds) of a set."""
        if name not in self._answers:
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([sys.executable, str(self.path), name, "--out", folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self._answers[name] = pd.read_csv(Path(folder) / f"{name}.csv", dtype={"round": "str"}), time.monotonic() - started
        return self._answers[name]


def reference_rounds(script, reference, folder, ids):
    """The script's rounds in order, each a frame of target and probability by observation_id; and its seconds, of all its rounds together."""
    found, seconds = script.predictions(reference.set)
    names = reference.rows(folder, ids).rename_axis("observation_id").reset_index(name="row")
    # Rounds are numbers for most sets, texts for the folds of two files.
    labels = [label for label in found["round"].unique() if label.startswith(reference.rounds)]
    keyed = {label: part.merge(names, on="row").set_index("observation_id") for label, part in found[found["round"].isin(labels)].groupby("round")}
    lost = {label: int((found["round"] == label).sum()) - len(part) for label, part in keyed.items()}
    if any(lost.values()):
        raise SystemExit(f"{reference.set}: {max(lost.values())} rows of the script are no observation of the source: correct benchmarks/references.py")
    return [keyed[label][["target", "probability"]] for label in labels], seconds
