import re

import pytest
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY

LOCKS = {
    "requirements.lock": ("requirements.txt",),
    "requirements-dev.lock": (
        "requirements.txt",
        "requirements-onnx.txt",
        "requirements-openvino.txt",
        "requirements-dev.txt",
    ),
}


def entries(lock: str) -> list[tuple[str, str]]:
    """(name, version) in a lock file's order; an older Python may have a version of its own."""
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, flags=re.MULTILINE)


def versions(lock: str, name: str) -> list[str]:
    """The versions of a package in a lock file."""
    return [version for other, version in entries(lock) if other == name]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_version_of_a_lock_is_inside_the_bounds_that_people_read(lock: str) -> None:
    wanted = [
        Requirement(line)
        for name in LOCKS[lock]
        for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        if line and line[0] not in "#-"
    ]
    assert wanted
    assert [str(need) for need in wanted if not versions(lock, need.name)] == []
    outside = [
        f"{need} {version}"
        for need in wanted
        for version in versions(lock, need.name)
        if not need.specifier.contains(version)
    ]
    assert outside == []


@pytest.mark.parametrize("lock", LOCKS)
def test_each_version_of_a_lock_has_a_hash_and_no_address(lock: str) -> None:
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    parts = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(parts) == len(entries(lock)) > 30
    assert [part for part in parts if "--hash=sha256:" not in part] == []
    assert "://" not in text


def test_app_and_tests_install_the_same_versions() -> None:
    assert set(entries("requirements.lock")) <= set(entries("requirements-dev.lock"))


def test_the_two_commands_install_by_hash() -> None:
    installs = re.findall(r"pip install .*", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert len(installs) == 2
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_every_locked_package_stands_with_a_licence() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S*) \| (.+) \|$", (REPOSITORY / "docs/licences.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    licences = {name for name, _, licence in rows if licence.strip()}
    assert {name for name, _ in entries("requirements-dev.lock")} - licences == set()
    assert [
        row for row in rows if row[1][0].isdigit() and row[1] not in versions("requirements-dev.lock", row[0])
    ] == []
