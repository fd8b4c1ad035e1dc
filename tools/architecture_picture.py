"""Draw the rooms of the core as the code has them: rows by the order of imports, sizes by lines, lines by imports.

A line stands for imports that no longer way through other rooms stands for already. `docs/architecture.svg` is drawn by
it; draw it anew after rooms moved.

Run: python -m tools.architecture_picture [OUT.svg]
"""

import argparse
import ast
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

from bloodcell.paths import write_atomically

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH_PX, ROW_PX, BOX_PX, GAP_PX, MARGIN_PX = 600, 92, 44, 14, 20
FOUNDATION = "config, errors, paths …"
"""The modules that lie beside the rooms stand in one box."""
_FILL, _INK, _LINE = "#e8f0ee", "#17323a", "#7d979c"


def room_of(module: Sequence[str]) -> str:
    """Return the room of a module by the parts of its name."""
    if module[0] == "webui":
        return "webui"
    if module[1] == "command_line":
        return "commands"
    return module[1] if (REPOSITORY / "bloodcell" / module[1]).is_dir() else FOUNDATION


def imports_of(path: Path) -> set[tuple[str, ...]]:
    """Return the modules of ours that a file imports, as parts of their names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {tuple(name.split(".")) for name in names}
        elif isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
    return {name for name in found if name[0] in ("bloodcell", "webui") and _is_module(name)}


def _is_module(name: Sequence[str]) -> bool:
    place = REPOSITORY.joinpath(*name)
    return len(name) > 1 and (place.with_suffix(".py").is_file() or place.is_dir())


def rooms() -> tuple[dict[str, int], dict[str, set[str]]]:
    """Return the lines of code of every room, and which rooms it imports."""
    lines: dict[str, int] = {}
    imported: dict[str, set[str]] = {}
    for top in ("bloodcell", "webui"):
        for path in sorted((REPOSITORY / top).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            if parts[-1] in ("__init__", "__main__"):
                continue
            room = room_of(parts)
            lines[room] = lines.get(room, 0) + len(path.read_text().splitlines())
            imported.setdefault(room, set()).update({room_of(name) for name in imports_of(path)} - {room})
    return lines, imported


def rows_of(imported: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the rooms in rows, from the top: each stands directly above the highest that it imports."""
    height: dict[str, int] = {}
    for room in TopologicalSorter(imported).static_order():
        height[room] = 1 + max((height[other] for other in imported.get(room, ())), default=-1)
    rows: list[list[str]] = [[] for _ in range(max(height.values()) + 1)]
    for room, place in sorted(height.items()):
        rows[place].append(room)
    return rows[::-1]


def shortest_ways(imported: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """Return the imports between rooms that do not follow from others: from, to."""
    reached: dict[str, set[str]] = {}
    for room in TopologicalSorter(imported).static_order():
        direct = imported.get(room, set())
        reached[room] = direct.union(*(reached[other] for other in direct))
    return {
        (room, other)
        for room, direct in imported.items()
        for other in direct
        if not any(other in reached[between] for between in direct - {other})
    }


def drawn(lines: Mapping[str, int], imported: Mapping[str, set[str]]) -> str:
    """Return the picture as SVG."""
    rows = rows_of(imported)
    boxes: dict[str, tuple[float, float, float]] = {}
    for number, row in enumerate(rows):
        widths = [max(118.0, 30 + lines[room] / 16, 8.2 * len(room) + 20) for room in row]
        left = (WIDTH_PX - sum(widths) - GAP_PX * (len(row) - 1)) / 2
        for room, width in zip(row, widths, strict=True):
            boxes[room] = (left, MARGIN_PX + number * ROW_PX, width)
            left += width + GAP_PX
    parts = []
    for room, other in sorted(shortest_ways(imported)):
        (x, y, width), (to_x, to_y, to_width) = boxes[room], boxes[other]
        start, end = x + width / 2, to_x + to_width / 2
        bend = (to_y - y - BOX_PX) / 2
        parts.append(
            f'<path d="M{start:.0f} {y + BOX_PX:.0f}C{start:.0f} {y + BOX_PX + bend:.0f} {end:.0f} {to_y - bend:.0f} '
            f'{end:.0f} {to_y:.0f}" fill="none" stroke="{_LINE}" stroke-width="1.2"/>'
        )
    for room, (x, y, width) in boxes.items():
        middle = x + width / 2
        parts.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_PX}" rx="7" fill="{_FILL}" '
            f'stroke="{_LINE}"/><text x="{middle:.0f}" y="{y + 19:.0f}" font-weight="600">{escape(room)}</text>'
            f'<text x="{middle:.0f}" y="{y + 35:.0f}" font-size="11">{lines[room]:,} lines</text>'
        )
    height = 2 * MARGIN_PX + ROW_PX * (len(rows) - 1) + BOX_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" font-family="sans-serif" '
        f'font-size="13" text-anchor="middle" fill="{_INK}"><title>Rooms of the code and what they import</title>'
        f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "out", type=Path, nargs="?", default=REPOSITORY / "docs" / "architecture.svg", metavar="OUT.svg"
    )
    options = parser.parse_args()
    write_atomically(options.out, drawn(*rooms()).encode())


if __name__ == "__main__":
    main()
