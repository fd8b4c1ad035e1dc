import time

import pytest
import torch
import torch.nn.functional as F

from bloodcell.devices.precision import answers_in_bf16, runs_bf16_natively

CPU = torch.device("cpu")


@pytest.mark.parametrize("slow", [torch.float32, torch.bfloat16])
def test_answers_are_computed_in_bf16_only_where_it_is_faster(
    slow: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    convolve = F.conv2d

    def delayed(features: torch.Tensor, *others: object, **settings: object) -> torch.Tensor:
        time.sleep(0.1 if features.dtype is slow else 0)
        return convolve(features, *others, **settings)  # type: ignore[call-overload]

    monkeypatch.setattr(F, "conv2d", delayed)
    answers_in_bf16.cache_clear()
    assert answers_in_bf16(CPU) == (slow is torch.float32 and runs_bf16_natively(CPU))
    answers_in_bf16.cache_clear()
