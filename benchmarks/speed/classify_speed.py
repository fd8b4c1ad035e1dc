"""Images answered per second, from files to probabilities, against the engines that people use instead.

    python -m benchmarks.speed.classify_speed DATA [--images 256] [--batch-size 16] [--repeats 5] [--weights NAME|FILE]
        [--results RESULTS.md]

Every contestant has the same weights and images, read, checked and resized by `bloodcell` in two threads, 16 together:
for the other engines one batch ahead of the arithmetic, for ours between two passes. Ours is `Classifier.answers`, by
torch and by OpenVINO, in processes of their own, as `classify` is one. The others have the allocator and OpenMP's
threads as they come, but for one that shows what our setting of the threads gives it: preparing images is torch's work.
ONNX Runtime and OpenVINO take part where they are installed (`pip install onnx onnxruntime openvino`); the project does
not need them.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.results_file import RESULTS, machine_line, medians, ratio_text, table, time_in_turn, write_section
from benchmarks.speed.answering_engines import (
    EAGER,
    OPENVINO_BF16,
    Engine,
    available_engines,
    onnx_path,
    openvino_engine,
)
from benchmarks.speed.own_process import OwnProcess
from bloodcell.answers.classifier import Classifier
from bloodcell.answers.engine_choice import EngineName
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.datasets.folder_scan import image_files_below
from bloodcell.devices.allocator import keep_freed_memory
from bloodcell.devices.precision import answers_in_bf16
from bloodcell.images.model_input import as_images, normalise, prepare_image
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.measures.calibration import probabilities_of
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import load_weights

OURS, OURS_OPENVINO, DECODING = "ours", "ours with OpenVINO", "decoding alone"
TUNED = f"{OPENVINO_BF16}, threads as ours"
DECODING_THREADS = 2

Work = Callable[[], np.ndarray]
"""Answers for all images: probabilities (N, K) in the order of the files."""


def chosen_files(folder: Path, count: int) -> list[Path]:
    """Return up to `count` files, evenly spread over the sorted list: in a data set, over its classes."""
    files = image_files_below(folder)
    count = min(count, len(files))
    return [files[index * len(files) // count] for index in range(count)]


def decoded_batches(files: Sequence[Path], card: WeightsCard, batch_size: int) -> Iterator[Tensor]:
    """Yield normalised images (B, 3, S, S) float32, contiguous; the next batch is decoded meanwhile."""

    def decode(file: Path) -> np.ndarray:
        image = open_image(read_image_bytes(file))
        return prepare_image(image, image_size_px=card.image_size_px, field_of_view=card.field_of_view)

    waiting: deque[list[Future[np.ndarray]]] = deque()
    starts = iter(range(0, len(files), batch_size))
    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        while True:
            while len(waiting) < 2 and (start := next(starts, None)) is not None:
                waiting.append([pool.submit(decode, file) for file in files[start : start + batch_size]])
            if not waiting:
                return
            images = as_images(np.stack([future.result() for future in waiting.popleft()]))
            yield normalise(images.float() / 255, card.mean, card.std).contiguous()


def answer_with(engine: Engine, files: Sequence[Path], card: WeightsCard, batch_size: int) -> np.ndarray:
    """Return the probabilities (N, K) of an engine."""
    logits = [engine(images) for images in decoded_batches(files, card, batch_size)]
    return probabilities_of(np.concatenate(logits), card.temperature)


def answer_with_ours(classifier: Classifier, files: Sequence[Path]) -> np.ndarray:
    """Return the classifier's probabilities (N, K).

    Raises:
        ValueError: an image cannot be read.
    """
    sources = [ImageSource(name=file.name, read=partial(read_image_bytes, file)) for file in files]
    rows = [answer.row for answer in classifier.answers(sources)]
    if unreadable := [row.file for row in rows if row.probabilities is None]:
        raise ValueError(f"cannot be read, choose other images: {', '.join(unreadable)}")
    return np.array([row.probabilities for row in rows])


def _make_ours(weights: str, engine: EngineName, files: Sequence[Path]) -> tuple[Work, None]:
    keep_freed_memory("cpu")
    return partial(answer_with_ours, Classifier.load(weights, device="cpu", engine=engine), files), None


def _make_tuned(path: Path, threads: int, files: Sequence[Path], card: WeightsCard, size: int) -> tuple[Work, None]:
    engine = openvino_engine(path, precision_hint="bf16", threads=threads)
    return partial(answer_with, engine, files, card, size), None


def keeping(name: str, work: Work, answers: dict[str, np.ndarray]) -> Callable[[], None]:
    """Return the work with its probabilities kept under its name."""

    def keep() -> None:
        answers[name] = work()

    return keep


def agreement(probabilities: np.ndarray, reference: np.ndarray) -> list[str]:
    """Return the largest difference and whether every image gets the same class, as two cells of the table."""
    different = int((probabilities.argmax(axis=1) != reference.argmax(axis=1)).sum())
    return [f"{np.abs(probabilities - reference).max():.1e}", "all" if not different else f"all but {different}"]


def report_lines(times: Mapping[str, list[float]], answers: Mapping[str, np.ndarray], images: int) -> list[str]:
    """Return the table and the ratios, as lines of Markdown."""
    middle = medians(times)
    rows = [["", "images/s", "largest difference to eager", "same class"]]
    for name, seconds in middle.items():
        cells = agreement(answers[name], answers[EAGER]) if name in answers else ["–", "–"]
        rows.append([name, f"{images / seconds:.1f}", *cells])
    lines = [table(rows), ""]
    engines = [name for name in middle if name not in (OURS, OURS_OPENVINO, DECODING, EAGER, TUNED)]
    for name in (EAGER, *engines):
        lines.append(f"- Ours answers {ratio_text(times[name], times[OURS])} as many images per second as {name}.")
    if engines:
        best = min(engines, key=middle.__getitem__)
        against = f"- Against the better engine, {best}:"
        lines.append(f"{against} {ratio_text(times[best], times[OURS])}; wanted 0.75 × with torch alone.")
        if OURS_OPENVINO in times:
            lines.append(f"{against} {ratio_text(times[best], times[OURS_OPENVINO])} with OpenVINO; wanted 1.00 ×.")
            if TUNED in times:
                ratio = ratio_text(times[TUNED], times[OURS_OPENVINO])
                lines.append(f"- Against {TUNED}, which is {best} beside threads that spin as briefly: {ratio}.")
    return lines


def main() -> None:
    """Measure alternately and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of images, at any depth")
    parser.add_argument("--images", type=int, default=256, help="evenly spread, default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=16, help="of the other engines, default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS, metavar="NAME|FILE", help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    files = chosen_files(options.data, options.images)
    if not files:
        parser.error(f"there is no image below {options.data}")
    weights = load_weights(options.weights)
    card, answers = weights.card, dict[str, np.ndarray]()
    with tempfile.TemporaryDirectory() as temporary:
        threads = torch.get_num_threads()
        engines, missing = available_engines(weights, Path(temporary), threads=threads)
        contestants: dict[str, Work] = {OURS: OwnProcess(partial(_make_ours, options.weights, "torch", files))}
        if "openvino" not in missing:
            contestants[OURS_OPENVINO] = OwnProcess(partial(_make_ours, options.weights, "openvino", files))
        for name, engine in engines.items():
            contestants[name] = partial(answer_with, engine, files, card, options.batch_size)
        if OPENVINO_BF16 in engines:
            path = onnx_path(Path(temporary))
            contestants[TUNED] = OwnProcess(partial(_make_tuned, path, threads, files, card, options.batch_size))
        work: dict[str, Callable[[], object]] = {
            name: keeping(name, contestant, answers) for name, contestant in contestants.items()
        }
        work[DECODING] = lambda: deque(decoded_batches(files, card, options.batch_size), maxlen=0)
        times = time_in_turn(work, repeats=options.repeats)
    head = [
        *("## Classifying", "", machine_line(), ""),
        f"{card.name} at {card.image_size_px} px, {len(files)} images, from files to probabilities, batches of "
        f"{options.batch_size} (ours: its own size, {'bf16' if answers_in_bf16(torch.device('cpu')) else 'fp32'} by "
        f"measurement), medians of {options.repeats}. "
        f"Not installed: {', '.join(missing) or 'nothing'}.",
        "",
    ]
    write_section("classify_speed", "\n".join(head + report_lines(times, answers, len(files))), path=options.results)


if __name__ == "__main__":
    main()
