import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for path in (REPOSITORY / "bloodcell").rglob("*.py")
    if path.stem != "__main__"
)
LAYERS = [
    {"config", "cell_classes", "errors", "paths", "experiments", "allocator", "threads"},
    {"images"},
    {"measures", "models", "data"},
    {"training", "prediction"},
    {"evaluation"},
    {"jobs"},
    {"ablation", "review", "report", "figures"},
    {"commands", "command_line", "__main__"},
]


def layer_of(module: str) -> int:
    room = module.split(".")[1] if "." in module else "errors"
    return next(index for index, rooms in enumerate(LAYERS) if room in rooms)


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("bloodcell")}


DRAWING_ROOMS = ("bloodcell.figures", "bloodcell.report")


def test_the_core_imports_without_streamlit_and_plotly() -> None:
    code = "\n".join(
        [
            "import importlib, sys",
            "sys.modules['streamlit'] = sys.modules['plotly'] = None",
            *(f"importlib.import_module({name!r})" for name in MODULES if not name.startswith(DRAWING_ROOMS)),
        ]
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


WITHOUT_TORCH = (
    *(name for name in MODULES if name.startswith(DRAWING_ROOMS)),
    *("bloodcell.weights.card", "bloodcell.runs.run_folder", "bloodcell.jobs"),
    *("bloodcell.suites.run_record", "bloodcell.suites.table", "bloodcell.suites.suite_record"),
    *("webui.parts.frame", "webui.train.form", "webui.train.results", "webui.train.runs"),
    *("webui.suites.suites", "webui.suites.table", "webui.results.sources"),
)
"""Reading a card, a run, a suite's record or the jobs must not wait the seconds that torch takes."""


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_importing_it_brings_no_torch(name: str) -> None:
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr or "torch was imported"


def test_figures_and_reports_import_no_streamlit() -> None:
    drawing = ", ".join(name for name in MODULES if name.startswith(DRAWING_ROOMS))
    code = f"import sys, {drawing}; sys.exit('streamlit' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr or "streamlit was imported"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_its_own_layer_or_below(name: str) -> None:
    path = REPOSITORY / (name.replace(".", "/") + ".py")
    path = path if path.exists() else REPOSITORY / name.replace(".", "/") / "__init__.py"
    above = {other for other in imported_modules(path) if layer_of(other) > layer_of(name)}
    assert above == set()
