"""A card of its own for each reader: an ext4 file system in a file, whose writes the kernel counts as a device's.

Needs root and a free loop device. The file lies in memory, so that no disk of this machine is in the figures' way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_SECTOR_BYTES: Final = 512
_SECTORS_WRITTEN: Final = 6
"""Field of /sys/block/DEVICE/stat (Linux, Documentation/block/stat.rst)."""
_IMAGE_BYTES: Final = 2 << 30
_SHARED_MEMORY = Path("/dev/shm")


def missing() -> str | None:
    """Why there can be no such card here, None when there can."""
    if os.geteuid() != 0:
        return "only root can mount a file system of its own: run this as root"
    if not Path("/dev/loop-control").exists():
        return "there is no loop device here: load the kernel's module `loop`"
    if not shutil.which("mkfs.ext4"):
        return "mkfs.ext4 is missing: apt-get install e2fsprogs"
    return None


def sectors_written(stat: str) -> int:
    """Return how many sectors a block device's `stat` says were written to it."""
    return int(stat.split()[_SECTORS_WRITTEN])


def files_bytes(folder: Path) -> int:
    """Return the length of all files below a folder; those that vanish meanwhile count as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


class Card:
    """A mounted, empty card. A context manager: it is unmounted and forgotten at the end.

    Attributes:
        folder: where it is mounted.
    """

    def __init__(self) -> None:
        """Describe it; nothing is made yet."""
        self._home = Path(tempfile.mkdtemp(prefix="lentera-card-", dir=_SHARED_MEMORY))
        self.folder = self._home / "card"
        self._device = ""

    def __enter__(self) -> Self:
        image = self._home / "image"
        with image.open("wb") as file:
            file.truncate(_IMAGE_BYTES)
        # Nothing may be initialised later on: it would count as written by whoever is measured.
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        self.folder.mkdir()
        self._device = _run("losetup", "--find", "--show", str(image)).strip()
        _run("mount", "-o", "noatime", self._device, str(self.folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for command in (("umount", "--lazy", str(self.folder)), ("losetup", "--detach", self._device)):
            subprocess.run(command, check=False, capture_output=True)
        shutil.rmtree(self._home, ignore_errors=True)

    def written_bytes(self) -> int:
        """Bring what waits in the kernel's cache onto the card, and return all that was written to it, as a device."""
        _run("sync", "--file-system", str(self.folder))
        stat = Path("/sys/block") / Path(self._device).name / "stat"
        return _SECTOR_BYTES * sectors_written(stat.read_text())


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{command[0]} says {done.returncode}: {done.stderr.strip()}")
    return done.stdout
