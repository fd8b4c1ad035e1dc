"""What tells wrong answers from right ones best: confidence, margin of the top two, entropy, agreement under flips.

    python -m benchmarks.quality.review_signals RUN_DIR... [--results RESULTS.md]

Measured on the runs' validation images, which may choose; the runs are seeds of one recipe and counted together.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.results_file import RESULTS, machine_line, table, write_section
from bloodcell.datasets.image_cache import decode_images, labels_of
from bloodcell.datasets.split import read_split
from bloodcell.measures.calibration import fit_temperature, probabilities_of
from bloodcell.measures.review_rule import SHARES, caught_by_review
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.validation import predict_logits
from bloodcell.weights.file import load_weights

ORIENTATIONS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda images: images,
    lambda images: images.flip(3),
    lambda images: images.flip(2),
    lambda images: images.rot90(1, (2, 3)),
)
"""The image, mirrored both ways, and turned by a quarter."""


def oriented_logits(run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (4, M, K) of a run's validation images in each orientation, and their labels (M,)."""
    config, folders = run.read_config()
    entries = read_split(run.split).validation
    images = decode_images(
        folders.dataset, entries, image_size_px=config.image_size_px, field_of_view=config.field_of_view
    )
    model = load_weights(run.best).model.to(memory_format=torch.channels_last)
    logits = [predict_logits(model, turn(images), memory_format=torch.channels_last).numpy() for turn in ORIENTATIONS]
    return np.stack(logits), labels_of(entries).numpy()


def sureness(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Return name → (M,) for every signal, higher is surer.

    Args:
        probabilities: (4, M, K), calibrated, per orientation; the first is the one that answers.
    """
    plain, mean = probabilities[0], probabilities.mean(axis=0)
    answer = plain.argmax(axis=1)
    ordered = np.sort(plain, axis=1)
    agreeing = (probabilities.argmax(axis=2) == answer).sum(axis=0)
    return {
        "confidence": plain.max(axis=1),
        "margin of the top two": ordered[:, -1] - ordered[:, -2],
        "negative entropy": (plain * np.log(np.clip(plain, 1e-12, 1))).sum(axis=1),
        "orientations that agree, then confidence": agreeing + plain.max(axis=1) / 2,
        "mean over orientations of the answer's probability": np.take_along_axis(mean, answer[:, None], 1)[:, 0],
    }


def report(runs: Sequence[RunFolder]) -> str:
    """Measure and return the section's text."""
    measured = [oriented_logits(run) for run in runs]
    pooled = np.concatenate([logits for logits, _ in measured], axis=1)
    labels = np.concatenate([labels for _, labels in measured])
    temperature = fit_temperature(pooled[0], labels)
    probabilities = np.stack([probabilities_of(logits, temperature) for logits in pooled])
    is_right = probabilities[0].argmax(axis=1) == labels
    averaged = probabilities.mean(axis=0).argmax(axis=1) == labels
    rows = [["least sure by", *(f"{share:.0%} looked at" for share in SHARES)]]
    for name, signal in sureness(probabilities).items():
        caught = caught_by_review(signal, is_right)
        rows.append([name, *(f"{part.caught} of {part.errors}" for part in caught)])
    lines = [
        "## Signals for a second look",
        "",
        machine_line(),
        "",
        f"Errors caught on validation images, {len(runs)} seeds together: {len(labels):,} answers.",
        "",
        table(rows),
        "",
        f"- Answers of one image: {is_right.sum():,} right; averaged over four orientations, at four times the cost: "
        f"{averaged.sum():,}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    write_section("review_signals", report([RunFolder(path) for path in options.runs]), path=options.results)


if __name__ == "__main__":
    main()
