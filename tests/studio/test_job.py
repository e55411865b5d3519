import threading

import pytest
import torch
from torch import nn

from recprune.errors import BudgetError
from recprune.studio.job import Line
from recprune.studio.refusals import Refused


def test_a_job_tells_its_stages_and_what_it_found():
    line = Line()

    def work(job):
        with job.stage("first"):
            pass
        with job.stage("second") as say:
            say("half")
        return {"found": 1}

    job = line.start("score", 3, work)
    line.wait()
    told = job.told()
    assert (told["state"], told["result"], told["stage"], told["words"]) == ("done", {"found": 1}, "second", "half")
    assert (told["done"], told["of"]) == (2, 2), "a job that is over is whole, whatever was expected of it"


def test_one_job_at_a_time_and_the_next_one_has_another_number():
    line, free = Line(), threading.Event()
    first = line.start("score", 1, lambda job: free.wait(60))
    with pytest.raises(Refused) as refused:
        line.start("measure", 1, lambda job: None)
    assert (refused.value.code, refused.value.status) == ("busy", 409)
    free.set()
    line.wait()
    second = line.start("measure", 1, lambda job: None)
    line.wait()
    assert second.number == first.number + 1


def test_a_job_stops_at_its_next_forward_pass_and_leaves_nothing_behind():
    line, begun, model = Line(), threading.Event(), nn.Linear(1, 1)

    def work(job):
        with job.watched():
            while True:
                model(torch.zeros(1, 1))
                begun.set()

    job = line.start("measure", 1, work)
    assert begun.wait(60)
    line.stop()
    line.wait(60)
    assert job.told()["state"] == "stopped"
    assert not job.told()["error"]
    assert not nn.modules.module._has_any_global_hook()
    with pytest.raises(Refused, match="idle"):
        line.stop()


def test_who_tries_whether_a_model_runs_does_not_take_a_stop_for_an_answer():
    line, begun, said = Line(), threading.Event(), []

    def work(job):
        begun.set()
        job._stop.wait(60)
        with job.watched():
            try:
                nn.Linear(1, 1)(torch.zeros(1, 1))
            except Exception:
                said.append("it does not run")

    line.start("find", 1, work)
    assert begun.wait(60)
    line.stop()
    line.wait(60)
    assert (line.last.told()["state"], said) == ("stopped", [])


def test_a_forward_pass_of_another_thread_goes_on():
    line, inside, over, model = Line(), threading.Event(), threading.Event(), nn.Linear(1, 1)

    def work(job):
        with job.watched():
            job.stop()
            inside.set()
            over.wait(60)
            job.check()

    job = line.start("measure", 1, work)
    assert inside.wait(60)
    model(torch.zeros(1, 1))
    over.set()
    line.wait()
    assert job.told()["state"] == "stopped"


def test_a_job_that_was_told_to_stop_says_so_until_it_has():
    line, seen, over = Line(), threading.Event(), threading.Event()

    def work(job):
        with job.stage("long") as say:
            seen.set()
            over.wait(60)
            say("further")

    job = line.start("measure", 1, work)
    assert seen.wait(60)
    line.stop()
    assert job.told()["state"] == "stopping"
    over.set()
    line.wait()
    assert job.told()["state"] == "stopped"


def test_what_a_budget_says_is_told_and_what_went_wrong_inside_is_not(caplog):
    line = Line()

    def refused(job):
        raise BudgetError("at least 7 bytes stay")

    def broken(job):
        raise KeyError("a secret")

    line.start("score", 1, refused)
    line.wait()
    assert (line.last.state, line.last.error) == ("failed", "at least 7 bytes stay")
    line.start("score", 1, broken)
    line.wait()
    assert "KeyError" in line.last.error
    assert "secret" not in line.last.error
    assert "test_job.py" in caplog.text, "the terminal says where"
