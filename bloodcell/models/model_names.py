"""The names of the networks, without the networks: cards and settings are checked before torch is there."""

MODEL_NAMES: tuple[str, ...] = (
    "simple_cnn",
    "deep_cnn",
    "unet_encoder",
    "unet_encoder_no_batch_norm",
    "unet_encoder_shallow",
    "unet_encoder_no_dropout",
    "unet_encoder_group_norm",
    "unet_encoder_half_width",
    "unet_encoder_no_batch_norm_he",
)
"""Keys of `registry.MODEL_BUILDERS`, in its order."""
