"""The audit in sentences and as JSON, there and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import exp
from typing import Any

from bloodcell.audit.audit import DatasetAudit, ImagingCondition, NearDuplicate
from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.datasets.integrity import IntegrityReport, fault_sentence
from bloodcell.paths import readable_path


def audit_to_dict(audit: DatasetAudit) -> dict[str, Any]:
    """Return the audit as plain lists, dicts, strings and numbers, for JSON; the keys of the check stand at the top."""
    return {
        **audit.integrity.to_dict(),
        "sizes": [{"width_px": width, "height_px": height, "images": count} for width, height, count in audit.sizes],
        "near_duplicates": [
            {**asdict(pair), "files": list(pair.files), "labels": [CLASS_KEYS[label] for label in pair.labels]}
            for pair in audit.near_duplicates
        ],
        "copy_groups": [list(group) for group in audit.copy_groups],
        "partly_compared": audit.partly_compared,
        "leaks": [list(pair) for pair in audit.leaks],
        "imaging_conditions": [
            {
                "files": list(condition.files),
                "class_counts": _by_class(condition.class_counts),
                "background": list(condition.background),
                "sharpness": condition.sharpness,
            }
            for condition in audit.conditions
        ],
        "split": {
            "split_seed": audit.split_seed,
            "training": _by_class(audit.training_counts),
            "validation": _by_class(audit.validation_counts),
        },
        "seconds": audit.seconds,
    }


def audit_from_dict(values: Mapping[str, Any], files: Sequence[LabelledFile]) -> DatasetAudit:
    """Return the audit that `audit_to_dict` wrote.

    Args:
        files: the files that were audited.

    Raises:
        KeyError, TypeError, ValueError: the values are none of `audit_to_dict`, or of other files.
    """
    return DatasetAudit(
        integrity=IntegrityReport.from_dict(values, files),
        sizes=tuple((size["width_px"], size["height_px"], size["images"]) for size in values["sizes"]),
        near_duplicates=tuple(
            NearDuplicate(
                files=_pair(pair["files"]),
                labels=(CLASS_KEYS.index(pair["labels"][0]), CLASS_KEYS.index(pair["labels"][1])),
                similarity=pair["similarity"],
                turn=pair["turn"],
            )
            for pair in values["near_duplicates"]
        ),
        partly_compared=values["partly_compared"],
        leaks=tuple(_pair(pair) for pair in values["leaks"]),
        conditions=tuple(_condition(condition) for condition in values["imaging_conditions"]),
        training_counts=_counts(values["split"]["training"]),
        validation_counts=_counts(values["split"]["validation"]),
        split_seed=values["split"]["split_seed"],
        seconds=values["seconds"],
    )


NOT_FOUND = (
    "Not looked for: crops of one field that share a part of it only, such as a neighbour cell at the edge. Keep the "
    "images of one slide on the same side of training and test yourself."
)
"""What an audit does not tell, so that its silence is not read as an answer. `MO_74720` and `LY_609104` of the PBC
images are such a pair."""


def audit_sentences(audit: DatasetAudit) -> tuple[str, ...]:
    """Return short sentences: those of the check, then each further kind of fault that occurs, with examples."""
    *faults, usable = audit.integrity.sentences()
    sizes = [f"{width} × {height} ({count:,})" for width, height, count in audit.sizes]
    faults += [_list_sentence("Sizes, pixels (images)", sizes)] if sizes else []
    faults += fault_sentence("Almost the same image", "pair", [_pair_words(pair) for pair in audit.near_duplicates])
    faults += _group_sentences(audit)
    faults += fault_sentence(
        "Almost the same image under two labels", "pair", [_pair_words(pair) for pair in audit.label_conflicts]
    )
    faults += fault_sentence(
        f"In training and again in validation, split {audit.split_seed}",
        "image",
        [readable_path(" ~ ".join(pair)) for pair in audit.leaks],
    )
    if len(audit.conditions) > 1:
        conditions = [
            f"{len(condition.files):,} images with background {condition.background}, "
            f"fine detail {100 * exp(condition.sharpness):.0f} % of coarse, such as {readable_path(condition.files[0])}"
            for condition in audit.conditions
        ]
        faults.append(_list_sentence(f"{len(audit.conditions)} imaging conditions", conditions))
        mixed = ", ".join(CELL_CLASSES[label].display_name for label in audit.mixed_classes)
        faults.append(f"Classes with more than one imaging condition: {mixed or 'none'}.")
    training, validation = sum(audit.training_counts), sum(audit.validation_counts)
    if training:
        faults.append(
            f"Divided by chance as training divides it (seed {audit.split_seed}): {training:,} images train, "
            f"{validation:,} validate."
        )
    return (*faults, usable)


def _group_sentences(audit: DatasetAudit) -> list[str]:
    """Return what the pairs do not say: how many images have copies, and whether any may have been missed."""
    sentences = []
    if groups := audit.copy_groups:
        images = sum(map(len, groups))
        sentences.append(
            f"Images with such copies: {images:,} in {len(groups):,} group{'' if len(groups) == 1 else 's'}, "
            f"the largest of {max(map(len, groups)):,}; `check --json` lists them all."
        )
    if audit.partly_compared:
        sentences.append(
            f"Images that look like so many others that not all of these were compared: {audit.partly_compared:,}. "
            "Copies among them may be missing here."
        )
    return sentences


def _list_sentence(title: str, entries: Sequence[str], *, shown: int = 4) -> str:
    more = f"; and {len(entries) - shown:,} more" if len(entries) > shown else ""
    return f"{title}: {'; '.join(entries[:shown])}{more}."


def _pair_words(pair: NearDuplicate) -> str:
    turn = f", {pair.turn}" if pair.turn else ""
    return f"{readable_path(' ~ '.join(pair.files))} (similarity {pair.similarity:.3f}{turn})"


def _pair(names: Sequence[str]) -> tuple[str, str]:
    first, second = names
    return first, second


def _condition(values: Mapping[str, Any]) -> ImagingCondition:
    red, green, blue = values["background"]
    return ImagingCondition(
        files=tuple(values["files"]),
        class_counts=_counts(values["class_counts"]),
        background=(red, green, blue),
        sharpness=values["sharpness"],
    )


def _by_class(counts: Sequence[int]) -> dict[str, int]:
    return dict(zip(CLASS_KEYS, counts, strict=True))


def _counts(by_class: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(by_class[key] for key in CLASS_KEYS)
