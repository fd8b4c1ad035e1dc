from dataclasses import replace
from typing import Any

import pytest

from bloodcell.measures.statistics import SEEDS_AND_IMAGES
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.card_seeds import seeds_table, tie_words
from bloodcell.weights.card import read_card
from tests.weights.test_file import card_of


def test_a_median_that_is_a_tie_is_said_to_be_one() -> None:
    def stated(*correct: int, ships: int) -> list[dict[str, object]]:
        return [
            {"seed": seed, "validation": {"correct": count, "n": 640}, "ships": seed == ships}
            for seed, count in enumerate(correct)
        ]

    assert tie_words(stated(635, 637, 635, ships=2)).startswith("Seed 2 has as many validation images right as seed 0:")
    assert "seeds 0 and 1" in tie_words(stated(635, 635, 635, ships=2))
    assert tie_words(stated(634, 637, 635, ships=2)) == ""


def _stated(**changes: Any) -> dict[str, Any]:
    runs = [
        {"seed": seed, "validation": {"correct": 620 + seed, "n": 640}, "test": None, "ships": seed == 1}
        for seed in range(3)
    ]
    measured = {"mean": 0.9703, "standard_deviation": 0.0016, "interval": [0.966, 0.974], **changes}
    return {"runs": runs, "validation": measured, "test": None}


def _rows(**changes: Any) -> tuple[tuple[str, ...], ...]:
    return seeds_table(replace(card_of("unet_encoder"), metrics={"seeds": _stated(**changes)})).rows


def test_an_interval_says_what_it_counts() -> None:
    both, *_ = _rows(interval_counts=SEEDS_AND_IMAGES)[-1]
    assert both == "95 % interval of the mean: other seeds and other images"
    alone, *_ = _rows()[-1]
    assert alone == "95 % interval of the mean: other seeds, the same images"


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_card_that_ships_counts_seeds_and_images(part: str) -> None:
    """Over seeds alone the test images' interval was 98.6 to 99.3 %: narrower than 1,000 images can know."""
    stated = read_card(SHIPPED_WEIGHTS / "unet_encoder.json").metrics["seeds"][part]
    assert stated["interval_counts"] == SEEDS_AND_IMAGES
    low, high = stated["interval"]
    assert low < stated["mean"] < high
    assert high - low > 0.0115
