"""The model card of weights: tables from what is stored beside them, never typed; as Markdown for the repository."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.subtype import SUBTYPES, Subtype, subtype_name
from bloodcell.errors import WeightsError
from bloodcell.report.card_gate import gate_table, gate_words
from bloodcell.report.card_laboratories import laboratories_table, laboratory_classes_table, laboratory_sources
from bloodcell.report.card_seeds import seeds_table
from bloodcell.report.card_words import range_text, share_text
from bloodcell.report.class_mix_table import mix_table
from bloodcell.report.other_laboratories import laboratory_words
from bloodcell.report.table import Table
from bloodcell.weights.answer_identity import COMPUTED_PRECISIONS, answer_sha256
from bloodcell.weights.card import WeightsCard

INTENDED_USE = (
    "Teaching and research on images of single white blood cells, erythroblasts and platelets. Not for diagnosis."
)
LIMITS = (
    "Figures hold for the laboratories, microscopes and stains that they were measured on, and for healthy donors. "
    "Leukaemic cells, parasites and artefacts are none of the eight classes."
)
_SETS = {
    "test": "Test images (kept apart from every choice)",
    "validation": "Validation images (the best epoch was picked on them: optimistic)",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#$~|!&])")

Figures = Mapping[str, Any]


def card_tables(card: WeightsCard) -> list[Table]:
    """Return what a card states, as tables; what it does not state, or states in another way, is left out."""
    builders: list[Callable[[WeightsCard], Table]] = [
        _accuracy,
        seeds_table,
        _each_class("test"),
        mix_table,
        _matrix,
        _subtypes,
        _calibration,
        _second_look,
        laboratories_table,
        laboratory_classes_table,
        gate_table,
        _each_class("validation"),
        _facts,
        _recipe,
    ]
    found = []
    for builder in builders:
        try:
            table = builder(card)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, WeightsError):
            # A stranger's card, or one of another version: it does not state this.
            continue
        if table.rows:
            found.append(table)
    return found


def card_markdown(card: WeightsCard) -> str:
    """Return the card as Markdown; all its words are escaped."""
    lines = [f"# Model card: {_plain(card.name)}", "", f"**For:** {INTENDED_USE}", "", f"**Limits:** {LIMITS}", ""]
    lines += [f"**Other laboratories:** {_plain(laboratory_words(card))}", ""]
    for table in card_tables(card):
        lines += [f"## {_plain(table.title)}", ""]
        lines.append(f"| {' | '.join(map(_plain, table.columns))} |")
        lines.append(f"| {' | '.join(['---'] * len(table.columns))} |")
        lines += [f"| {' | '.join(map(_plain, row))} |" for row in table.rows]
        lines += ["", *([_plain(table.note), ""] if table.note else [])]
    return "\n".join(lines)


def _accuracy(card: WeightsCard) -> Table:
    rows = []
    for key, title in _SETS.items():
        if isinstance(figures := card.metrics.get(key), Mapping):
            low, high = figures["accuracy_interval"]
            rows.append(
                (
                    title,
                    f"{int(figures['n']):,}",
                    share_text(float(figures["accuracy"])),
                    range_text(low, high),
                    f"{float(figures['macro_f1']):.4f}" if "macro_f1" in figures else "–",
                    _sure(figures),
                )
            )
    return Table(
        name="accuracy",
        title="How often it is right",
        columns=("Measured on", "Images", "Right", "95 % interval", "Macro-F1", "Right of the confident"),
        rows=tuple(rows),
        note="Right: the class with the highest probability is the true one, whether it is shown or not. Macro-F1: the "
        "mean over the classes that occur of F1, which is high where most cells of a class are found and most answers "
        "of that class are right. Confident: like the training images, and with "
        f"a confidence of {share_text(card.review_threshold)} or more (the review threshold). The page Classify calls "
        "them sure.",
    )


def _sure(figures: Figures) -> str:
    if "shown_as_sure" not in figures:
        return "–"
    return f"{int(figures['right_of_sure']):,} of {int(figures['shown_as_sure']):,}"


def _each_class(image_set: str) -> Callable[[WeightsCard], Table]:
    def build(card: WeightsCard) -> Table:
        """Return the table of this set of images."""
        rows = tuple(
            (
                CELL_CLASSES[int(of_class["label"])].display_name,
                f"{int(of_class['support']):,}",
                *(share_text(float(of_class[key])) for key in ("precision", "recall")),
                f"{float(of_class['f1']):.3f}",
            )
            if of_class["support"]
            else (CELL_CLASSES[int(of_class["label"])].display_name, "0", "–", "–", "–")
            for of_class in card.metrics[image_set]["per_class"]
        )
        title = f"Each class · {_SETS[image_set][0].lower()}{_SETS[image_set][1:]}"
        columns = ("Class", "Images", "Precision", "Recall", "F1")
        note = (
            "Precision: of the answers with this class, the share that is right. Recall: of the cells of this class, "
            "the share that is found. F1: their harmonic mean. A class that does not occur has a dash."
        )
        return Table(name=f"classes-{image_set}", title=title, columns=columns, rows=rows, note=note)

    return build


def _matrix(card: WeightsCard) -> Table:
    names = tuple(cell_class.display_name for cell_class in CELL_CLASSES)
    counts = card.metrics["test"]["confusion_matrix"]
    return Table(
        name="confusion-matrix",
        title="Confusion matrix · test images",
        columns=("Truth ↓ answer →", *names),
        rows=tuple((name, *(str(int(count)) for count in row)) for name, row in zip(names, counts, strict=True)),
    )


def _subtypes(card: WeightsCard) -> Table:
    by_code: dict[str | None, Subtype | None] = {None: None, **{subtype.code: subtype for subtype in SUBTYPES}}
    rows = tuple(
        (subtype_name(by_code[entry["subtype"]]), *(f"{int(entry[key]):,}" for key in ("n", "right", "near", "other")))
        for entry in card.metrics["test"]["subtypes"]
    )
    return Table(
        name="subtypes",
        title="Subtypes in the file names · test images",
        columns=("Subtype", "Images", "Right", "Near misses", "Other mistakes"),
        rows=rows,
        note="Near miss: answered as the class of the next stage of maturation.",
    )


def _calibration(card: WeightsCard) -> Table:
    stated = card.metrics["test"]["confidence"]
    rows = tuple(
        (
            name,
            f"{temperature:.3f}",
            share_text(part["ece"], 2),
            range_text(*part["ece_interval"], decimals=2),
            f"{part['brier']:.4f}",
        )
        for name, temperature, part in (
            ("before", 1.0, stated["before"]),
            ("after: as it answers", card.temperature, stated),
        )
    )
    return Table(
        name="calibration",
        title="Confidence · test images",
        columns=("", "Temperature", "Expected calibration error", "95 % interval", "Brier score"),
        rows=rows,
        note="Confidences deserve belief where, of all answers with 90 % confidence, 90 % are right. The calibration "
        "error is the mean distance from that over ten ranges of confidence; the Brier score is the mean squared "
        "distance of all probabilities from the truth; both are best at 0. The temperature, one number that makes all "
        "confidences lower or higher, was fitted on validation images.",
    )


def _second_look(card: WeightsCard) -> Table:
    stated = card.metrics["test"]["confidence"]
    rows = [
        (f"the {share_text(part['share'], 0)} with the lowest confidence", *_caught(part)) for part in stated["review"]
    ]
    unsure = (
        f"confidence below {share_text(card.review_threshold)} (the review threshold), unlike training, or no class"
    )
    rows.append((unsure, *_caught(stated["threshold"])))
    return Table(
        name="second-look",
        title="What a review of doubtful answers catches · test images",
        columns=("Reviewed", "Images", "Errors among them", "Share of all errors", "95 % interval"),
        rows=tuple(rows),
        note="Errors among the answers that a person would look at again. The page Classify marks those under the "
        "review threshold.",
    )


def _caught(part: Figures) -> tuple[str, str, str, str]:
    caught, errors = int(part["caught"]), int(part["errors"])
    share = share_text(caught / errors) if errors else "–"
    interval = range_text(*part["caught_share_interval"]) if errors else "–"
    return f"{int(part['reviewed']):,}", f"{caught:,} of {errors:,}", share, interval


def _facts(card: WeightsCard) -> Table:
    return _pairs(
        "facts",
        "What it is and where it comes from",
        {
            "model": str(card.model),
            "reads": f"the central {share_text(card.field_of_view)} of each side, at {card.image_size_px} px",
            **{f"training data: {key.replace('_', ' ')}": value for key, value in card.training_data.items()},
            **laboratory_sources(card),
            "trained on": card.hardware,
            "review threshold": "confidence of " + share_text(card.review_threshold),
            "gate": gate_words(card),
            "temperature": f"{card.temperature:.3f}",
            "tensors stored as": card.metrics.get("stored_as", "float32"),
            "licence": card.licence,
            "program version": card.code_version,
            **_measured_in(card),
            "SHA-256 of the tensors": card.tensors_sha256,
            **{f"SHA-256 of what decides, {name}": answer_sha256(card, name) for name in COMPUTED_PRECISIONS},
        },
    )


def _measured_in(card: WeightsCard) -> dict[str, str]:
    test = card.metrics.get("test")
    if not isinstance(test, Mapping) or "precision" not in test:
        return {}
    return {"test images answered in": f"{test['precision']} by {test.get('engine', 'an engine that is not stated')}"}


def _recipe(card: WeightsCard) -> Table:
    return _pairs("recipe", "How it was trained", card.recipe or {"recipe": "not stated"})


def _pairs(name: str, title: str, values: Mapping[str, Any]) -> Table:
    rows = tuple((str(key).replace("_", " "), str(value)) for key, value in values.items())
    return Table(name=name, title=title, columns=("", "Value"), rows=rows)


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
