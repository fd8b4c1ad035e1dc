"""What computes answers in tests: the optional engine, and bf16 where the processor has it."""

from importlib.util import find_spec

import pytest
import torch

from bloodcell.devices.precision import runs_bf16_natively

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed (requirements-openvino.txt)"
)
needs_bf16 = pytest.mark.skipif(
    not runs_bf16_natively(torch.device("cpu")), reason="this processor does not compute in bf16"
)
