"""The architecture tables, against the paper's figures and counts by hand."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bloodcell.errors import UnknownName
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.architecture_table import (
    ArchitectureSettings,
    architecture_report,
    architecture_settings,
    count_multiply_adds,
    count_parameters,
    stage_sizes,
)
from bloodcell.models.registry import build_model


def cells_of(line_start: str, report: str) -> list[str]:
    """What follows in the first line that starts so."""
    line = next(line for line in report.splitlines() if line.startswith(f"{line_start}  "))
    return line.removeprefix(line_start).split()


def test_the_main_model_has_the_sizes_of_table_1() -> None:
    assert [
        (size.name, size.input_height, size.input_width, size.channels) for size in stage_sizes("unet_encoder", 256)
    ] == [
        ("Enc1", 256, 256, 32),
        ("Enc2", 128, 128, 64),
        ("Enc3", 64, 64, 128),
        ("Enc4", 32, 32, 256),
        ("Bottleneck", 16, 16, 512),
    ]


def test_a_stage_gives_what_the_next_one_takes() -> None:
    for name in NAMED_MODELS:
        sizes = stage_sizes(name, 250)
        assert [(size.output_height, size.output_width) for size in sizes[:-1]] == [
            (size.input_height, size.input_width) for size in sizes[1:]
        ]


def test_the_bottleneck_keeps_its_size() -> None:
    bottleneck = stage_sizes("unet_encoder", 256)[-1]
    assert (bottleneck.output_height, bottleneck.output_width) == (16, 16)


def test_the_shallow_encoder_has_three_stages_and_ends_at_32_by_32() -> None:
    sizes = stage_sizes("unet_encoder_shallow", 256)
    assert [size.name for size in sizes] == ["Enc1", "Enc2", "Enc3"]
    assert (sizes[-1].output_height, sizes[-1].output_width) == (32, 32)


def test_stages_of_an_unknown_model_are_refused() -> None:
    with pytest.raises(UnknownName, match="resnet"):
        stage_sizes("resnet", 256)


@pytest.mark.parametrize(
    ("name", "blocks", "per_block", "channels", "poolings", "fully_connected"),
    [("simple_cnn", 2, 1, 64, 2, 1), ("deep_cnn", 4, 1, 256, 4, 2), ("unet_encoder", 5, 2, 512, 4, 1)],
)
def test_settings_are_those_of_table_2(
    name: str, blocks: int, per_block: int, channels: int, poolings: int, fully_connected: int
) -> None:
    assert architecture_settings(build_model(name)) == ArchitectureSettings(
        convolution_blocks=blocks,
        convolutions_per_block=per_block,
        max_channels=channels,
        kernel_size="3×3",
        pooling_stages=poolings,
        batch_norm=True,
        fully_connected_layers=fully_connected,
    )


def test_batch_norm_is_reported_as_absent_where_it_is() -> None:
    assert not architecture_settings(build_model("unet_encoder_no_batch_norm")).batch_norm


def test_parameters_are_counted_without_running_statistics() -> None:
    assert count_parameters(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))) == 3 * 4 * 9 + 4 + 2 * 4


def test_multiply_adds_are_output_values_times_kernel_times_input_channels() -> None:
    strided, grouped = nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.Conv2d(4, 6, 1, groups=2)
    model = nn.Sequential(strided, grouped, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
    assert count_multiply_adds(model, 8) == (4 * 4 * 4) * 9 * 3 + (6 * 4 * 4) * 2 + 6 * 5


def test_multiply_adds_are_half_the_operations_that_pytorch_counts() -> None:
    for name in NAMED_MODELS:
        with torch.device("meta"):
            model, images = build_model(name).eval(), torch.zeros(1, 3, 256, 256)
        with FlopCounterMode(display=False) as counter:
            model(images)
        assert count_multiply_adds(model, 256) * 2 == counter.get_total_flops()


def test_counting_leaves_the_model_as_it_was() -> None:
    model = build_model("simple_cnn").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    count_multiply_adds(model, 64)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_report_shows_table_1() -> None:
    report = architecture_report()
    assert [cells_of(stage, report) for stage in ("Enc1", "Enc2", "Enc3", "Enc4", "Bottleneck")] == [
        ["256×256", "32"],
        ["128×128", "64"],
        ["64×64", "128"],
        ["32×32", "256"],
        ["16×16", "512"],
    ]


def test_the_report_shows_table_2_with_the_epochs_that_it_is_given() -> None:
    report = architecture_report({"simple_cnn": 40, "deep_cnn": 40, "unet_encoder": 60})
    assert cells_of("Convolution blocks", report) == ["2", "4", "5", "(×2)"]
    assert cells_of("Max channel depth", report) == ["64", "256", "512"]
    assert cells_of("Kernel size", report) == ["3×3", "3×3", "3×3"]
    assert cells_of("Pooling stages", report) == ["2", "4", "4"]
    assert cells_of("Batch norm", report) == ["yes", "yes", "yes"]
    assert cells_of("Fully connected layers", report) == ["1", "2", "1"]
    assert cells_of("Epochs", report) == ["40", "40", "60"]


def test_the_report_leaves_epochs_open_that_it_is_not_given() -> None:
    assert cells_of("Epochs", architecture_report({"deep_cnn": 40})) == ["-", "40", "-"]


def test_the_report_gives_the_cost_of_every_model() -> None:
    costs = architecture_report().split("\n\n")[-1]
    for name in NAMED_MODELS:
        model = build_model(name)
        assert cells_of(name, costs) == [f"{count_parameters(model):,}", f"{count_multiply_adds(model, 256):,}"]
