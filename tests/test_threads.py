import os
import subprocess
import sys

import pytest

from bloodcell.threads import spin_briefly
from tests.conftest import REPOSITORY


def test_threads_are_told_to_spin_briefly() -> None:
    environment: dict[str, str] = {}
    spin_briefly(environment)
    assert int(environment["GOMP_SPINCOUNT"]) <= 1000


@pytest.mark.parametrize("chosen", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_what_the_user_chose_stays(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    spin_briefly(environment)
    assert environment == chosen


def test_importing_the_package_tells_them() -> None:
    code = "import os, sys, bloodcell; assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])"
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=True)
    assert int(result.stdout) <= 1000
