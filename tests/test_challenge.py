"""What the trees add over a scorecard and a constant: the comparison, and how the summary and the page say it."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.discrimination import auc
from models.probability_tests import brier, compare_losses, log_loss
from models.scorecard import Scorecard, raw_scores
from pipeline import summary, track
from pipeline.challenge import compare, constant, verdict
from pipeline.columns import read_columns
from pipeline.datasets import case_path, read_json, write_json
from pipeline.frames import read_frame
from pipeline.reports.portfolio_health import _challenger
from pipeline.reports.text import Words


@pytest.fixture(scope="module")
def judged():
    """Two scores of 1,200 rows of 300 customers; the first knows more."""
    draw = np.random.default_rng(8)
    risk = draw.normal(size=1200)
    target = (draw.random(1200) < 1 / (1 + np.exp(2 - 1.5 * risk))).astype(float)
    raw = {"own": -2 + 1.5 * risk, "other": -2 + 0.5 * risk + draw.normal(size=1200)}
    rows = pd.DataFrame({"customer_id": np.arange(1200) // 4, "target": target})
    return {name: rows.assign(raw_score=value, probability=1 / (1 + np.exp(-value))) for name, value in raw.items()}


@pytest.mark.parametrize(("loss", "mean"), [("brier", brier), ("log_loss", log_loss)])
def test_a_difference_of_losses_has_the_error_of_a_mean_and_by_customer_that_of_clusters(judged, loss, mean):
    import statsmodels.api as sm

    own, other, target = judged["own"]["probability"], judged["other"]["probability"], judged["own"]["target"]
    each = np.array([mean([t], [p]) - mean([t], [q]) for t, p, q in zip(target, own, other, strict=True)])
    alone = compare_losses(target, own, other, loss=loss)
    assert (alone["difference"], alone["se"]) == pytest.approx((mean(target, own) - mean(target, other), stats.sem(each)))
    groups = judged["own"]["customer_id"]
    fitted = sm.OLS(each, np.ones(1200)).fit(cov_type="cluster", cov_kwds={"groups": groups, "df_correction": False, "use_correction": False})
    assert compare_losses(target, own, other, loss=loss, groups=groups)["se"] == pytest.approx(fitted.bse[0] * np.sqrt(300 / 299))


@pytest.mark.parametrize(("first", "second", "verdict"), [("own", "other", "better"), ("other", "own", "worse"), ("own", "own", "level")])
def test_the_verdict_of_two_scores(judged, first, second, verdict):
    found = compare(judged[first], judged[second], repeats=20, seed=1)
    assert found["verdict"] == verdict
    assert found["auc"]["difference"] == pytest.approx(auc(judged[first]["target"], judged[first]["raw_score"])
                                                       - auc(judged[first]["target"], judged[second]["raw_score"]))
    assert np.sign(found["log_loss"]["difference"]) == -np.sign(found["auc"]["difference"])


@pytest.mark.parametrize(("auc_ends", "precision_ends", "loss_ends", "expected"), [
    ((-1, 1), (-1, 1), (-1, 1), "level"), ((-1, 1), (1, 2), (-1, 1), "better"), ((-1, 1), (-1, 1), (-2, -1), "better"),
    ((-1, 1), (-1, 1), (1, 2), "worse"), ((1, 2), (-2, -1), (-1, 1), "mixed")])
def test_every_figure_counts_in_the_verdict_and_less_loss_is_better(auc_ends, precision_ends, loss_ends, expected):
    ends = {"auc": auc_ends, "average_precision": precision_ends, "log_loss": loss_ends}
    assert verdict({name: {"low": low, "high": high} for name, (low, high) in ends.items()}) == expected


def test_a_constant_ranks_nothing_and_loses_the_entropy_of_its_rate():
    found = constant(np.array([1.0, 0.0, 0.0, 0.0]), 0.25)
    assert (found["auc"], found["average_precision"], found["brier"]) == (0.5, 0.25, pytest.approx(0.1875))
    assert found["log_loss"] == pytest.approx(stats.entropy([0.25, 0.75]))


def challengers(verdict, *, columns=("a", "b")):
    added = {"auc": {"difference": 0.021, "low": -0.010, "high": 0.0321, "p": 0.2, "se": 0.01}, "verdict": verdict,
             "average_precision": {"difference": -0.004, "low": -0.02, "high": 0.01}, "log_loss": {"difference": -0.001, "low": -0.003, "high": 0.001}}
    return {"scorecard": {"auc": 0.8, "columns": list(columns), "table": [{"points": 3.0}], "calibration": "beta"}, "constant": {"log_loss": 0.1},
            "comparison": added, "bundle": "ab"}


@pytest.mark.parametrize(("verdict", "lines"), [
    ("better", []),
    ("level", ["               within the intervals the scorecard is as good: the simpler model would do"]),
    ("worse", ["               the scorecard is better: use the simpler model, or look for what the trees learned that does not last"]),
])
def test_the_summary_says_what_the_trees_add(tmp_path, monkeypatch, verdict, lines):
    monkeypatch.chdir(tmp_path)
    write_json(case_path("default", "challengers", "challengers.json"), challengers(verdict))
    first = "  challenger   over a scorecard of 2 columns: AUC +0.021 (-0.010 to +0.032), average precision -0.004 (-0.020 to +0.010), " \
            "log-loss -0.0010 (-0.0030 to +0.0010)"
    assert summary._challenge_lines("default") == [first, *lines]


def test_the_summary_says_that_there_is_no_scorecard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(case_path("default", "challengers", "challengers.json"), challengers("better", columns=()))
    assert summary._challenge_lines("default") == ["  challenger   none: no column tells enough for a scorecard"]


@pytest.mark.parametrize(("language", "words"), [
    ("en", "Over a logistic scorecard of 2 columns, fitted on the same rows: AUC +0.021 (−0.010 to +0.032), average precision −0.004 (−0.020 to +0.010), "
           "log-loss −0.0010 (−0.0030 to +0.0010) (less is better). Within the intervals the scorecard is as good: the simpler model would do."),
    ("zh", "与用相同样本建立的 2 个字段的逻辑回归评分卡相比：AUC +0.021（−0.010 至 +0.032），平均精确率 −0.004（−0.020 至 +0.010），"
           "对数损失 −0.0010（−0.0030 至 +0.0010）（越小越好）。在区间范围内评分卡与模型相当：更简单的模型即可满足需要。"),
])
def test_the_page_says_what_the_trees_add(language, words):
    assert _challenger(challengers("level"), Words(language)) == words


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("verdict", ["better", "mixed", "worse"])
def test_every_verdict_has_words(language, verdict):
    words = Words(language)
    assert _challenger(challengers(verdict), words).endswith(words(f"challenger.{verdict}"))
    assert _challenger(challengers(verdict, columns=()), words) == words("challenger.none")


def test_mlflow_gets_the_figures_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(case_path("default", "challengers", "challengers.json"), challengers("level"))
    found = track._challengers("default")
    assert found["over_scorecard.auc.difference"] == 0.021
    assert set(found) == {"scorecard.auc", "constant.log_loss", *(f"over_scorecard.auc.{end}" for end in ("difference", "low", "high", "p", "se")),
                          *(f"over_scorecard.{name}.{end}" for name in ("average_precision", "log_loss") for end in ("difference", "low", "high"))}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    from small_run import small_run

    with small_run(tmp_path_factory.mktemp("challenge")) as folder:
        yield folder


@pytest.mark.slow
def test_the_stage_writes_the_card_that_made_the_figures(project):
    folder = case_path("default", "challengers")
    found, kept, predictions = read_json(folder / "challengers.json"), read_json(folder / "scorecard.json"), read_frame(folder / "predictions.parquet")
    card = msgspec.convert(kept["card"], Scorecard)
    sample = read_frame(case_path("default", "development", "samples.parquet"))["sample"].to_numpy()
    columns = read_columns(case_path("default", "development", "features.parquet"), rows=sample == "out_of_time")
    assert np.array_equal(raw_scores(card, columns), predictions["raw_score"])
    assert found["scorecard"]["auc"] == pytest.approx(auc(predictions["target"], predictions["raw_score"]))
    assert found["scorecard"]["log_loss"] == pytest.approx(log_loss(predictions["target"], predictions["probability"]))
    own = read_frame(case_path("default", "evaluation", "predictions.parquet"))
    assert found["comparison"]["auc"]["difference"] == pytest.approx(auc(own["target"], own["raw_score"]) - found["scorecard"]["auc"])
    assert found["scorecard"]["columns"] == list(card.names)
    assert 1 <= len(card.names) <= 15


@pytest.mark.slow
def test_the_card_learned_from_the_rows_of_the_final_trees(project):
    kept = read_json(case_path("default", "challengers", "scorecard.json"))["card"]
    sample = read_frame(case_path("default", "development", "samples.parquet"))["sample"]
    assert {sum(each["bins"]["rows"]) for each in kept["characteristics"]} == {int(sample.isin(["development", "validation"]).sum())}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(project):
    from pipeline.challenge import challenge

    folder = case_path("default", "challengers")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    challenge("default")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {"challengers.json", "scorecard.json", "predictions.parquet"}
    assert json.loads(before["challengers.json"])["scorecard"]["table"][0].keys() == {"column", "bin", "rows", "bad", "woe", "points"}
