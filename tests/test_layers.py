import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


def modules_of(folder: str) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        if path.stem != "__main__"
    }


MODULES = list(modules_of("bloodcell"))
SOURCES = modules_of("bloodcell") | modules_of("webui")
LAYERS = [
    {
        "config",
        "cell_classes",
        "errors",
        "paths",
        "experiments",
        "model_settings",
        "setting_checks",
        "json_objects",
        "packed_text",
        "wording",
    },
    {"images", "models"},
    {"datasets", "devices"},
    {"audit", "measures", "processes"},
    {"weights"},
    {"answers"},
    {"fields", "laboratories", "review", "runs"},
    {"figures", "jobs", "training"},
    {"publishing", "report", "suites"},
    {"commands", "command_line"},
    {"webui"},
]
"""From the ground up. A module imports from its own row or a row above it in this list."""


def room_of(module: str) -> str:
    """Return the folder under bloodcell/ or the module's own name; all of webui/ is one room here."""
    first, *rest = module.split(".")
    return first if first == "webui" or not rest else rest[0]


def layer_of(module: str) -> int:
    room = room_of(module) if module != "bloodcell" else "errors"
    return next(index for index, rooms in enumerate(LAYERS) if room in rooms)


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & SOURCES.keys() or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith(("bloodcell", "webui"))}


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


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_imports_only_from_its_own_layer_or_below(name: str) -> None:
    above = {other for other in imported_modules(SOURCES[name]) if layer_of(other) > layer_of(name)}
    assert above == set()


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith("webui.")])
def test_the_folder_of_a_page_imports_the_shared_parts_and_no_other_page(name: str) -> None:
    own = name.split(".")[1]
    others = {other.split(".")[1] for other in imported_modules(SOURCES[name]) if other.startswith("webui.")}
    assert others - {own, "parts"} == set()


def test_neither_modules_nor_rooms_import_each_other_in_a_circle() -> None:
    modules = {name: imported_modules(path) & SOURCES.keys() - {name} for name, path in SOURCES.items()}
    rooms: dict[str, set[str]] = {}
    for name, others in modules.items():
        rooms.setdefault(room_of(name), set()).update({room_of(other) for other in others} - {room_of(name)})
    for graph in (modules, rooms):
        # Raises CycleError, which names the circle.
        assert set(TopologicalSorter(graph).static_order()) >= graph.keys()
