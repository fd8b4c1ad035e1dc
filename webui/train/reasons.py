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


_SEED = "Moves first weights, order and variation of the images, not the split. Three seeds tell luck from progress."
_DEVICE = "Automatic takes a GPU where there is one. One run trains on a device at a time; others wait in order."
_REASONS: dict[str, dict[str, str]] = {
    "paper": {
        "epochs": "The paper trains this model for {epochs} epochs. Fewer save time and cost accuracy.",
        "image_size_px": "The paper reads {size} × {size} pixels. Time and memory grow with the area.",
        "batch_size": "The paper's 32. More images per step need more memory.",
        "learning_rate": "The paper's 0.001 with Adam, halved when the validation loss stops improving.",
        "seed": _SEED,
        "device": _DEVICE,
    },
    "fast": {
        "epochs": "{epochs} epochs under a rate that rises and falls once. Fewer save time and cost accuracy.",
        "image_size_px": "Begins at {first} pixels and grows to {size}: small images first save time.",
        "batch_size": "32 as in the paper. More images per step need more memory.",
        "learning_rate": "How far one step may move the weights. Too large never settles, too small learns slowly; "
        "picked on validation images. The image filters have a rate of their own, which stays.",
        "seed": _SEED,
        "device": _DEVICE,
    },
}
