import numpy as np
import pytest
import torch

from bloodcell.answers.folded import Activation, FoldedClassifier, FusedConvolution
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.images.model_input import as_images, model_input
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import build_model
from tests.answers.computing import needs_bf16

CPU = torch.device("cpu")


def images(count: int) -> torch.Tensor:
    cells = [draw_cell(index % 8, seed=index, size_px=64) for index in range(count)]
    return model_input(as_images(np.stack(cells)))


def used_model(name: str) -> CellClassifier:
    """A model whose batch norms have statistics and factors of their own, unlike a fresh one."""
    torch.manual_seed(0)
    model = build_model(name).train()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
    with torch.no_grad():
        for _ in range(10):
            model(images(8))
    return model.eval()


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_a_folded_model_answers_as_the_model_it_is_made_from(name: str) -> None:
    model = used_model(name)
    folded = FoldedClassifier(model, device=CPU, feature_dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(folded(images(4)), model(images(4)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_no_batch_norm_is_left_and_the_model_keeps_its_own(name: str) -> None:
    model = used_model(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    folded = FoldedClassifier(model, device=CPU, feature_dtype=torch.bfloat16)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in folded.modules())
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_bf16_stays_near_fp32_and_its_logits_are_float32(name: str) -> None:
    model = used_model(name)
    folded = FoldedClassifier(model, device=CPU, feature_dtype=torch.bfloat16).eval()
    with torch.no_grad():
        logits = folded(images(4))
        assert logits.dtype is torch.float32
        difference = torch.softmax(logits, 1) - torch.softmax(model(images(4)), 1)
    assert difference.abs().max() < 0.05


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bf16)])
@pytest.mark.parametrize("activation", [torch.nn.ReLU(), torch.nn.ReLU6()])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 48, 80), (16, 3, 128, 128), (2, 3, 33, 47)])
def test_a_fused_convolution_gives_what_convolution_and_activation_give(
    shape: tuple[int, int, int, int], activation: Activation, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(3, 24, kernel_size=3, padding=1).to(dtype).requires_grad_(False)
    convolution = convolution.to(memory_format=torch.channels_last)
    # Large enough that ReLU6 bounds some of it.
    features = 8 * torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        convolved = convolution(features)
        assert convolved.max() > 6
        expected = activation(convolved)
        torch.testing.assert_close(FusedConvolution(convolution, activation)(features), expected)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
@pytest.mark.parametrize("name", NAMED_MODELS)
def test_every_convolution_of_3_by_3_or_more_is_fused_with_its_relu_where_answers_are_computed(name: str) -> None:
    model = used_model(name)
    folded = FoldedClassifier(model, device=CPU, feature_dtype=torch.float32)
    # Group norm stands between the two and cannot be folded.
    has_group_norm = any(isinstance(layer, torch.nn.GroupNorm) for layer in model.modules())
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    convolutions = sum(layer.kernel_size > (1, 1) for layer in layers)
    fused = sum(isinstance(layer, FusedConvolution) for layer in folded.modules())
    assert fused == (0 if has_group_norm else convolutions)
