"""What a card says of images that its weights give no class, or hand on: a table, and how that is decided."""

from collections.abc import Mapping

from bloodcell.report.card_words import range_text, share_text
from bloodcell.report.other_laboratories import is_of_other_laboratory
from bloodcell.report.table import Table
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import CELL_QUESTION


def gate_table(card: WeightsCard) -> Table:
    """Return a row per set of images that was measured."""
    rows = []
    for entry in card.metrics["gate"]:
        among = "one laboratory" if is_of_other_laboratory(entry) else range_text(*entry["refused_interval"])
        wrong = "–" if entry.get("wrong_and_sure") is None else f"{entry['wrong_and_sure']:,}"
        refused = f"{share_text(entry['refused'] / entry['n'])} ({among})"
        other = f"{entry['other_cells']:,}" if "other_cells" in entry else "–"
        rows.append((str(entry["images"]), f"{entry['n']:,}", refused, other, f"{entry['sure']:,}", wrong))
    return Table(
        name="gate",
        title="What it refuses, and where it is confident",
        columns=(
            "Images",
            "n",
            "Refused (95 % interval)",
            "Perhaps none of the eight",
            "Confident answers",
            "Of these wrong",
        ),
        rows=tuple(rows),
        note="Images that are unlike those trained on are handed to weights for other laboratories, which refuse what "
        "is no cell, and give the rest a class for review unless it may be none of the eight. What is looked at was "
        "chosen with photographs, fields and foreign cells of these sets in view, and those weights were trained on "
        "most of BCCD's cells and fields: the rows are optimistic. All cells of one other laboratory are one case, so "
        "they have no interval.",
    )


def gate_words(card: WeightsCard) -> str:
    """Return what decides, and what it costs of the test images."""
    if card.gate.get("kind") == CELL_QUESTION:
        return "asks whether an image shows a single cell; learnt together with the classes"
    try:
        held_out, known = (int(card.gate[key]) for key in ("held_out", "fitted_on"))
    except (KeyError, TypeError, ValueError):
        return "none: every image gets an answer" if not card.gate else "its card does not say what it was fitted to"
    words = f"knows {known:,} training images; limit set on {held_out:,} scores so that about 1 in 1,000 is unlike them"
    test = card.metrics.get("test")
    if isinstance(test, Mapping) and isinstance(test.get("refused"), int):
        words += f"; refused {test['refused']:,} of {int(test['n']):,} test images"
    if isinstance(test, Mapping) and isinstance(test.get("other_cells"), int):
        words += f", took {test['other_cells']:,} for perhaps none of the eight"
    return words
