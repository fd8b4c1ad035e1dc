"""Optimizers and learning-rate schedules of the experiments."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from bloodcell.config import RunConfig

WARM_UP_START = 0.04
"""Share of the peak rate at the first step of a one-cycle schedule."""


class Muon(Optimizer):
    """Momentum whose update is orthogonalised, for convolution filters that batch norm follows.

    Each filter bank keeps a fixed norm, since batch norm makes its length meaningless; the learning rate is then the
    angle of a step. Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, and the
    same author's CIFAR-10 speed record, which fixes the norms.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        learning_rate: float,
        momentum: float = 0.9,
        product_dtype: torch.dtype = torch.float32,
    ) -> None:
        """Take filters of any shape; the first dimension counts them.

        Args:
            product_dtype: of the orthogonalisation's matrix products. bfloat16, where the processor multiplies it
                natively, took 53 ms per step of the main model where float32 takes 140 (two Xeon cores with AMX,
                November 2026), nearly as long as forward and backward at 80 px.
        """
        super().__init__(parameters, {"lr": learning_rate, "momentum": momentum})
        self.product_dtype = product_dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there. `closure` is part of torch's interface and not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
                nesterov = parameter.grad.add(momentum, alpha=group["momentum"])
                parameter.mul_(math.sqrt(len(parameter)) / parameter.norm())
                parameter.add_(orthogonalised(nesterov, dtype=self.product_dtype), alpha=-group["lr"])


def orthogonalised(matrix: Tensor, iterations: int = 4, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the tensor, read as (rows, everything else), with singular values near 1, by Newton–Schulz in `dtype`.

    Source: K. Jordan et al., 2024, for the quintic's coefficients; four iterations are as good as five here.
    """
    # The order of the columns does not matter, so a channels_last filter is read as it lies in memory.
    in_memory_order = matrix.permute(0, *range(2, matrix.ndim), 1)
    flat = in_memory_order.flatten(1)
    is_tall = flat.shape[0] > flat.shape[1]
    flat = flat.T if is_tall else flat
    flat = (flat / (flat.norm() + 1e-7)).to(dtype)
    for _ in range(iterations):
        gram = flat @ flat.T
        polynomial = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        flat = torch.addmm(flat, polynomial, flat, beta=3.4445)
    flat = (flat.T if is_tall else flat).to(matrix.dtype)
    return flat.reshape(in_memory_order.shape).permute(0, matrix.ndim - 1, *range(1, matrix.ndim - 1))


class Optimization:
    """The optimizers of one run under one schedule; their whole state goes into a checkpoint and back."""

    def __init__(self, model: nn.Module, config: RunConfig, *, total_steps: int) -> None:
        self.config = config
        self.total_steps = total_steps
        self.steps_taken = 0
        self.factor = 1.0
        self.best_loss = math.inf
        self.epochs_without_improvement = 0
        self.optimizers = build_optimizers(model, config)
        self._peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    @property
    def learning_rate(self) -> float:
        """The rate of the last step's Adam, or of the next where none was taken yet."""
        return float(self.optimizers[-1].param_groups[0]["lr"])

    def step(self) -> None:
        """Move the parameters along their gradients, then forget the gradients."""
        if self.config.schedule == "one_cycle":
            self.factor = one_cycle_factor((self.steps_taken + 0.5) / self.total_steps, self.config.warm_up_share)
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * self.factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps_taken += 1

    def end_epoch(self, validation_loss: float) -> None:
        """Halve the rate of a plateau schedule once the loss has not fallen for more than `plateau_patience` epochs.

        A fall counts from 1e-4 of the loss on: the rule of torch's ReduceLROnPlateau with its default threshold.
        """
        if self.config.schedule != "plateau":
            return
        if validation_loss < self.best_loss * (1 - 1e-4):
            self.best_loss, self.epochs_without_improvement = validation_loss, 0
            return
        self.epochs_without_improvement += 1
        if self.epochs_without_improvement > self.config.plateau_patience:
            self.factor, self.epochs_without_improvement = self.factor / 2, 0

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "steps_taken": self.steps_taken,
            "factor": self.factor,
            "best_loss": self.best_loss,
            "epochs_without_improvement": self.epochs_without_improvement,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps_taken, self.factor = state["steps_taken"], state["factor"]
        self.best_loss, self.epochs_without_improvement = state["best_loss"], state["epochs_without_improvement"]


def build_optimizers(model: nn.Module, config: RunConfig) -> list[Optimizer]:
    """Return the optimizers of a config; Adam is the last."""
    if config.optimizer == "adam":
        return [Adam(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)]
    convolutions = [parameter for parameter in model.parameters() if parameter.ndim == 4]
    others = [parameter for parameter in model.parameters() if parameter.ndim != 4]
    product_dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    return [
        Muon(convolutions, learning_rate=config.convolution_learning_rate, product_dtype=product_dtype),
        Adam(others, lr=config.learning_rate, weight_decay=config.weight_decay),
    ]


def one_cycle_factor(progress: float, warm_up_share: float) -> float:
    """Return the share of the peak rate at a progress of 0 to 1: a straight rise, then half a cosine down to 0."""
    if progress < warm_up_share:
        return WARM_UP_START + (1 - WARM_UP_START) * progress / warm_up_share
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up_share) / (1 - warm_up_share)))
