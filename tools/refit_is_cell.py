"""Fit the question whether it is a cell once more, with photographs among what is none; the classes stay as they are.

No photograph is trained on by `tools.any_laboratory`, and a fifth of the crops of photographs then pass for cells. Here
the averages of the last map of varied and plain images are kept, and the second output is fitted to them, pulled
towards what it was. PHOTOS is a folder of ordinary photographs: for the weights that ship twelve of the PyPI packages
gradio, imgaug, mahotas and pyvista and of the Embedded Rust Book; never those of scikit-learn and scikit-image, which
measure.

Run: python -m tools.refit_is_cell TRAINED_DIR --cache DIR --photos PHOTOS
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bloodcell.images.open_image import open_image
from bloodcell.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.training.augmentation import BatchAugmenter
from tests.builders import not_cells
from tools.laboratory_images import DRAWN_SEED, LabelledImages, NoCells, decode
from tools.laboratory_recipe import FIELD_OF_VIEW, Variation, averages, views

PULL = 0.1
"""Weight of the squared distance from the learnt output, in units of each channel's spread."""
COPIES = {"home": 1, "bccd": 3, "chula": 3}
HOME_IMAGES, SHUFFLED_IMAGES, PHOTO_CROPS = 1500, 600, 1200


def shuffled(images: Tensor, parts: int) -> Tensor:
    """(N, 3, S, S) → the same, cut into parts × parts squares that lie anywhere."""
    side = images.shape[-1] // parts
    squares = images.unfold(2, side, side).unfold(3, side, side).reshape(len(images), 3, parts**2, side, side)
    squares = squares[:, :, torch.randperm(parts**2)].reshape(len(images), 3, parts, parts, side, side)
    return squares.permute(0, 1, 2, 4, 3, 5).reshape(len(images), 3, parts * side, parts * side)


def cells(model: EfficientNetLite, cache: Path, far: BatchAugmenter, size_px: int) -> list[Tensor]:
    """Return averages of training cells, varied and plain."""
    found = []
    for name, copies in COPIES.items():
        one = LabelledImages(**torch.load(cache / f"{name}.pt", weights_only=True))
        images = one.images[~one.is_held_out]
        if name == "home":
            images = images[torch.randperm(len(images))[:HOME_IMAGES]]
        found += [_varied(model, images.repeat(copies, 1, 1, 1), far), _plain(model, images, size_px)]
    return found


def no_cells(model: EfficientNetLite, cache: Path, photos: Path, far: BatchAugmenter, size_px: int) -> list[Tensor]:
    """Return averages of what is no cell, a tensor per kind."""
    known = NoCells(**torch.load(cache / "no_cells_all.pt", weights_only=True))
    fields = Variation(size_px).fields
    pictures = {path.name: open_image(path.read_bytes()) for path in sorted(photos.iterdir())}
    crops = decode(not_cells.random_crops(pictures, PHOTO_CROPS, seed=DRAWN_SEED))
    more = LabelledImages(**torch.load(cache / "more.pt", weights_only=True)).images
    base = more[torch.randperm(len(more))[:SHUFFLED_IMAGES]]
    cut = torch.cat([shuffled(base[place::3], parts) for place, parts in enumerate((4, 6, 8))])
    return [
        _varied(model, known.pictures, far),
        _plain(model, known.pictures, size_px),
        _varied(model, known.fields.repeat(2, 1, 1, 1), fields),
        _plain(model, known.fields, size_px),
        _varied(model, crops, far),
        _plain(model, crops, size_px),
        _varied(model, cut, far),
    ]


def refit(head: nn.Linear, positive: list[Tensor], negative: list[Tensor]) -> nn.Linear:
    """Fit a linear output, each kind of picture weighing alike among those of no cell."""
    seen = torch.cat([*positive, *negative])
    count = sum(map(len, positive))
    truth = (torch.arange(len(seen)) < count).float()
    weight = torch.cat(
        [
            torch.full((count,), 1 / count),
            *(torch.full((len(kind),), 1 / len(kind) / len(negative)) for kind in negative),
        ]
    )
    spread, before = seen.std(0) + 1e-2, head.weight.detach()[0].clone()
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        errors = F.binary_cross_entropy_with_logits(head(seen)[:, 0], truth, reduction="none")
        total = (weight * errors).sum() + PULL * (((head.weight[0] - before) * spread) ** 2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return head


def _varied(model: EfficientNetLite, images: Tensor, augmenter: BatchAugmenter) -> Tensor:
    return torch.cat([averages(model, augmenter(part)) for part in images.split(64)])


def _plain(model: EfficientNetLite, images: Tensor, size_px: int) -> Tensor:
    return averages(model, views(images, size_px))


def main() -> None:
    """Fit, and write refit.pt beside model.pt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, metavar="TRAINED_DIR")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    torch.manual_seed(0)
    state = torch.load(options.trained / "model.pt", weights_only=True)
    model = build_model("efficientnet_lite")
    assert isinstance(model, EfficientNetLite)
    model.load_state_dict(state["model"])
    model = model.to(memory_format=torch.channels_last).eval()
    head = nn.Linear(HEAD_CHANNELS, 1)
    head.load_state_dict(state["is_cell"])
    size_px = int(state["size_px"])
    far = BatchAugmenter("laboratories", image_size_px=size_px, field_of_view=FIELD_OF_VIEW)
    positive = cells(model, options.cache, far, size_px)
    negative = no_cells(model, options.cache, options.photos, far, size_px)
    torch.save({**state, "is_cell": refit(head, positive, negative).state_dict()}, options.trained / "refit.pt")
    print(f"Fitted to {sum(map(len, positive)):,} cells and {sum(map(len, negative)):,} pictures of none.")


if __name__ == "__main__":
    main()
