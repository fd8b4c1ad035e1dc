import ast
import re

from tests.conftest import REPOSITORY
from tests.test_command_line import COMMANDS

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


USE = (REPOSITORY / "docs/use.md").read_text(encoding="utf-8")


def test_the_documents_show_the_commands_that_there_are() -> None:
    assert set(re.findall(r"python -m bloodcell (\w+)", USE)) == set(COMMANDS)
    assert set(re.findall(r"python -m bloodcell (\w+)", README)) <= set(COMMANDS)


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(README.encode()) <= 6_144


def test_every_module_opens_with_a_docstring() -> None:
    rooms = ("bloodcell", "webui", "pages", "benchmarks", "tools")
    modules = [path for room in rooms for path in (REPOSITORY / room).rglob("*.py")]
    silent = [
        path for path in modules if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_the_readme_names_every_package_that_is_required() -> None:
    lines = [
        line
        for name in ("requirements.txt", "requirements-onnx.txt", "requirements-openvino.txt", "requirements-dev.txt")
        for line in (REPOSITORY / name).read_text().splitlines()
        if line and line[0] not in "#-"
    ]
    assert [line for line in lines if re.split(r"[<>=!]", line)[0] not in README] == []


def test_the_files_that_the_readme_points_at_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not target.startswith("http") and not (REPOSITORY / target).exists()] == []
