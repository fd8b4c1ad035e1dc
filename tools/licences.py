"""Write the licence of every installed package as docs/licences.md: `python tools/licences.py > docs/licences.md`.

Reads what the packages' own metadata state, in an environment made of requirements-dev.lock.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LOCKS = {"the app": "requirements.lock", "tests and exports alone": "requirements-dev.lock"}
ELSEWHERE = {"cuda-toolkit": "names other packages and holds no code; theirs are NVIDIA's"}
"""Packages whose metadata name no licence."""
_HEAD = """# Licences of what is installed

Written by `python tools/licences.py` from the packages' own metadata, for Linux on x86-64; versions are those of
[requirements.lock](../requirements.lock) and [requirements-dev.lock](../requirements-dev.lock). The packages of NVIDIA
come with torch on Linux; their licences allow use and redistribution within an application, not changes, and they are
not open source. Nothing here is distributed with Bloodcell: pip fetches it on the user's machine.
"""


def pinned(lock: Path) -> list[str]:
    """Return the names in a lock file, in its order."""
    return list(
        dict.fromkeys(re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
    )


def licence_of(package: Distribution) -> str:
    """Return the licence that a package states: its expression, its classifiers, or the first line of its text."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rsplit(" :: ", 1)[1]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: ") and line.count(" :: ") > 1
    ]
    stated = str(metadata.get("License") or "").strip().splitlines()
    if stated and len(stated[0]) <= 80 and stated[0] not in {"UNKNOWN", "LICENSE.txt"}:
        return stated[0]
    if classifiers:
        return ", ".join(dict.fromkeys(classifiers))
    return ELSEWHERE.get(package.metadata["Name"].lower(), "")


def table(names: list[str]) -> tuple[list[str], list[str]]:
    """Return a row per installed package, and the packages that state no licence."""
    rows, silent = ["| package | version | licence |", "|---|---|---|"], []
    for name in names:
        try:
            package = distribution(name)
        except ModuleNotFoundError:
            rows.append(f"| {name} | - | not installed on Linux |")
            continue
        licence = licence_of(package)
        if not licence:
            silent.append(name)
        rows.append(f"| {name} | {package.version} | {licence} |")
    return rows, silent


def main() -> int:
    """Print the document; fail where a package states no licence."""
    parts, silent, seen = [_HEAD], [], set[str]()
    for purpose, lock in LOCKS.items():
        names = [name for name in pinned(REPOSITORY / lock) if name not in seen]
        seen.update(names)
        rows, unknown = table(names)
        silent += unknown
        parts.append(f"## For {purpose}\n\n" + "\n".join(rows) + "\n")
    print("\n".join(parts), end="")
    if silent:
        print(f"These state no licence; look inside and name it in ELSEWHERE: {', '.join(silent)}.", file=sys.stderr)
    return bool(silent)


if __name__ == "__main__":
    sys.exit(main())
