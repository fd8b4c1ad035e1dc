from dataclasses import replace

import pytest

from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.model_card import card_markdown, card_tables
from bloodcell.report.other_laboratories import UNPROVEN, laboratory_words
from bloodcell.weights.card import read_card
from tests.weights.test_file import card_of

SHIPPED = read_card(SHIPPED_WEIGHTS / "unet_encoder.json")


def test_the_card_that_ships_says_that_another_laboratory_is_unproven_and_what_two_showed() -> None:
    words = laboratory_words(SHIPPED)
    assert words.startswith(UNPROVEN)
    assert "of its 341 cells 341 were refused" in words
    assert "one laboratory, so it has no interval" in words
    assert "Of 2 others (CellaVision scanners too) it is only stated, not measured by this program" in words
    assert "that about half of the cells were refused" in words
    assert "of 230 confident answers 24 were wrong (10 %)" in words
    assert UNPROVEN in card_markdown(SHIPPED)


@pytest.mark.parametrize("metrics", [{}, {"foreign": 3, "other_laboratories": []}, {"foreign": {"n": "many"}}])
def test_a_card_that_states_nothing_of_others_says_that_they_are_unproven(metrics: dict[str, object]) -> None:
    assert laboratory_words(replace(card_of("simple_cnn"), metrics=metrics)) == UNPROVEN


@pytest.mark.parametrize("name", ["unet_encoder", "deep_cnn", "simple_cnn"])
def test_the_cells_of_one_other_laboratory_have_no_interval(name: str) -> None:
    tables = {table.name: table for table in card_tables(read_card(SHIPPED_WEIGHTS / f"{name}.json"))}
    foreign = [row for row in tables["gate"].rows if row[0].startswith("bccd")]
    assert len(foreign) == 5
    assert all(row[2].endswith(" (one laboratory)") for row in foreign)
    assert tables["accuracy"].rows[-1][3] == "–"
