"""The engine that is Ray: order, errors, workers that die, and who can reach it."""

import os
import signal
from functools import partial

import pytest

from recprune.errors import DataError, ExtensionError
from recprune.scale.engines.ray import Ray, imported


def test_results_come_in_the_order_of_the_numbers(ray):
    assert list(ray.map(partial(pow, 3), range(7))) == [3**n for n in range(7)]


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
