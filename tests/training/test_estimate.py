import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bloodcell.command_line import main
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.registry import build_model
from bloodcell.processes.device_lock import lock_path
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.estimate import (
    TrainingSpeed,
    estimate_run,
    memory_shortage,
    saved_bytes_per_image,
    speed_of_past_runs,
    timed_speed,
)
from tests.conftest import held_elsewhere, quick_config

SPEED = TrainingSpeed(seconds_per_step=0.1, seconds_per_pixel=1e-6, rests_on="a test")


def test_the_speed_of_a_run_gives_back_the_time_that_it_trained(finished_run: RunFolder) -> None:
    speed = speed_of_past_runs(quick_config(), [finished_run])
    assert speed is not None
    assert finished_run.path.name in speed.rests_on
    rates = sorted(row.images_per_second for row in finished_run.read_metrics())
    estimate = estimate_run(quick_config(epochs=6), 80, speed).seconds
    # 64 images train and 16 validate, which costs a third of training them.
    assert 6 * (64 + 16 / 3) / rates[-1] <= estimate <= 6 * (64 + 16 / 3) / rates[0]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "deep_cnn"},
        {"optimizer": "muon"},
        {"precision": "bf16"},
        {"image_size_px": 40},
        {"batch_size": 8},
    ],
)
def test_a_run_of_another_kind_says_nothing_about_the_speed(change: dict[str, object], finished_run: RunFolder) -> None:
    assert speed_of_past_runs(quick_config(**change), [finished_run]) is None


def test_a_run_that_fits_is_not_short_of_memory_and_one_that_fits_nowhere_says_how_much_it_needs() -> None:
    assert memory_shortage(quick_config(), 80) == ""
    sentence = memory_shortage(quick_config(image_size_px=1024, batch_size=65_536), 80)
    needed = re.search(r"about ([\d,]+\.\d) GB of memory, and [\d,]+\.\d GB are free", sentence)
    assert needed is not None
    assert float(needed.group(1).replace(",", "")) > 1000


def test_the_command_refuses_what_does_not_fit_and_starts_nothing(
    drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--experiment", "paper_simple_cnn", "--data", str(drawn_dataset), "--run-dir", str(tmp_path / "run")]
    huge = ["--image-size", "1024", "--batch-size", "65536", "--device", "cpu"]
    assert main(["train", *arguments, *huge]) == 1
    assert "--allow-memory starts it all the same" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    lock_path("cpu").parent.mkdir(parents=True, exist_ok=True)
    with held_elsewhere(lock_path("cpu")):  # so that nothing is really trained
        assert main(["train", *arguments, *huge, "--allow-memory"]) == 1
    assert "memory" not in capsys.readouterr().err


def test_runs_that_cannot_be_read_are_passed_over(finished_run: RunFolder, tmp_path: Path) -> None:
    assert speed_of_past_runs(quick_config(), [RunFolder(tmp_path / "nothing"), finished_run]) is not None


def test_an_estimate_says_when_and_on_what_it_was_timed() -> None:
    assert re.search(r"steps of 32 and 64 px that were timed here at \d\d:\d\d$", timed_speed(quick_config()).rests_on)


def test_time_counts_steps_pixels_and_validation() -> None:
    config = quick_config(epochs=2, image_size_px=100, batch_size=10, validation_share=0.25)
    # 75 images in 7 steps per epoch, then 25 for a third of the price.
    expected = 2 * (7 * 0.1 + 75 * 100**2 * 1e-6 + 25 * 100**2 * 1e-6 / 3)
    assert estimate_run(config, 100, SPEED).seconds == pytest.approx(expected)


def test_images_that_grow_take_less_time() -> None:
    config = quick_config(epochs=8, image_size_px=128)
    growing = replace(config, first_image_size_px=64)
    assert estimate_run(growing, 100, SPEED).seconds < estimate_run(config, 100, SPEED).seconds


@pytest.mark.parametrize("model", NAMED_MODELS)
def test_what_a_forward_pass_keeps_is_what_it_keeps_at_the_real_size(model: str) -> None:
    config = quick_config(model=model, image_size_px=96)
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    network = build_model(model).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = network(torch.zeros(2, 3, 96, 96))
    measured = sum(size for storage, size in kept.items() if storage not in own) / len(outputs)
    assert saved_bytes_per_image(config) == pytest.approx(measured, rel=0.05)


def test_memory_grows_with_the_batch_and_the_size() -> None:
    few, many, large = (
        estimate_run(quick_config(model="unet_encoder", batch_size=batch, image_size_px=size), 80, SPEED).memory_mib
        for batch, size in ((8, 64), (64, 64), (8, 256))
    )
    assert few < many
    assert few < large


def test_timed_steps_give_a_speed_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    speed = timed_speed(quick_config())
    assert torch.equal(torch.rand(1), expected)
    assert speed.seconds_per_pixel > 0
    assert speed.seconds_per_step >= 0
