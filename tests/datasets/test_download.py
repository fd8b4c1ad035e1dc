import fcntl
import random
from pathlib import Path

import pytest

from bloodcell.datasets.download import Fetch, fetch_file
from bloodcell.errors import DownloadError
from tests.datasets.flaky_server import Behaviour, flaky_server

CONTENT = random.Random(0).randbytes(1_000_000)


def fetched(behaviour: Behaviour, target: Path, *, most_bytes: int = 10_000_000) -> bytes:
    with flaky_server(behaviour) as url:
        fetch_file(Fetch(url=url, most_bytes=most_bytes, timeout_seconds=5, first_pause_seconds=0.001), target)
    return target.read_bytes()


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    assert fetched(Behaviour(CONTENT), tmp_path / "file") == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {"file", "file.lock"}


def test_dropped_connections_are_taken_up_where_they_broke_off(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, drop_after=90_000)
    assert fetched(behaviour, tmp_path / "file") == CONTENT
    assert len(behaviour.requested_ranges) == 12
    assert behaviour.requested_ranges[:3] == [None, "bytes=90000-", "bytes=180000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, drop_after=400_000, drops_left=2, ignores_range=True)
    assert fetched(behaviour, tmp_path / "file") == CONTENT


def test_without_a_mark_of_the_version_no_part_is_asked_for(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, drop_after=400_000, drops_left=1, etag=None)
    assert fetched(behaviour, tmp_path / "file") == CONTENT
    assert behaviour.requested_ranges == [None, None]


def test_a_file_that_changed_in_between_is_not_glued_to_the_old_one(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, drop_after=300_000, statuses=[])

    def change(done: int, total: int | None) -> None:
        if done >= 300_000:
            behaviour.statuses = [404]

    with flaky_server(behaviour) as url:
        fetch = Fetch(url=url, most_bytes=10**7, first_pause_seconds=0.001)
        with pytest.raises(DownloadError, match="404"):
            fetch_file(fetch, tmp_path / "file", progress=change)
    assert (tmp_path / "file.part").stat().st_size == 300_000
    other = random.Random(1).randbytes(800_000)
    assert fetched(Behaviour(other, etag='"two"'), tmp_path / "file") == other


def test_a_later_call_goes_on_with_what_is_there(tmp_path: Path) -> None:
    first = Behaviour(CONTENT, drop_after=0)
    (tmp_path / "file.part").write_bytes(CONTENT[:700_000])
    (tmp_path / "file.part.json").write_text('{"version": "\\"one\\"", "total": 1000000}')
    with pytest.raises(DownloadError, match="6 times in a row"):
        fetched(first, tmp_path / "file")
    second = Behaviour(CONTENT)
    assert fetched(second, tmp_path / "file") == CONTENT
    assert second.requested_ranges == ["bytes=700000-"]


def test_a_part_of_another_place_than_asked_for_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="another part"):
        fetched(Behaviour(CONTENT, drop_after=100_000, wrong_part=True), tmp_path / "file")


def test_a_part_longer_than_the_file_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    (tmp_path / "file.part.json").write_text('{"version": "\\"one\\""}')
    assert fetched(Behaviour(CONTENT), tmp_path / "file") == CONTENT


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    assert fetched(Behaviour(CONTENT, statuses=[500, 503, 429]), tmp_path / "file") == CONTENT


def test_a_server_that_never_recovers_is_given_up(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, statuses=[500] * 100)
    with pytest.raises(DownloadError, match="answers 500"):
        fetched(behaviour, tmp_path / "file")
    assert len(behaviour.requested_ranges) == 6


def test_a_missing_file_is_not_asked_for_twice(tmp_path: Path) -> None:
    behaviour = Behaviour(CONTENT, statuses=[404] * 100)
    with pytest.raises(DownloadError, match=r"refuses .* 404"):
        fetched(behaviour, tmp_path / "file")
    assert len(behaviour.requested_ranges) == 1
    assert not (tmp_path / "file").exists()


def test_no_server_at_all_is_a_sentence(tmp_path: Path) -> None:
    fetch = Fetch(url="http://127.0.0.1:9/file", most_bytes=10, timeout_seconds=1, first_pause_seconds=0.001)
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch_file(fetch, tmp_path / "file")


@pytest.mark.parametrize("says_length", [True, False])
def test_more_than_was_expected_is_refused(tmp_path: Path, says_length: bool) -> None:
    with pytest.raises(DownloadError, match="not the file that was meant"):
        fetched(Behaviour(CONTENT, says_length=says_length), tmp_path / "file", most_bytes=500_000)
    assert not (tmp_path / "file").exists()


def test_two_downloads_of_one_file_do_not_write_over_each_other(tmp_path: Path) -> None:
    with (tmp_path / "file.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="already"):
            fetched(Behaviour(CONTENT), tmp_path / "file")


def test_progress_never_leaves_its_range_and_ends_at_the_size(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    with flaky_server(Behaviour(CONTENT, drop_after=300_000)) as url:
        fetch = Fetch(url=url, most_bytes=10**7, first_pause_seconds=0.001)
        fetch_file(fetch, tmp_path / "file", progress=lambda done, total: calls.append((done, total)))
    assert {total for _, total in calls} == {len(CONTENT)}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (len(CONTENT), len(CONTENT))
