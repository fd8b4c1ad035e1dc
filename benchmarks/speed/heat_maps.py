"""Time of heat maps for all eight classes against the grad-cam package's for one, in one run on the same images.

    python -m benchmarks.speed.heat_maps [--repeats N] [--results RESULTS.md]

Ours come from the forward pass that answers anyway, so their own time is what they add to it; the package runs a
forward and a backward pass of its own for them. Both are also compared with that pass counted for both, which says what
somebody gains who has no answer yet. All end with maps of the input's size. What heat maps cost a user of the
classifier is measured besides: the same call with and without them.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from benchmarks.results_file import RESULTS, machine_line, medians, ratio_text, table, time_in_turn, write_section
from bloodcell.answers.classifier import Classifier
from bloodcell.answers.heat_map import logits_and_heat_maps, resize_heat_maps
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.images.model_input import as_images, model_input, prepare_image
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.weights.file import LoadedWeights, load_weights

IMAGES = 8
ANSWERS, OURS = "answers", "8 heat maps beyond them"
OURS_WHOLE, PACKAGE = "answers with 8 heat maps", "grad-cam, 1 heat map"
WITHOUT, WITH = "classifier without heat maps", "classifier with 8 heat maps"


def contestants(weights: LoadedWeights) -> dict[str, Callable[[], object]]:
    """Return name → work on the same drawn cells."""
    model, side = weights.model.to(memory_format=torch.channels_last), weights.card.image_size_px
    cells = [draw_cell(i, seed=0) for i in range(IMAGES)]
    prepared = np.stack([prepare_image(cell, image_size_px=side) for cell in cells])
    images = model_input(as_images(prepared)).contiguous(memory_format=torch.channels_last)
    reference = GradCAM(model=weights.model, target_layers=[model.bottleneck])
    classifier = Classifier.load(DEFAULT_WEIGHTS, device="cpu")
    with torch.no_grad():
        features = model.forward_features(images)

    @torch.no_grad()
    def answers() -> None:
        model(images)

    def all_classes() -> None:
        resize_heat_maps(logits_and_heat_maps(model, features)[1], side, side)

    @torch.no_grad()
    def answers_and_all_classes() -> None:
        resize_heat_maps(logits_and_heat_maps(model, model.forward_features(images))[1], side, side)

    def package_one_class() -> None:
        reference(input_tensor=images, targets=[ClassifierOutputTarget(0)] * IMAGES)

    return {
        ANSWERS: answers,
        OURS: all_classes,
        OURS_WHOLE: answers_and_all_classes,
        PACKAGE: package_one_class,
        WITHOUT: lambda: classifier.probabilities(cells),
        WITH: lambda: classifier.probabilities_and_heat_maps(cells),
    }


def beyond_answers(middle: Mapping[str, float]) -> float:
    """Return grad-cam's time beyond a forward pass over that of ours."""
    return (middle[PACKAGE] - middle[ANSWERS]) / middle[OURS]


def main() -> None:
    """Measure alternately and write medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    weights = load_weights(DEFAULT_WEIGHTS)
    times = time_in_turn(contestants(weights), repeats=options.repeats)
    middle = medians(times)
    rows = [["", "ms per image"]] + [[name, f"{seconds / IMAGES * 1000:.2f}"] for name, seconds in middle.items()]
    lines = [
        "## Heat maps",
        "",
        machine_line(),
        "",
        f"{weights.card.image_size_px} px, batches of {IMAGES} drawn cells, medians of {options.repeats}, fp32 for "
        "the first four; the classifier computes as it does for users.",
        "",
        table(rows),
        "",
        f"- grad-cam's one map takes {ratio_text(times[PACKAGE], times[OURS])} as long as our eight add to an answer; "
        "wanted 20 ×.",
        f"- Beyond a forward pass, grad-cam's one map takes {beyond_answers(middle):.1f} × as long as our eight.",
        f"- With the forward pass counted for both: {ratio_text(times[PACKAGE], times[OURS_WHOLE])}.",
        f"- Eight maps at the input's size add {middle[OURS] / middle[ANSWERS]:.1%} to the fp32 answers.",
        f"- The classifier with heat maps takes {ratio_text(times[WITH], times[WITHOUT])} the time of the classifier "
        "without; wanted under 1.10.",
    ]
    write_section("heat_maps", "\n".join(lines), path=options.results)


if __name__ == "__main__":
    main()
