import os
import subprocess
import sys
import tempfile

import pytest

from bloodcell.devices.threads import spin_briefly
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


ENTRY_POINTS = {
    "the command line": "sys.argv[1:] = ['--version']; runpy.run_module('bloodcell', run_name='__main__')",
    "the app": "runpy.run_path('app.py')",
    "the benchmarks": "import benchmarks",
}


@pytest.mark.parametrize("code", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_an_entry_point_tells_them_before_torch_is_imported(code: str) -> None:
    assert int(_spin_count_seen_by_torch(code) or 0) in range(1, 1001)


def test_importing_the_package_changes_no_environment_variable() -> None:
    code = "import os, sys; before = dict(os.environ); import bloodcell; sys.exit(before != dict(os.environ))"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert result.returncode == 0


def _spin_count_seen_by_torch(code: str) -> str | None:
    """Run `code` in a fresh process; return GOMP_SPINCOUNT as it was when torch began, or else at the end."""
    watched = f"""
import os, runpy, sys
seen = []
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == 'torch':
            seen.append(os.environ.get('GOMP_SPINCOUNT', ''))
sys.meta_path.insert(0, Watch())
try:
    {code}
finally:
    open(os.environ['SEEN'], 'w').write((seen or [os.environ.get('GOMP_SPINCOUNT', '')])[0])
"""
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.NamedTemporaryFile("r") as seen:
        environment = {**clean, "SEEN": seen.name}
        subprocess.run(
            [sys.executable, "-c", watched], cwd=REPOSITORY, env=environment, capture_output=True, check=False
        )
        return seen.read() or None
