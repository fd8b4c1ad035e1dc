"""The table of predictive values: how often an answer is right where classes are as common as in blood."""

from collections.abc import Sequence

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.measures.class_mix import NORMAL_ADULT_BLOOD, predictive_values
from bloodcell.report.table import Table
from bloodcell.weights.card import WeightsCard


def mix_table(card: WeightsCard, shares: Sequence[float] = tuple(NORMAL_ADULT_BLOOD.values())) -> Table:
    """Return a row per class: its share of the mix, and of the answers with it the share that is right.

    Args:
        shares: (K,) percent or any other unit, in the order of the classes.

    Raises:
        KeyError: the card states no confusion matrix of test images.
        ValueError: see `predictive_values`.
    """
    values = predictive_values(card.metrics["test"]["confusion_matrix"], shares)
    total = sum(shares)
    rows = tuple(
        (
            cell_class.display_name,
            f"{100 * share / total:.1f} %",
            "–" if found.value is None or not share else f"{100 * found.value:.1f} %",
            "–" if not share else f"{100 * found.low:.1f} to {100 * found.high:.1f} %",
        )
        for cell_class, share, found in zip(CELL_CLASSES, shares, values, strict=True)
    )
    return Table(
        name="class-mix",
        title="Precision among the cells of normal adult blood · test images",
        columns=("Class", "Share of the cells", "Precision", "95 % interval"),
        rows=rows,
        note="Of the answers with this class, doubtful ones too, the share that is right where classes are as common "
        "as in the second column; test images hold all classes in equal numbers. A rare class suffers most: a few of "
        "very many neutrophils that are taken for it outnumber its own cells. The interval comes from how few test "
        "images of each class were answered. Platelets are not counted among nucleated cells.",
    )
