"""What comes of a mutated artifact, within bounds of memory and time."""

from __future__ import annotations

import resource
import signal
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import torch
from fuzzing.originals import Files, Original

from recprune.artifact import load
from recprune.errors import ArtifactError

__all__ = ["ROOM", "SECONDS", "Place", "judged", "limited", "opened", "written"]

ROOM = 64 << 20
"""Bytes of memory beside what is used."""
SECONDS = 5.0
"""CPU time of a case."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The folder in which the cases of an original stand, one after the other. standing: the files there are now."""

    original: Original
    folder: Path
    standing: Files = field(default_factory=dict)


class TooLong(BaseException):
    """More CPU time than any file may take."""


def written(place: Place, files: Files) -> None:
    """Bring the folder to another state; files that are the same stay."""
    for name in place.standing.keys() - files.keys():
        (place.folder / name).unlink()
    for name, data in files.items():
        if place.standing.get(name) is not data:
            (place.folder / name).write_bytes(data)
    place.standing.clear()
    place.standing.update(files)


def opened(place: Place, *, asked: bool) -> None:
    """Load what stands there; asked: and ask it something."""
    loaded = load(place.folder)
    if asked:
        with torch.no_grad():
            loaded.model(*place.original.example)


def judged(place: Place, *, asked: bool) -> str:
    """ "loaded", "refused", or what went wrong. asked: what is loaded is asked something, too."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        opened(place, asked=asked)
        return "loaded"
    except ArtifactError:
        return "refused"
    except TooLong:
        return f"more than {SECONDS} s of CPU"
    except BaseException as error:
        return f"{type(error).__name__}: {error} | {traceback.format_exc().splitlines()[-3].strip()}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def limited() -> None:
    """No more memory than is used now, and ROOM; what is to be read is small."""

    def too_long(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, too_long)
    used = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
