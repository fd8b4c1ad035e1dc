"""What a card says of each laboratory: tables, and where its images come from."""

from collections.abc import Mapping
from typing import Any

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.report.card_words import range_text, share_text
from bloodcell.report.table import Table
from bloodcell.weights.card import WeightsCard


def laboratories_table(card: WeightsCard) -> Table:
    """Return a row per laboratory: right, sure, refused, and what its images are called as one tray."""
    rows = []
    for entry in card.metrics["laboratories"]:
        n, sure = int(entry["n"]), int(entry["sure"])
        trained = "not recorded" if entry["trained_on"] is None else f"{int(entry['trained_on']):,}"
        rows.append(
            (
                str(entry["name"]),
                f"{n:,}",
                trained,
                f"{share_text(entry['correct'] / n)} ({range_text(*entry['accuracy_interval'])}{_over_groups(entry)})",
                share_text(entry["answered"] / n),
                f"{sure:,}",
                f"{sure - int(entry['right_of_sure']):,}",
                share_text(entry["refused"] / n),
                share_text(entry["other_cells"] / n) if "other_cells" in entry else "–",
                str(entry["laboratory"]),
            )
        )
    return Table(
        name="laboratories",
        title="Laboratory by laboratory",
        columns=(
            *("Laboratory", "Images", "Of these trained on", "Right (95 % interval over images)"),
            *("Given a class", "Sure", "Sure and wrong", "Refused", "Perhaps none of the eight", "Called"),
        ),
        rows=tuple(rows),
        note="Right: the most probable class is the label, shown or not. Where images were trained on, expect less on "
        "new ones. Called: what the images say of their laboratory when they are read as one tray; in another one "
        "every class is for review. Laboratories differ more than images do: no interval here is one over "
        "laboratories.",
    )


def _over_groups(entry: Mapping[str, Any]) -> str:
    if "interval_over_groups" not in entry:
        return ""
    return f"; over {int(entry['groups']):,} {entry['groups_are']}s {range_text(*entry['interval_over_groups'])}"


def laboratory_classes_table(card: WeightsCard) -> Table:
    """Return what is found of each class, a column per laboratory."""
    entries = card.metrics["laboratories"]
    rows = []
    for label, cell_class in enumerate(CELL_CLASSES):
        recalls = [entry["recall"].get(str(label)) for entry in entries]
        shown = ["–" if recall is None else f"{share_text(recall[0])} of {int(recall[1]):,}" for recall in recalls]
        rows.append((cell_class.display_name, *shown))
    return Table(
        name="laboratory-classes",
        title="Laboratory by laboratory, each class",
        columns=("Class found", *(str(entry["name"]) for entry in entries)),
        rows=tuple(rows),
        note="The share of the cells of each class whose most probable class is theirs. A class that a laboratory does "
        "not hold has a dash.",
    )


def laboratory_sources(card: WeightsCard) -> dict[str, str]:
    """Return where the images of laboratories come from; empty where the card does not say."""
    try:
        entries = [entry for entry in card.metrics["laboratories"] if entry.get("source")]
        return {f"images of {entry['name']}": str(entry["source"]) for entry in entries}
    except (KeyError, TypeError, AttributeError):
        return {}
