"""What a card can say of laboratories other than that of the training: the unit is the laboratory, not the cell."""

from collections.abc import Mapping
from typing import Any

from bloodcell.weights.card import WeightsCard
from bloodcell.wording import counted

UNPROVEN = "Another laboratory is unproven."


def laboratory_words(card: WeightsCard) -> str:
    """Return what to expect in a laboratory that nobody has tried."""
    return f"{UNPROVEN} {_measured_words(card)}".strip()


def is_of_other_laboratory(entry: Mapping[str, Any]) -> bool:
    """Tell whether a row of a card's refusals is of one other laboratory, however many its cells are."""
    return entry.get("laboratories") == 1


def _measured_words(card: WeightsCard) -> str:
    try:
        untrained = [
            (
                str(entry["name"]),
                int(entry["n"]),
                int(entry["correct"]),
                int(entry["sure"]),
                int(entry["right_of_sure"]),
            )
            for entry in card.metrics["laboratories"]
            if entry["trained_on"] == 0 and not entry.get("home") and int(entry["n"]) > 0
        ]
    except (KeyError, TypeError, ValueError):
        return ""
    if not untrained:
        return ""
    measured = "; ".join(
        f"{name}: {100 * right / n:.0f} % of {n:,} cells right, {sure:,} called sure"
        + (f", {sure - right_of_sure:,} of these wrong" if sure else "")
        for name, n, right, sure, right_of_sure in untrained
    )
    return (
        "A tray from one is mostly told by its looks; every cell then gets its likeliest class for review unless it "
        f"may be none of the eight, and none counts as sure. Measured where nothing was trained on: {measured}. "
        f"However many cells, that is {counted(len(untrained), 'laboratory', 'laboratories')}, and says little about "
        "the next."
    )
