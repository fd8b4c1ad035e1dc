"""What a card can say of laboratories other than that of the training: the unit is the laboratory, not the cell."""

from collections.abc import Mapping
from typing import Any

from bloodcell.weights.card import WeightsCard

UNPROVEN = "Another laboratory is unproven."


def laboratory_words(card: WeightsCard) -> str:
    """Return what is known of other laboratories, and that it proves nothing for a further one."""
    return " ".join([UNPROVEN, *filter(None, [_measured_words(card), _tried_words(card)])])


def is_of_other_laboratory(entry: Mapping[str, Any]) -> bool:
    """Tell whether a row of a card's refusals is of one other laboratory, however many its cells are."""
    return entry.get("laboratories") == 1


def _measured_words(card: WeightsCard) -> str:
    figures: Any = card.metrics.get("foreign")
    try:
        n, right, refused = (int(figures[key]) for key in ("n", "correct", "refused"))
    except (KeyError, TypeError, ValueError):
        return ""
    return (
        f"One was measured: of its {n:,} cells {refused:,} were refused and {right:,} were right, shown or not. "
        "However many cells, that is one laboratory, so it has no interval and says little about the next one."
    )


def _tried_words(card: WeightsCard) -> str:
    tried: Any = card.metrics.get("other_laboratories")
    try:
        sure, wrong, count = (int(tried[key]) for key in ("sure", "wrong_and_sure", "laboratories"))
        refused, kind = str(tried["refused"]), str(tried["kind"])
    except (KeyError, TypeError, ValueError):
        return ""
    return (
        f"Of {count} others ({kind}) it is only stated, not measured by this program, that {refused} of the cells were "
        f"refused and that of {sure:,} confident answers {wrong:,} were wrong ({100 * wrong / max(sure, 1):.0f} %)."
    )
