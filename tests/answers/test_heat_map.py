from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from bloodcell.answers.heat_map import logits_and_heat_maps, resize_heat_maps
from bloodcell.answers.overlay import INFERNO, colours_of, overlay
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.registry import build_model
from bloodcell.runs.run_folder import RunFolder


def last_layer(model: torch.nn.Module) -> torch.nn.Module:
    """The module whose output is `forward_features`' result, for the grad-cam package."""
    if hasattr(model, "blocks"):
        return model.blocks[-1]
    if hasattr(model, "stem"):
        return model.head
    return model.bottleneck if not isinstance(model.bottleneck, torch.nn.Identity) else model.stages[-1]


def trained_like(name: str) -> torch.nn.Module:
    """A model whose batch norm has seen data, so that its features are not degenerate."""
    torch.manual_seed(1)
    model = build_model(name).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_heat_maps_equal_the_grad_cam_packages_for_every_class(name: str) -> None:
    model = trained_like(name)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = model.forward_features(images)
    _, maps = logits_and_heat_maps(model, features)
    ours = resize_heat_maps(maps, 64, 64).numpy()
    with GradCAM(model=model, target_layers=[last_layer(model)]) as reference:
        for index in range(8):
            theirs = reference(input_tensor=images, targets=[ClassifierOutputTarget(index)] * 2)
            np.testing.assert_allclose(ours[:, index], theirs, atol=1e-4)


def test_the_logits_beside_the_heat_maps_are_the_models() -> None:
    model = trained_like("deep_cnn")
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        features = model.forward_features(images)
    logits, _ = logits_and_heat_maps(model, features)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_heat_maps_leave_no_gradient_on_the_model() -> None:
    model = trained_like("unet_encoder")
    with torch.no_grad():
        features = model.forward_features(torch.randn(1, 3, 32, 32))
    logits, maps = logits_and_heat_maps(model, features)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not logits.requires_grad
    assert not maps.requires_grad


def test_a_class_that_nothing_speaks_for_has_an_empty_map() -> None:
    model = trained_like("simple_cnn")
    with torch.no_grad():
        model.classifier.weight[3] = -model.classifier.weight[3].abs()
        features = model.forward_features(torch.randn(1, 3, 32, 32))
    _, maps = logits_and_heat_maps(model, features)
    assert maps[0, 3].max() == 0
    assert maps[0].max() == pytest.approx(1, abs=1e-5)


def test_the_overlay_leaves_an_image_alone_at_strength_0() -> None:
    image = draw_cell(0, seed=0, size_px=64)
    laid = overlay(image, np.ones((4, 4), dtype=np.float32), field_of_view=0.75, strength=0)
    assert np.array_equal(laid, image)


def test_the_overlay_colours_hot_places_and_leaves_cold_ones() -> None:
    image = np.full((64, 64, 3), 100, dtype=np.uint8)
    heat = np.zeros((2, 2), dtype=np.float32)
    heat[0, 0] = 1
    laid = overlay(image, heat, field_of_view=1.0, strength=1.0)
    assert laid[0, 0].tolist() == [252, 255, 164]
    assert laid[-1, -1].tolist() == [100, 100, 100]


def test_the_overlay_changes_nothing_outside_the_field_of_view() -> None:
    image = draw_cell(1, seed=0, size_px=80)
    heat = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    changed = (overlay(image, heat, field_of_view=0.5, strength=1.0) != image).any(axis=2)
    assert changed[20:60, 20:60].mean() > 0.9
    assert not changed[:20].any()
    assert not changed[:, :20].any()
    assert not changed[60:].any()
    assert not changed[:, 60:].any()


def test_an_overlay_has_the_images_size_whatever_its_shape() -> None:
    image = np.zeros((41, 97, 3), dtype=np.uint8)
    assert overlay(image, np.zeros((8, 8), dtype=np.float32), field_of_view=0.75, strength=0.5).shape == image.shape


def test_the_colours_are_matplotlibs_inferno() -> None:
    from matplotlib import colormaps

    heat = np.linspace(0, 1, len(INFERNO))
    expected = colormaps["inferno"](heat)[:, :3] * 255
    np.testing.assert_allclose(colours_of(heat), expected, atol=3)


def test_heat_maps_of_a_real_run_are_written_beside_a_csv(finished_run: RunFolder, tmp_path: Path) -> None:
    from bloodcell.answers.classifier import Classifier
    from bloodcell.answers.heat_map_files import ORIGIN_COLUMNS, HeatMapFolder
    from bloodcell.answers.prediction_table import table_cells
    from tests.answers.pictures import encoded

    classifier = Classifier.load(finished_run.best, device="cpu")
    sources = [ImageSource(name=name, read=lambda: encoded(0)) for name in ("a/../x.png", "x.png", "b/x.png")]
    folder = HeatMapFolder(tmp_path)
    written = [folder.write(answer) for answer in classifier.answers(sources, heat_maps=True)]
    assert [path.relative_to(tmp_path).as_posix() for path in written] == ["a/x.png.png", "x.png.png", "b/x.png.png"]
    assert all(path.stat().st_size > 100 for path in written)
    row = next(iter(classifier.answers(sources))).row
    with Image.open(written[0]) as picture:
        assert picture.text == {column: table_cells(row)[column] for column in ORIGIN_COLUMNS}
        assert (picture.text["file"], picture.text["answer_sha256"]) == (
            "a/x.png",
            classifier.answered_by.answer_sha256,
        )
    long = [ImageSource(name=f"{'x' * 250}{index}.png", read=lambda: encoded(0)) for index in range(2)]
    assert len({folder.write(answer) for answer in classifier.answers(long, heat_maps=True)}) == 2
