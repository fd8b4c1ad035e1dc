import re
from dataclasses import replace

import pytest

from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.model_card import card_markdown, card_tables
from bloodcell.report.other_laboratories import UNPROVEN, laboratory_words
from bloodcell.weights.card import WeightsCard, read_card
from tests.weights.test_file import card_of

SHIPPED = read_card(SHIPPED_WEIGHTS / "unet_encoder.json")


def entry(**changes: object) -> dict[str, object]:
    made = {"name": "North", "n": 200, "correct": 170, "sure": 0, "right_of_sure": 0, "trained_on": 0}
    return {**made, "laboratory": "other", **changes}


def with_laboratories(*entries: dict[str, object]) -> WeightsCard:
    return replace(card_of("simple_cnn"), metrics={"laboratories": list(entries)})


def test_the_card_that_ships_says_that_another_laboratory_is_unproven_and_what_one_showed() -> None:
    words = laboratory_words(SHIPPED)
    assert words.startswith(UNPROVEN)
    assert re.search(r"LISC, Tehran: \d+ % of 255 cells right, 0 called sure\.", words)
    assert "that is 1 laboratory, and says little about the next" in words
    assert "BCCD" not in words
    assert UNPROVEN in card_markdown(SHIPPED)


def test_a_laboratory_that_passed_for_home_is_told_with_its_wrong_answers() -> None:
    alike = entry(name="South", sure=90, right_of_sure=81, laboratory="known")
    words = laboratory_words(with_laboratories(entry(), alike))
    assert "North: 85 % of 200 cells right, 0 called sure; South: 85 % of 200" in words
    assert "90 called sure, 9 of these wrong" in words
    assert "that is 2 laboratories" in words


def test_home_and_laboratories_that_were_trained_on_say_nothing_of_others() -> None:
    assert laboratory_words(with_laboratories(entry(home=True), entry(trained_on=341))) == UNPROVEN


@pytest.mark.parametrize("stated", [None, 3, [{"n": "many"}], [entry(n=0)]])
def test_a_card_that_states_nothing_of_others_says_that_they_are_unproven(stated: object) -> None:
    assert laboratory_words(replace(card_of("simple_cnn"), metrics={"laboratories": stated})) == UNPROVEN


@pytest.mark.parametrize("name", ["unet_encoder", "deep_cnn", "simple_cnn"])
def test_the_cells_of_one_other_laboratory_have_no_interval(name: str) -> None:
    tables = {table.name: table for table in card_tables(read_card(SHIPPED_WEIGHTS / f"{name}.json"))}
    foreign = [row for row in tables["gate"].rows if row[0].startswith("bccd")]
    assert len(foreign) == 5
    assert all(row[2].endswith(" (one laboratory)") for row in foreign)
