import pytest
import torch

from bloodcell.models.registry import build_model
from bloodcell.training.validation import accuracy_and_loss, predict_logits, set_exact_batch_norm


def test_exact_statistics_are_the_batches_own() -> None:
    torch.manual_seed(0)
    model = build_model("simple_cnn")
    images = torch.randn(16, 3, 32, 32) * 2 + 1
    set_exact_batch_norm(model, [images])
    features = model.blocks[0][0](images)
    layer = model.blocks[0][1]
    torch.testing.assert_close(layer.running_mean, features.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(layer.running_var, features.var((0, 2, 3)), atol=1e-5, rtol=1e-4)


def test_exact_statistics_do_not_depend_on_what_was_before() -> None:
    torch.manual_seed(0)
    model, images = build_model("simple_cnn"), torch.randn(16, 3, 32, 32)
    set_exact_batch_norm(model, [images])
    first = model.state_dict()["blocks.1.1.running_mean"].clone()
    model(torch.randn(16, 3, 32, 32) * 100)
    set_exact_batch_norm(model, [images])
    assert torch.equal(model.state_dict()["blocks.1.1.running_mean"], first)
    assert model.blocks[0][1].momentum == 0.1


def test_a_model_without_batch_norm_is_left_alone() -> None:
    model = build_model("unet_encoder_no_batch_norm")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    set_exact_batch_norm(model, [torch.randn(2, 3, 32, 32)])
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_predicting_moves_neither_weights_nor_random_state() -> None:
    model = build_model("deep_cnn")
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8)
    before, state = {key: tensor.clone() for key, tensor in model.state_dict().items()}, torch.get_rng_state()
    predict_logits(model, images, memory_format=torch.channels_last)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_accuracy_and_loss_of_known_logits() -> None:
    accuracy, loss = accuracy_and_loss(torch.tensor([[0.0, 0.0], [100.0, 0.0]]), torch.tensor([1, 0]))
    assert accuracy == 0.5
    assert loss == pytest.approx(0.5 * 0.6931, abs=1e-3)
