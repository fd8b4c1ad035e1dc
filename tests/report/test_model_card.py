import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.measures.calibration import probabilities_of
from bloodcell.measures.confidence import confidence_entries
from bloodcell.measures.metrics import classification_figures
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.model_card import card_markdown, card_tables
from bloodcell.report.table import Table
from bloodcell.weights.answer_identity import answer_sha256
from bloodcell.weights.card import WeightsCard, read_card
from tests.weights.test_file import card_of


def _test_figures() -> dict[str, Any]:
    chance = np.random.default_rng(0)
    labels = np.arange(400) % CLASS_COUNT
    logits = chance.normal(size=(400, CLASS_COUNT)) + 3 * np.eye(CLASS_COUNT)[labels]
    probabilities = probabilities_of(logits, 0.5)
    return {
        **classification_figures(labels, probabilities).to_dict(),
        "precision": "fp32",
        "engine": "torch",
        "shown_as_sure": 300,
        "right_of_sure": 290,
        "subtypes": [{"subtype": "BNE", "n": 3, "right": 1, "near": 2, "other": 0}],
        "confidence": confidence_entries(labels, probabilities, temperature=0.5, is_sure=probabilities.max(1) > 0.8),
    }


@pytest.fixture
def card() -> WeightsCard:
    """A card that states everything."""
    test = _test_figures()
    seeds = {
        "runs": [
            {"seed": seed, "validation": {"correct": 620 + seed, "n": 640}, "test": None, "ships": seed == 1}
            for seed in range(3)
        ],
        "validation": {"mean": 0.9703, "standard_deviation": 0.0016, "interval": [0.966, 0.974]},
        "test": None,
    }
    gate = [
        {
            "images": "Photographs",
            "n": 28,
            "refused": 28,
            "refused_interval": [0.88, 1.0],
            "sure": 0,
            "wrong_and_sure": None,
        }
    ]
    laboratory = {
        **{"name": "North", "n": 200, "correct": 170, "accuracy_interval": [0.79, 0.89], "answered": 190},
        **{"right_of_answered": 165, "sure": 40, "right_of_sure": 38, "refused": 10, "laboratory": "known"},
        **{"trained_on": 0, "recall": {"1": [0.85, 200]}, "source": "200 crops"},
    }
    metrics = {"test": test, "laboratories": [laboratory], "seeds": seeds, "gate": gate}
    return replace(card_of("unet_encoder"), metrics=metrics, recipe={"epochs": 12})


def _tables(card: WeightsCard) -> dict[str, Table]:
    return {table.name: table for table in card_tables(card)}


def test_every_table_says_what_is_stored(card: WeightsCard) -> None:
    tables, test = _tables(card), card.metrics["test"]
    assert tables["accuracy"].rows[0][1:3] == ("400", f"{100 * test['accuracy']:.1f} %")
    assert tables["accuracy"].rows[0][-1] == "290 of 300"
    assert [row[0] for row in tables["seeds"].rows][:3] == ["0", "1", "2"]
    assert [row[3] for row in tables["seeds"].rows][:3] == ["", "✓", ""]
    assert tables["seeds"].rows[3][:2] == ("mean", "97.0 %")
    assert [list(map(int, row[1:])) for row in tables["confusion-matrix"].rows] == test["confusion_matrix"]
    assert tables["subtypes"].rows == (("Band neutrophil (BNE)", "3", "1", "2", "0"),)
    assert tables["calibration"].rows[1][2] == f"{100 * test['confidence']['ece']:.2f} %"
    assert tables["second-look"].rows[1][1] == "12"
    assert tables["gate"].rows == (("Photographs", "28", "100.0 % (88.0 to 100.0 %)", "–", "0", "–"),)
    assert tables["recipe"].rows == (("epochs", "12"),)
    north = ("North", "200", "0", "85.0 % (79.0 to 89.0 %)", "95.0 %", "40", "2", "5.0 %", "–", "known")
    assert tables["laboratories"].rows == (north,)
    assert tables["laboratory-classes"].rows[:2] == (("Basophil", "–"), ("Eosinophil", "85.0 % of 200"))
    assert ("images of North", "200 crops") in tables["facts"].rows
    assert ("SHA-256 of what decides, bf16", answer_sha256(card, "bf16")) in tables["facts"].rows
    assert ("test images answered in", "fp32 by torch") in tables["facts"].rows


def test_the_confidences_before_the_temperature_are_those_of_the_logits() -> None:
    labels = np.arange(80) % CLASS_COUNT
    logits = np.random.default_rng(1).normal(size=(80, CLASS_COUNT)) + 2 * np.eye(CLASS_COUNT)[labels]
    sure = np.ones(80, dtype=bool)
    calibrated = confidence_entries(labels, probabilities_of(logits, 0.4), temperature=0.4, is_sure=sure)
    plain = confidence_entries(labels, probabilities_of(logits), temperature=1.0, is_sure=sure)
    assert calibrated["before"]["brier"] == pytest.approx(plain["brier"], abs=1e-12)
    assert calibrated["before"]["ece"] == pytest.approx(plain["ece"], abs=1e-12)
    assert calibrated["ece"] != pytest.approx(plain["ece"], abs=1e-3)


def test_the_threshold_catches_the_errors_that_are_not_shown_as_sure() -> None:
    labels = np.zeros(4, dtype=np.int64)
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    found = confidence_entries(labels, probabilities, temperature=1.0, is_sure=np.array([True, True, False, False]))
    assert found["threshold"] == {
        "reviewed": 2,
        "errors": 2,
        "caught": 1,
        "caught_share_interval": found["threshold"]["caught_share_interval"],
    }


def test_what_a_card_does_not_state_is_left_out() -> None:
    assert set(_tables(card_of("simple_cnn"))) == {"facts", "recipe"}


@pytest.mark.parametrize(
    "metrics",
    [{"test": {"n": "many"}}, {"test": 3}, {"gate": "x"}, {"seeds": {"runs": 1}}, {"laboratories": [{"n": 0}]}],
)
def test_a_card_that_states_something_else_is_shown_without_it(metrics: dict[str, Any]) -> None:
    assert set(_tables(replace(card_of("simple_cnn"), metrics=metrics))) == {"facts", "recipe"}


def test_words_of_strangers_stay_plain_in_markdown(card: WeightsCard) -> None:
    text = card_markdown(replace(card, licence="![x](http://a.b/c.png) <img src=x> | :smile:\n# y"))
    assert "\\!\\[x\\]" in text
    assert "\\<img src=x\\> \\|" in text
    assert "\n# y" not in text


@pytest.mark.parametrize("path", sorted(SHIPPED_WEIGHTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_cards_in_the_repository_are_generated_from_what_is_stored(path: Path) -> None:
    assert path.with_suffix(".md").read_text() == card_markdown(read_card(path))


def test_cards_use_the_words_of_the_classroom_and_those_of_the_bench_only_where_they_explain_them() -> None:
    tables = card_tables(read_card(SHIPPED_WEIGHTS / "unet_encoder.json"))
    texts = [
        text
        for table in tables
        for text in (table.title, *table.columns, *(cell for row in table.rows for cell in row))
    ]
    assert texts
    assert [text for text in texts if "second look" in text.lower() or re.search(r"\bsure\b", text)] == []
    notes = " ".join(table.note for table in tables)
    assert "The page Classify calls them sure." in notes
