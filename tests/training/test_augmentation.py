import pytest
import torch
from torch import Tensor

from bloodcell.config import Augmentation
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.images.model_input import model_input, prepare_image
from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.training.augmentation import AUGMENTATIONS, STAIN_VECTORS, BatchAugmenter, _blur, _illuminate, _stain
from bloodcell.training.batches import TrainingBatches, whole_image_size_px
from tests.conftest import quick_config


def cells(count: int, size_px: int = 64) -> Tensor:
    drawn = [torch.from_numpy(draw_cell(index % 8, seed=index, size_px=size_px).copy()) for index in range(count)]
    return torch.stack(drawn).permute(0, 3, 1, 2)


def to_pixels(normalised: Tensor) -> Tensor:
    return normalised * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) + torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)


def test_without_augmentation_an_image_of_the_right_size_passes_unchanged() -> None:
    images = cells(4)
    augmenter = BatchAugmenter("none", image_size_px=64, field_of_view=1.0)
    torch.testing.assert_close(augmenter(images), model_input(images), atol=1e-4, rtol=0)


def test_the_field_of_view_is_what_answering_cuts_out() -> None:
    image = draw_cell(2, seed=0, size_px=128)
    whole = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    seen = to_pixels(BatchAugmenter("none", image_size_px=64, field_of_view=0.5)(whole))[0]
    answered = torch.from_numpy(prepare_image(image, image_size_px=64, field_of_view=0.5).copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(seen, answered, atol=0.01, rtol=0)


@pytest.mark.parametrize("name", [name for name, ranges in AUGMENTATIONS.items() if ranges is not None])
def test_every_image_of_a_batch_is_varied_on_its_own(name: Augmentation) -> None:
    torch.manual_seed(0)
    images = cells(1).repeat(8, 1, 1, 1)
    varied = BatchAugmenter(name, image_size_px=64, field_of_view=1.0)(images)
    distances = torch.cdist(varied.flatten(1), varied.flatten(1))
    assert (distances + torch.eye(8) * 1e9).min() > 1


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_pixels_stay_in_range_and_the_shape_is_the_models(name: Augmentation) -> None:
    torch.manual_seed(0)
    pixels = to_pixels(BatchAugmenter(name, image_size_px=48, field_of_view=0.75)(cells(16)))
    assert pixels.shape == (16, 3, 48, 48)
    assert pixels.dtype == torch.float32
    assert pixels.min() > -1e-3
    assert pixels.max() < 1 + 1e-3


def test_the_same_random_state_gives_the_same_variation() -> None:
    augmenter = BatchAugmenter("paper", image_size_px=64, field_of_view=1.0)
    torch.manual_seed(5)
    first = augmenter(cells(3))
    torch.manual_seed(5)
    assert torch.equal(augmenter(cells(3)), first)


def test_half_of_the_images_are_mirrored() -> None:
    torch.manual_seed(0)
    augmenter = BatchAugmenter("paper", image_size_px=16, field_of_view=1.0)
    left_dark = torch.full((400, 3, 16, 16), 200, dtype=torch.uint8)
    # An L of dark pixels has a handedness that no rotation changes.
    left_dark[:, :, 2:14, 2:6] = 20
    left_dark[:, :, 10:14, 2:12] = 20
    dark = (to_pixels(augmenter(left_dark)).mean(1) < 0.4).float()
    upright = (dark[0] > 0).float()
    assert upright.sum() > 0
    rows = torch.arange(16.0)
    centred_y = rows.view(1, 16, 1) - (dark * rows.view(1, 16, 1)).sum((1, 2), keepdim=True) / dark.sum(
        (1, 2), keepdim=True
    )
    centred_x = rows.view(1, 1, 16) - (dark * rows.view(1, 1, 16)).sum((1, 2), keepdim=True) / dark.sum(
        (1, 2), keepdim=True
    )
    # Third-order moment that changes its sign under mirroring and not under rotation.
    xx, yy, xy = ((dark * product).sum((1, 2)) for product in (centred_x**2, centred_y**2, centred_x * centred_y))
    skew_x = (dark * centred_x * (centred_x**2 + centred_y**2)).sum((1, 2))
    skew_y = (dark * centred_y * (centred_x**2 + centred_y**2)).sum((1, 2))
    handedness = (xx - yy) * skew_x * skew_y - xy * (skew_x**2 - skew_y**2)
    share = (handedness > 0).float().mean().item()
    assert 0.4 < share < 0.6


def test_an_epoch_yields_every_image_once() -> None:
    config = quick_config(augmentation="none")
    images = cells(20, size_px=64)[:, :, :32, :32].contiguous()
    labels = torch.arange(20)
    batches = TrainingBatches(images, labels, config, torch.device("cpu"))
    seen = torch.cat([part for _, part in batches.epoch(0)])
    assert sorted(seen.tolist()) == list(range(20))
    assert len(batches) == 2


def test_a_last_batch_of_one_image_is_left_out() -> None:
    batches = TrainingBatches(cells(17), torch.zeros(17), quick_config(batch_size=16), torch.device("cpu"))
    assert len(batches) == 1


def test_small_epochs_come_at_their_small_size() -> None:
    config = quick_config(image_size_px=64, first_image_size_px=32, field_of_view=0.5, epochs=4)
    images = cells(4, size_px=whole_image_size_px(config, 64))
    batches = TrainingBatches(images, torch.zeros(4), config, torch.device("cpu"))
    sides = [next(iter(batches.epoch(epoch)))[0].shape[-1] for epoch in range(4)]
    assert sides == [32, 32, 48, 64]


def test_the_batches_of_clean_images_mix_the_classes_and_leave_the_random_state_alone() -> None:
    labels = torch.arange(8).repeat_interleave(20)
    images = labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    batches = TrainingBatches(images, labels, quick_config(batch_size=32), torch.device("cpu"))
    state = torch.get_rng_state()
    values = [to_pixels(batch).mean((1, 2, 3)) for batch in batches.clean(128)]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(len((part * 255).round().unique()) >= 6 for part in values)
    assert sum(len(part) for part in values) == 128
    assert all(torch.equal(a, b) for a, b in zip(batches.clean(128), batches.clean(128), strict=True))


def test_scaling_one_stain_scales_its_optical_density_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    stains = torch.nn.functional.normalize(torch.tensor(STAIN_VECTORS), dim=1)
    amounts = torch.tensor([0.3, 0.2, 0.1])
    # Factors for haematoxylin, eosin and DAB in place of random ones.
    factors = torch.tensor([1.1, 1.0, 0.9])
    monkeypatch.setattr("bloodcell.training.augmentation._between", lambda *_: (factors - 1).view(1, 3, 1))
    image = torch.exp(-(amounts @ stains)).view(1, 3, 1, 1)
    expected = torch.exp(-((amounts * factors) @ stains)).view(1, 3, 1, 1)
    torch.testing.assert_close(_stain(image, 0.1), expected)


def test_a_known_draw_turns_shifts_and_zooms_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([torch.tensor([0.25]), torch.tensor([0.0]), torch.tensor([[0.25, 0.0]])])
    monkeypatch.setattr("bloodcell.training.augmentation._between", lambda *_: next(draws))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([1.0]))
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    image[:, :, 30:34, 38:42] = 255
    augmenter = BatchAugmenter("paper", image_size_px=64, field_of_view=1.0)
    turned = augmenter._orient(image.float() / 255)[0, 0]
    # A quarter turn reads (x, y) at (−y, x); the shift, a quarter of half a side, then meets the spot.
    ys, xs = torch.nonzero(turned > 0.5, as_tuple=True)
    assert (xs.float().mean().item(), ys.float().mean().item()) == pytest.approx((31.5, 31.5), abs=1)


def test_a_blur_of_two_and_a_half_passes_is_two_passes_and_half_of_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 16)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.ones(1, 1, 1, 1))
    once, twice, thrice = (_blur(image, passes) for passes in (1, 2, 3))
    torch.testing.assert_close(_blur(once, 1), twice)
    torch.testing.assert_close(_blur(image, 2.5), (twice + thrice) / 2)
    roughness = [float((each - each.mean()).square().sum()) for each in (image, once, twice, thrice)]
    assert roughness == sorted(roughness, reverse=True)


def test_strong_augmentation_moves_the_colours_of_grey_images_and_mild_leaves_them_grey() -> None:
    grey = torch.full((8, 3, 32, 32), 128, dtype=torch.uint8)
    spreads = {}
    names: tuple[Augmentation, ...] = ("strong", "mild")
    for name in names:
        ranges = AUGMENTATIONS[name]
        assert ranges is not None
        torch.manual_seed(0)
        lit = _illuminate(grey.float() / 255, ranges)
        spreads[name] = (lit.mean((2, 3)).amax(1) - lit.mean((2, 3)).amin(1)).min().item()
    assert spreads["mild"] == pytest.approx(0, abs=1e-6)
    assert spreads["strong"] > 0.01
