"""What every command has in common, read from the application itself."""

import os
import subprocess
import sys

import pytest
import typer
from rich.console import Console
from rich.markup import render

from recprune.cli import HEADINGS, app
from recprune.cli._guard import Answer, _print
from recprune.cli._options import Common
from recprune.cli._show import table

COMMANDS = typer.main.get_command(app()).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_a_seed_and_says_what_it_does_and_what_each_option_is(name):
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {"--json", "--seed", "--traceback"} <= options
    assert COMMANDS[name].help
    assert all(parameter.help for parameter in COMMANDS[name].params)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_loses_words_that_look_like_markup(name):
    words = [COMMANDS[name].help, *(parameter.help for parameter in COMMANDS[name].params)]
    assert [render(text).plain for text in words] == words


def test_commands_stand_below_headings_with_the_whole_street_first(capsys):
    with pytest.raises(SystemExit):
        app()(["--help"])
    said = capsys.readouterr().out
    assert said.index(" demo ") < said.index(" run ") < said.index(" prepare ") < said.index(" compare ")
    assert all(heading in said for heading in HEADINGS.values())


def test_what_every_command_takes_stands_last_in_its_help():
    for command in COMMANDS.values():
        headings = [getattr(parameter, "rich_help_panel", None) for parameter in command.params]
        assert headings[-4:-1] == ["In every command"] * 3 or headings[-3:] == ["In every command"] * 3


def test_an_answer_for_programs_is_nothing_but_json(capsys):
    _print(Answer({"a": 1, "path": os.sep}, ("for people",)), Common(as_json=True))
    assert capsys.readouterr().out == '{\n  "a": 1,\n  "path": "/"\n}\n'


def test_what_looks_like_markup_is_shown_as_it_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = ("pip install 'recprune[serve]'", table(["way"], [["recprune[tune] [/odd]"]]))
    _print(Answer({}, shown), Common())
    said = capsys.readouterr().out
    assert "recprune[serve]" in said
    assert "recprune[tune] [/odd]" in said
    assert "\x1b" not in said


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(variables, coloured):
    import pty

    code = "from recprune.cli._progress import stage\nwith stage('train') as say: say('epoch 1, 1/2')"
    own, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    env |= {"TERM": "xterm-256color", **variables}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, env=env, check=True)
    os.close(theirs)
    said = os.read(own, 65536).decode()
    os.close(own)
    assert "train" in said
    assert ("\x1b[32m✓" in said) == coloured
    assert ("\x1b[38;" in said) == coloured


def test_a_pipe_gets_no_colours_and_no_bar():
    code = "from recprune.cli._progress import stage\nwith stage('train') as say: say('epoch 1, 1/2')"
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr
    assert "━" not in done.stderr
    assert done.stdout == ""


def test_tables_have_no_colour_where_a_console_has_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(force_terminal=True, width=60)
    with console.capture() as captured:
        console.print(table(["name", "units"], [["a", 3]]))
    assert "\x1b[3" not in captured.get()
