import re

from tests.conftest import REPOSITORY
from tests.test_command_line import COMMANDS

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_commands_that_there_are() -> None:
    assert set(re.findall(r"python -m bloodcell (\w+)", README)) == set(COMMANDS)


def test_the_readme_names_every_module() -> None:
    modules = [path for room in ("bloodcell", "webui", "pages") for path in (REPOSITORY / room).rglob("*.py")]
    unnamed = {path.name for path in modules if not path.name.startswith("__") and path.name not in README}
    assert unnamed == set()


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
