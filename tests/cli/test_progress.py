import io
import re

import pytest
from rich.console import Console

from recprune.cli import _progress
from recprune.cli._progress import stage
from recprune.recipe.stages import epochs
from recprune.training.fit import Epoch


@pytest.fixture
def terminal(monkeypatch):
    """What is shown on a terminal of our own, by a clock that moves one second a call of `tick`."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock, said = Clock(), io.StringIO()

    def console(**_):
        return Console(file=said, force_terminal=True, width=120, highlight=False, color_system=None)

    monkeypatch.setattr(_progress, "Console", console)
    monkeypatch.setattr(_progress, "time", clock)
    return clock, said


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_stage_that_counts_shows_a_bar_and_the_time_that_is_left(terminal):
    clock, said = terminal
    with stage("train mf") as say:
        for number in range(1, 6):
            clock.now += 2.0
            say(f"epoch {number}, loss 0.5000, {number}/10")
        shown = plain(said.getvalue()).splitlines()[-1]
    assert "train mf … epoch 5, loss 0.5000, 5/10" in shown
    assert "━" in shown
    assert "0:00:10" in shown


def test_words_that_count_something_else_begin_again(terminal):
    clock, said = terminal
    with stage("score") as say:
        for words in ("a.neuron, 8/8", "1,000 of 4,000 users", "2,000 of 4,000 users"):
            clock.now += 1.0
            say(words)
        shown = plain(said.getvalue()).splitlines()[-1]
    assert "2,000 of 4,000 users" in shown
    assert "0:00:02" in shown


def test_when_it_is_done_one_line_stays_with_its_time_and_its_last_words(terminal):
    clock, said = terminal
    with stage("fine-tune") as say:
        clock.now += 3.0
        say("[/odd] 1/2")
    assert plain(said.getvalue()).rstrip().endswith("✓ fine-tune                             3.0 s  [/odd] 1/2")


def test_where_nobody_looks_there_is_one_line_a_stage_and_no_code_of_a_terminal(capsys):
    with stage("train mf") as say:
        say("epoch 1, 1/2")
        say("epoch 2, 2/2")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert said.startswith("✓ train mf")


def test_epochs_tell_how_many_there_are_at_most():
    said = []
    epochs(said.append, 12)(Epoch(number=3, loss=0.25, value=0.5, seconds=1.0))
    epochs(said.append)(Epoch(number=3, loss=0.25, value=None, seconds=1.0))
    assert said == ["epoch 3, loss 0.2500, validation 0.5000, 3/12", "epoch 3, loss 0.2500"]
