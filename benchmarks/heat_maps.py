"""Time of heat maps for all eight classes against the grad-cam package's for one, in one run on the same images.

    python -m benchmarks.heat_maps [--repeats N]

Ours come from the forward pass that answers anyway, so their own time is what they add to it; the package runs a
forward and a backward pass of its own. Both end with maps of the input's size.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from bloodcell.data.model_input import as_images, model_input, prepare_image
from bloodcell.data.synthetic import draw_cell
from bloodcell.models.weights_file import load_weights
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.prediction.heat_map import logits_and_heat_maps, resize_heat_maps
from bloodcell.training.run_result import hardware_name

IMAGES = 8


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure alternately and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    weights = load_weights(DEFAULT_WEIGHTS)
    model, side = weights.model.to(memory_format=torch.channels_last), weights.card.image_size_px
    prepared = np.stack([prepare_image(draw_cell(i, seed=0), image_size_px=side) for i in range(IMAGES)])
    images = model_input(as_images(prepared)).contiguous(memory_format=torch.channels_last)
    reference = GradCAM(model=weights.model, target_layers=[model.bottleneck])
    with torch.no_grad():
        features = model.forward_features(images)

    @torch.no_grad()
    def answers() -> None:
        model(images)

    def all_classes() -> None:
        resize_heat_maps(logits_and_heat_maps(model, features)[1], side, side)

    def package_one_class() -> None:
        reference(input_tensor=images, targets=[ClassifierOutputTarget(0)] * IMAGES)

    work = {"answers": answers, "8 heat maps beyond them": all_classes, "grad-cam, 1 heat map": package_one_class}
    for function in work.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, function in work.items():
            times[name].append(seconds_of(function))
    medians = {name: statistics.median(values) / IMAGES * 1000 for name, values in times.items()}
    print(f"{hardware_name('cpu')}, {side} px, {IMAGES} images, medians of {repeats}")
    for name, median in medians.items():
        print(f"{name:26}{median:8.2f} ms per image")
    alone, ours, theirs = medians.values()
    print(f"8 heat maps add {ours / alone:.1%} to the answers; grad-cam's one takes {theirs / ours:.0f} × as long")


if __name__ == "__main__":
    main()
