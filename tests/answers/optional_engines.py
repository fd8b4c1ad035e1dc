"""A mark for tests that need the optional engine."""

from importlib.util import find_spec

import pytest

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed (requirements-openvino.txt)"
)
