"""The engine that is Ray: order, errors, workers that die, and who can reach it."""

import os
import signal
import time
from functools import partial

import pytest

from recprune.errors import DataError, ExtensionError
from recprune.scale.engines.ray import SILENT, Ray, answers, imported


def test_results_come_in_the_order_of_the_numbers(ray):
    assert list(ray.map(partial(pow, 3), range(7))) == [3**n for n in range(7)]


def folder(number):
    return os.getcwd()


def test_a_part_is_worked_on_in_the_folder_that_is_the_current_one_here(ray, tmp_path, monkeypatch):
    for place in (tmp_path / "a", tmp_path / "b"):
        place.mkdir()
        monkeypatch.chdir(place)
        assert list(ray.map(folder, range(2))) == [str(place)] * 2


class Unreadable:
    """Nothing that can be unpickled elsewhere."""

    def __reduce__(self):
        return getattr, (os, "no such thing")

    def __call__(self, number):
        return number


def test_a_task_that_a_worker_cannot_read_is_told(ray):
    with pytest.raises(DataError, match="cannot read its task"):
        list(ray.map(Unreadable(), range(1)))


def refuse(number):
    raise DataError(f"part {number} is broken", path="p")


def test_what_a_part_raises_is_raised_here_as_it_was(ray):
    with pytest.raises(DataError, match="part 0 is broken") as caught:
        list(ray.map(refuse, range(2)))
    assert caught.value.path == "p"


def die_once(folder, number):
    """Kills its own worker the first time that it is asked for a number."""
    mark = folder / str(number)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10


def test_a_part_whose_worker_dies_is_made_again(ray, tmp_path):
    assert list(ray.map(partial(die_once, tmp_path), range(2))) == [0, 10]
    assert len(list(tmp_path.iterdir())) == 2


def always_die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_part_that_kills_every_worker_ends_with_a_clear_error(ray):
    with Ray(2, retries=0) as engine, pytest.raises(DataError, match="goes on from there"):
        list(engine.map(always_die, range(1)))
    assert list(ray.map(abs, range(2))) == [0, 1]


def test_ray_listens_on_loopback_alone_and_asks_for_a_token(ray):
    psutil = pytest.importorskip("psutil")
    mine = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in mine.children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert all(ip.removeprefix("::ffff:").startswith("127.") for ip in listening)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert not ray._ray._private.worker.get_dashboard_url()


def test_fewer_workers_than_one_are_refused():
    with pytest.raises(DataError, match="1 or more"):
        Ray(0)


def test_without_ray_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ExtensionError, match=r"recprune\[ray\]"):
        imported()


def test_a_cluster_that_is_not_there_is_told():
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1, does not answer"):
        answers("127.0.0.1:1")
    assert time.monotonic() - begun >= SILENT
