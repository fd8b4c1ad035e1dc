"""Which weights answer for images that are unlike those of the one laboratory that other weights know."""

from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS
from bloodcell.weights.card import WeightsCard, read_card

CELL_QUESTION = "cell"
"""Kind of a gate that asks whether there is a cell at all, in any laboratory; others know one laboratory's images."""


def knows_one_laboratory(card: WeightsCard) -> bool:
    """Whether weights tell images of their own laboratory from others, and leave those to others."""
    return bool(card.gate) and card.gate.get("kind") != CELL_QUESTION


def elsewhere_card(card: WeightsCard) -> WeightsCard | None:
    """Return the card of the weights that answer where these do not; None where these answer for everything.

    Raises:
        WeightsError: the weights that ship for it are missing or damaged.
    """
    return read_card(SHIPPED_WEIGHTS / f"{ELSEWHERE_WEIGHTS}.safetensors") if knows_one_laboratory(card) else None
