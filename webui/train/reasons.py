"""What stands beside each setting of a new run: where its value comes from, and what another one would do."""

from bloodcell.config import RunConfig


def reason(config: RunConfig, setting: str) -> str:
    """Return the sentence beside a setting of an experiment.

    Args:
        config: the experiment's own.
        setting: a field of RunConfig that the Train page offers.
    """
    recipe = "paper" if config.experiment.startswith("paper") else "fast"
    words = _REASONS[recipe][setting]
    return words.format(epochs=config.epochs, size=config.image_size_px, first=config.first_image_size_px)


_SEED = (
    "Moves first weights, order and variation of the images, not which of them train and which validate. Three seeds "
    "tell luck from progress."
)
_DEVICE = "Automatic takes a GPU where there is one. One run trains on a device at a time; others wait in order."
_REASONS: dict[str, dict[str, str]] = {
    "paper": {
        "epochs": "An epoch shows each training image once; the paper trains this model for {epochs}. Fewer save "
        "time and cost accuracy.",
        "image_size_px": "The paper reads {size} × {size} pixels. Time and memory grow with the area.",
        "batch_size": "The paper's 32. More images per step need more memory.",
        "learning_rate": "How far one step may move the weights: the paper's 0.001, halved when validation images "
        "stop improving.",
        "seed": _SEED,
        "device": _DEVICE,
    },
    "fast": {
        "epochs": "An epoch shows each training image once; in {epochs} the learning rate rises and falls once. "
        "Fewer save time and cost accuracy.",
        "image_size_px": "Begins at {first} pixels and grows to {size}: small images first save time.",
        "batch_size": "32 as in the paper. More images per step need more memory.",
        "learning_rate": "How far one step may move the weights. Too large never settles, too small learns slowly; "
        "picked on validation images. The image filters have a rate of their own, which stays.",
        "seed": _SEED,
        "device": _DEVICE,
    },
}
