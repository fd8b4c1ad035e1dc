"""Tables of the architectures, measured on the built models: sizes per stage, settings, parameters, multiply-adds.

Everything runs on PyTorch's meta device, which knows shapes but holds no numbers, so no table costs a computation.

Source: the paper, Table 1 (sizes per stage) and Table 2 (settings).
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bloodcell.model_settings import NAMED_MODELS, ModelSettings
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import build_model
from bloodcell.models.simple_cnn import ConvolutionBlock
from bloodcell.models.unet_encoder import DoubleConvolution, EncoderStage

PAPER_IMAGE_SIZE_PX = 256
PAPER_MODELS: tuple[str, ...] = ("simple_cnn", "deep_cnn", "unet_encoder")
"""The columns of the paper's Table 2, in its order."""
MAIN_MODEL = PAPER_MODELS[-1]
_SETTING_NAMES = (
    *("Convolution blocks", "Max channel depth", "Kernel size", "Pooling stages"),
    *("Batch norm", "Fully connected layers", "Epochs"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSize:
    """Sizes of one stage as they were in a forward pass, in pixels of the feature map."""

    name: str
    input_height: int
    input_width: int
    channels: int
    """Channels that the stage puts out."""
    output_height: int
    """After the stage's pooling, where it has one."""
    output_width: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureSettings:
    """What the paper's Table 2 says about a model, counted in its modules."""

    convolution_blocks: int
    convolutions_per_block: int
    max_channels: int
    kernel_size: str
    """Height×width; several are separated by commas."""
    pooling_stages: int
    batch_norm: bool
    fully_connected_layers: int


def stage_sizes(model: ModelSettings | str, image_size_px: int) -> tuple[StageSize, ...]:
    """Measure each stage's sizes for a square image, in the order of the forward pass.

    Raises:
        UnknownName: no model has this name.
    """
    network = _meta_model(model)
    names = _stage_names(network)
    sizes: list[StageSize] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        (input_height, input_width), (height, width) = inputs[0].shape[2:], output.shape[2:]
        sizes.append(
            StageSize(
                name=names[module],
                input_height=input_height,
                input_width=input_width,
                channels=output.shape[1],
                output_height=height,
                output_width=width,
            )
        )

    with _hooks(names, record):
        _forward_on_meta(network, image_size_px)
    return tuple(sizes)


def architecture_settings(model: nn.Module) -> ArchitectureSettings:
    """Count what the paper's Table 2 compares. A double convolution is one block with two convolutions."""
    blocks = [module for module in model.modules() if isinstance(module, (DoubleConvolution, ConvolutionBlock))]
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    kernels = dict.fromkeys("×".join(map(str, convolution.kernel_size)) for convolution in convolutions)
    return ArchitectureSettings(
        convolution_blocks=len(blocks),
        convolutions_per_block=max((_count(block, nn.Conv2d) for block in blocks), default=0),
        max_channels=max((convolution.out_channels for convolution in convolutions), default=0),
        kernel_size=", ".join(kernels),
        pooling_stages=_count(model, nn.MaxPool2d),
        batch_norm=_count(model, nn.BatchNorm2d) > 0,
        fully_connected_layers=_count(model, nn.Linear),
    )


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values; running statistics are none."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: nn.Module, image_size_px: int) -> int:
    """Return the multiply-adds of all convolutions and linear layers for one square RGB image.

    The model itself is neither run nor changed: a copy without values is.
    """
    shapes = copy.deepcopy(model).to("meta")
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            total += output.numel() * height * width * module.in_channels // module.groups
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    with _hooks([module for module in shapes.modules() if isinstance(module, (nn.Conv2d, nn.Linear))], add):
        _forward_on_meta(shapes, image_size_px)
    return total


def architecture_report(epochs_by_model: Mapping[str, int] | None = None) -> str:
    """Return the paper's Tables 1 and 2 and the cost of every model as text.

    Args:
        epochs_by_model: model name → epochs of its recipe; a model without an entry gets '-'.
    """
    return "\n\n".join(
        (
            f"Table 1. Sizes per stage of {MAIN_MODEL} at {PAPER_IMAGE_SIZE_PX} px\n{_table(_size_rows())}",
            f"Table 2. Architecture settings\n{_table(_settings_rows(epochs_by_model or {}))}",
            f"All models at {PAPER_IMAGE_SIZE_PX} px, per image\n{_table(_cost_rows())}",
        )
    )


def _size_rows() -> list[list[str]]:
    rows = [["Stage", "Input size", "Output channels"]]
    for size in stage_sizes(MAIN_MODEL, PAPER_IMAGE_SIZE_PX):
        rows.append([size.name, f"{size.input_height}×{size.input_width}", str(size.channels)])
    return rows


def _settings_rows(epochs_by_model: Mapping[str, int]) -> list[list[str]]:
    columns = [["", *_SETTING_NAMES]]
    for name in PAPER_MODELS:
        settings = architecture_settings(_meta_model(name))
        repeats = f" (×{settings.convolutions_per_block})" if settings.convolutions_per_block > 1 else ""
        columns.append(
            [
                name,
                f"{settings.convolution_blocks}{repeats}",
                str(settings.max_channels),
                settings.kernel_size,
                str(settings.pooling_stages),
                "yes" if settings.batch_norm else "no",
                str(settings.fully_connected_layers),
                str(epochs_by_model.get(name, "-")),
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def _cost_rows() -> list[list[str]]:
    rows = [["Model", "Parameters", "Multiply-adds"]]
    for name in NAMED_MODELS:
        model = _meta_model(name)
        rows.append([name, f"{count_parameters(model):,}", f"{count_multiply_adds(model, PAPER_IMAGE_SIZE_PX):,}"])
    return rows


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two blanks apart, a rule under the first row."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def _meta_model(model: ModelSettings | str) -> CellClassifier:
    with torch.device("meta"):
        return build_model(model)


def _stage_names(model: nn.Module) -> dict[nn.Module, str]:
    """Stage → the paper's name for it, numbered per kind; a lone double convolution is the bottleneck."""
    names: dict[nn.Module, str] = {}
    seen: Counter[str] = Counter()
    for stage in _stages(model):
        if isinstance(stage, DoubleConvolution):
            names[stage] = "Bottleneck"
        else:
            kind = "Enc" if isinstance(stage, EncoderStage) else "Block"
            seen[kind] += 1
            names[stage] = f"{kind}{seen[kind]}"
    return names


def _stages(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost stages: the double convolution within an encoder stage is part of it."""
    for child in module.children():
        if isinstance(child, (EncoderStage, ConvolutionBlock, DoubleConvolution)):
            yield child
        else:
            yield from _stages(child)


def _count(module: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


@contextmanager
def _hooks(modules: Iterable[nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _forward_on_meta(model: nn.Module, image_size_px: int) -> None:
    # Evaluation mode: batch norm in training mode refuses a single value per channel, as small images leave it.
    model.eval()
    with torch.inference_mode():
        model(torch.zeros(1, 3, image_size_px, image_size_px, device="meta"))
