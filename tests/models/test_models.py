"""What every model promises, and what the paper says about each."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from bloodcell.errors import UnknownName
from bloodcell.model_settings import NAMED_MODELS, UNetEncoderSettings
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import build_model

every_model = pytest.mark.parametrize("name", NAMED_MODELS)


def seeded_model(name: str, seed: int = 0) -> CellClassifier:
    torch.manual_seed(seed)
    return build_model(name)


def meta_model(name: str) -> CellClassifier:
    with torch.device("meta"):
        return build_model(name).eval()


def noise(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def convolutions_of(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def count(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in model.modules())


def feature_shape(name: str, size_px: int) -> tuple[int, ...]:
    """(C, h, w) of the last feature map."""
    return tuple(meta_model(name).forward_features(torch.zeros(1, 3, size_px, size_px, device="meta")).shape[1:])


def output_shapes(name: str, layer: type[nn.Module], size_px: int) -> list[tuple[int, ...]]:
    """(C, h, w) that each layer of this kind puts out, in the order of the forward pass."""
    model, shapes = meta_model(name), list[tuple[int, ...]]()
    for module in model.modules():
        if isinstance(module, layer):
            module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    model(torch.zeros(1, 3, size_px, size_px, device="meta"))
    return shapes


@every_model
@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 80), (250, 256)])
def test_any_image_size_gives_one_finite_logit_per_class(name: str, height: int, width: int) -> None:
    with torch.inference_mode():
        logits = seeded_model(name).eval()(noise(1, height, width))
    assert logits.shape == (1, 8)
    assert logits.isfinite().all()


@every_model
def test_the_number_of_classes_is_free(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, class_count=3).eval()
    assert model(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, 3)


@every_model
def test_forward_is_the_head_on_the_features(name: str) -> None:
    model, images = seeded_model(name).eval(), noise(2, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(images), model.forward_head(model.forward_features(images)))


@every_model
def test_features_are_not_negative_and_not_all_zero(name: str) -> None:
    with torch.inference_mode():
        features = seeded_model(name).eval().forward_features(noise(2, 64, 64))
    assert features.min() >= 0
    assert features.max() > 0


@every_model
def test_a_gradient_reaches_every_parameter(name: str) -> None:
    model = seeded_model(name).train()
    loss = nn.functional.cross_entropy(model(noise(4, 64, 64)), torch.tensor([0, 3, 5, 7]))
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    names = [key for key, _ in model.named_parameters()]
    assert [key for key, gradient in zip(names, gradients, strict=True) if not gradient.any()] == []


@every_model
def test_a_state_dict_carries_the_whole_model(name: str) -> None:
    source, target, images = seeded_model(name, 0).eval(), seeded_model(name, 1).eval(), noise(1, 64, 64)
    with torch.inference_mode():
        assert not torch.equal(source(images), target(images))
        target.load_state_dict(source.state_dict())
        assert torch.equal(source(images), target(images))


@pytest.mark.parametrize("name", [name for name in NAMED_MODELS if name != "efficientnet_lite"])
def test_all_convolutions_of_the_paper_are_3_by_3_with_padding_1(name: str) -> None:
    settings = {(layer.kernel_size, layer.padding, layer.stride) for layer in convolutions_of(meta_model(name))}
    assert settings == {((3, 3), (1, 1), (1, 1))}


@every_model
def test_a_convolution_has_a_bias_exactly_where_no_normalisation_follows(name: str) -> None:
    normalisations = (nn.BatchNorm2d, nn.GroupNorm)
    layers = [
        module for module in meta_model(name).modules() if isinstance(module, (nn.Conv2d, nn.ReLU, *normalisations))
    ]
    for layer, following in pairwise(layers):
        if isinstance(layer, nn.Conv2d):
            assert (layer.bias is None) == isinstance(following, normalisations)


@every_model
def test_no_model_ends_in_a_softmax(name: str) -> None:
    assert isinstance([module for module in meta_model(name).modules() if not list(module.children())][-1], nn.Linear)


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"'resnet'.*unet_encoder"):
        build_model("resnet")


@pytest.mark.parametrize(
    ("name", "parameters"), [("simple_cnn", 20_008), ("deep_cnn", 422_824), ("unet_encoder", 4_718_312)]
)
def test_the_models_of_the_paper_have_this_many_parameters(name: str, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in meta_model(name).parameters()) == parameters


def test_the_main_model_has_the_sizes_of_table_1_at_every_stage() -> None:
    assert output_shapes("unet_encoder", nn.Conv2d, 256)[::2] == [
        (32, 256, 256),
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 16, 16),
    ]


def test_the_main_model_convolves_twice_at_every_stage() -> None:
    shapes = output_shapes("unet_encoder", nn.Conv2d, 256)
    assert shapes[::2] == shapes[1::2]


@pytest.mark.parametrize(
    ("name", "convolutions", "channels", "poolings", "fully_connected"),
    [("simple_cnn", 2, 64, 2, 1), ("deep_cnn", 4, 256, 4, 2), ("unet_encoder", 10, 512, 4, 1)],
)
def test_the_settings_are_those_of_table_2(
    name: str, convolutions: int, channels: int, poolings: int, fully_connected: int
) -> None:
    model = meta_model(name)
    assert len(convolutions_of(model)) == count(model, nn.BatchNorm2d) == convolutions
    assert max(layer.out_channels for layer in convolutions_of(model)) == channels
    assert count(model, nn.MaxPool2d) == poolings
    assert count(model, nn.Linear) == fully_connected


@pytest.mark.parametrize(("name", "rates"), [("simple_cnn", []), ("deep_cnn", [0.5]), ("unet_encoder", [0.5])])
def test_dropout_is_one_half_where_the_paper_has_it(name: str, rates: list[float]) -> None:
    assert [module.p for module in meta_model(name).modules() if isinstance(module, nn.Dropout)] == rates


def test_without_batch_norm_only_the_batch_norm_and_the_missing_biases_differ() -> None:
    base, ablated = meta_model("unet_encoder"), meta_model("unet_encoder_no_batch_norm")
    assert count(ablated, nn.BatchNorm2d) == 0
    assert all(layer.bias is not None for layer in convolutions_of(ablated))
    assert [layer.weight.shape for layer in convolutions_of(ablated)] == [
        layer.weight.shape for layer in convolutions_of(base)
    ]


def test_the_shallow_encoder_has_three_pooled_stages_and_no_bottleneck() -> None:
    assert [layer.out_channels for layer in convolutions_of(meta_model("unet_encoder_shallow"))] == [
        *(32, 32, 64, 64, 128, 128)
    ]
    assert feature_shape("unet_encoder_shallow", 256) == (128, 32, 32)


def test_without_dropout_only_the_dropout_rate_differs() -> None:
    base, ablated = meta_model("unet_encoder"), meta_model("unet_encoder_no_dropout")
    assert str(ablated) == str(base).replace("Dropout(p=0.5", "Dropout(p=0.0")
    assert str(ablated) != str(base)


def test_without_dropout_the_head_gives_the_same_logits_in_training() -> None:
    model, features = seeded_model("unet_encoder_no_dropout"), torch.rand(2, 512, 4, 4)
    with torch.inference_mode():
        assert torch.equal(model.train().forward_head(features), model.eval().forward_head(features))


def test_with_group_norm_only_the_normalisation_differs() -> None:
    base, ablated = meta_model("unet_encoder"), meta_model("unet_encoder_group_norm")
    assert count(ablated, nn.BatchNorm2d) == 0
    assert count(ablated, nn.GroupNorm) == count(base, nn.BatchNorm2d)
    assert [str(layer) for layer in convolutions_of(ablated)] == [str(layer) for layer in convolutions_of(base)]


def test_half_the_width_halves_every_stage() -> None:
    narrow, base = convolutions_of(meta_model("unet_encoder_half_width")), convolutions_of(meta_model("unet_encoder"))
    assert [2 * layer.out_channels for layer in narrow] == [layer.out_channels for layer in base]


def test_he_initialisation_changes_the_first_values_alone() -> None:
    one, other = meta_model("unet_encoder_no_batch_norm"), meta_model("unet_encoder_no_batch_norm_he")
    assert str(one) == str(other)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [("unet_encoder_no_batch_norm", 0, 0.01), ("unet_encoder_no_batch_norm_he", 0.3, 3)],
)
def test_without_batch_norm_activations_vanish_unless_he_initialised(name: str, lowest: float, highest: float) -> None:
    images = noise(2, 64, 64)
    with torch.inference_mode():
        features = seeded_model(name).eval().forward_features(images)
        scaled = seeded_model(name).eval().forward_features(2 * images)
    # What the input moves: biases alone also fill a feature map.
    change = (scaled - features).square().mean().sqrt() / images.square().mean().sqrt()
    assert lowest <= change <= highest


def test_instance_norm_in_the_first_stage_alone() -> None:
    settings = UNetEncoderSettings(first_normalisation="instance")
    with torch.device("meta"):
        model = build_model(settings)
    kinds = [type(module) for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d)]
    assert kinds == [nn.InstanceNorm2d] * 2 + [nn.BatchNorm2d] * 8


def test_efficientnet_lite0_has_the_published_layers_and_parameters() -> None:
    model = meta_model("efficientnet_lite")
    # 4,652,008 with ImageNet's last layer of 1,000 classes, which has 1,281,000 of them.
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008 - 1_281_000 + 8 * 1_281
    assert feature_shape("efficientnet_lite", 96) == (1280, 3, 3)
    assert count(model, nn.ReLU) == 0
    assert sorted({layer.kernel_size[0] for layer in convolutions_of(model)}) == [1, 3, 5]
    filters = [layer for layer in convolutions_of(model) if layer.groups > 1]
    assert [layer.kernel_size[0] for layer in filters] == [3] * 3 + [5] * 2 + [3] * 3 + [5] * 7 + [3]


def test_efficientnet_lite0_takes_tensors_of_the_same_shapes_in_their_order_alone() -> None:
    source, target = seeded_model("efficientnet_lite"), seeded_model("efficientnet_lite", seed=1)
    tensors = {f"_{index}": tensor for index, tensor in enumerate(source.state_dict().values())}
    *kept, last = tensors
    renamed = {name: tensors[name] for name in kept[:-1]} | {"_fc.weight": tensors[kept[-1]], "_fc.bias": tensors[last]}
    own_last = target.state_dict()["classifier.weight"].clone()
    target.load_imagenet_tensors(renamed)
    assert torch.equal(target.state_dict()["head.0.weight"], source.state_dict()["head.0.weight"])
    assert torch.equal(target.state_dict()["classifier.weight"], own_last)
    with pytest.raises(RuntimeError, match="not those of EfficientNet-Lite0"):
        target.load_imagenet_tensors(dict(list(renamed.items())[1:]))
