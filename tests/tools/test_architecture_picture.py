"""The picture of the rooms is drawn from the code."""

from tests.conftest import REPOSITORY
from tools.architecture_picture import drawn, rooms, rows_of, shortest_ways


def test_every_room_stands_above_what_it_imports() -> None:
    lines, imported = rooms()
    rows = rows_of(imported)
    place = {room: number for number, row in enumerate(rows) for room in row}
    assert place.keys() == lines.keys()
    assert all(place[room] < place[other] for room, others in imported.items() for other in others)


def test_a_line_that_follows_from_others_is_left_out() -> None:
    imported = {"top": {"middle", "ground"}, "middle": {"ground"}, "ground": set()}
    assert shortest_ways(imported) == {("top", "middle"), ("middle", "ground")}


def test_the_picture_names_every_room() -> None:
    lines, imported = rooms()
    picture = drawn(lines, imported)
    assert all(f">{room}</text>" in picture for room in lines)


def test_the_picture_in_the_handbook_has_the_rooms_and_lines_of_the_code() -> None:
    lines, imported = rooms()
    kept = (REPOSITORY / "docs" / "architecture.svg").read_text()
    assert all(f">{room}</text>" in kept for room in lines)
    assert kept.count("<path ") == len(shortest_ways(imported)), "draw it anew: python -m tools.architecture_picture"
