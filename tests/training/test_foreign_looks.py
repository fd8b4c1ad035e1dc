import pytest
import torch
from torch import Tensor

from bloodcell.training.foreign_looks import bent, greyed, noisy, recoloured, resampled, sharpened


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(12, 3, 8, 8), size=(48, 48), mode="bilinear")
    return 0.2 + 0.6 * smooth


def spread(images: Tensor) -> Tensor:
    """Mean step between neighbours, per image."""
    return images.diff(dim=-1).abs().mean(dim=(1, 2, 3))


def test_nothing_changes_where_every_range_is_zero(images: Tensor) -> None:
    for same in (
        resampled(images, 0),
        sharpened(images, 0),
        bent(images, 0),
        recoloured(images, hue=0, saturation=0, mixing=0),
        greyed(images, 0),
        noisy(images, 0),
    ):
        torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_a_turn_of_colours_keeps_mean_colour_and_brightness(images: Tensor) -> None:
    turned = recoloured(images, hue=1.0, saturation=0.5, mixing=0)
    torch.testing.assert_close(turned.mean((2, 3)), images.mean((2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(turned.mean(1), images.mean(1), atol=1e-5, rtol=0)
    assert (turned - images).abs().mean() > 0.01


def test_a_turn_alone_keeps_the_distance_from_the_mean_colour(images: Tensor) -> None:
    turned = recoloured(images, hue=1.0, saturation=0, mixing=0)
    mean = images.mean((2, 3), keepdim=True)
    torch.testing.assert_close((turned - mean).norm(dim=1), (images - mean).norm(dim=1), atol=1e-4, rtol=0)


def test_resampling_and_sharpening_change_fine_detail_in_opposite_directions(images: Tensor) -> None:
    detailed = images + 0.1 * torch.randn_like(images)
    assert (spread(resampled(detailed, 1)) < spread(detailed)).all()
    assert (spread(sharpened(detailed, 1)) > spread(detailed)).all()


def test_grey_images_have_three_equal_channels_and_their_share_is_as_asked(images: Tensor) -> None:
    many = images[:1].repeat(2000, 1, 1, 1)[..., :4, :4]
    grey = greyed(many, 0.1)
    is_grey = ((grey[:, 0] - grey[:, 1]).abs().amax((1, 2)) < 1e-6).float()
    assert 0.07 < is_grey.mean() < 0.13


def test_noise_stays_below_its_bound(images: Tensor) -> None:
    deviations = (noisy(images, 0.03) - images).std(dim=(1, 2, 3))
    assert 0 < deviations.max() < 0.035


def test_a_tone_curve_keeps_black_white_and_order(images: Tensor) -> None:
    ramp = torch.linspace(0, 1, 48).expand(5, 3, 48, 48)
    curved = bent(ramp, 0.5)
    assert curved.min() >= 0
    assert curved.max() <= 1
    assert (curved.diff(dim=-1) >= 0).all()
