"""Prove that a board can install the extra ``gateway``: wheels alone, for aarch64, small enough (`make check-board`).

For each Python a board may have, uv unpacks requirements/gateway.lock into a folder as a 64-bit Arm machine with glibc
2.28 would (no source is built, each file is checked by hash, the markers are the board's); then the files are measured.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "gateway.lock"
PLATFORM = "aarch64-manylinux_2_28"
PYTHONS = ("3.11", "3.13")
BUDGET_BYTES = 60_000_000
MEGABYTE = 1_000_000
MACHINE_ARM64 = 183
"""EM_AARCH64, the machine of an ELF file's header."""


class BoardError(Exception):
    """A board could not install the gateway, or it would not fit; the message says what is wrong."""


def unpack(python: str, folder: Path) -> None:
    """Install the lock into ``folder`` as a board with this Python would; raises BoardError where there is no wheel."""
    command = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--target", str(folder)),
        *("--python-platform", PLATFORM, "--python-version", python, "--only-binary", ":all:"),
        *("--no-deps", "--require-hashes", "--link-mode", "copy", "-r", str(LOCK)),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BoardError(f"CPython {python} on {PLATFORM}: not everything comes as a wheel.\n{result.stderr.strip()}")


def size_bytes(distribution: Distribution) -> int:
    """Return how much the files of one library take, unpacked."""
    files = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(folder: Path) -> dict[str, tuple[str, int]]:
    """Return version and size in bytes of each library in ``folder``."""
    found = distributions(path=[str(folder)])
    return {one.name: (one.version, size_bytes(one)) for one in found}


def check_machine(folder: Path) -> None:
    """Raise BoardError when a compiled module in ``folder`` is not for 64-bit Arm."""
    modules = list(folder.rglob("*.so"))
    for module in modules:
        machine = int.from_bytes(module.read_bytes()[18:20], "little")
        if machine != MACHINE_ARM64:
            raise BoardError(f"{module.relative_to(folder)} is not for aarch64 (ELF machine {machine})")
    if not modules:
        raise BoardError("no compiled module was unpacked at all: this check looks at the wrong files")


def report(python: str, sizes: Mapping[str, tuple[str, int]]) -> int:
    """Print the table of one Python and return the total in bytes."""
    total = sum(size for _, size in sizes.values())
    print(f"\nCPython {python}, {PLATFORM}")
    for name, (version, size) in sorted(sizes.items(), key=lambda item: -item[1][1]):
        print(f"  {name:<28} {version:<18} {size / MEGABYTE:8.2f} MB")
    print(f"  {f'{len(sizes)} libraries':<47} {total / MEGABYTE:8.2f} MB of {BUDGET_BYTES / MEGABYTE:.0f}")
    return total


def check(python: str) -> None:
    """Check one Python; raises BoardError."""
    with tempfile.TemporaryDirectory(prefix="lentera-board-") as name:
        folder = Path(name)
        unpack(python, folder)
        check_machine(folder)
        total = report(python, measure(folder))
    if total > BUDGET_BYTES:
        raise BoardError(f"CPython {python}: {total / MEGABYTE:.1f} MB is more than {BUDGET_BYTES / MEGABYTE:.0f} MB")


def main() -> int:
    """Check every Python and say how it went; the exit code is 1 when a board could not install it."""
    try:
        for python in PYTHONS:
            check(python)
    except BoardError as error:
        print(f"\nA board could not run this: {error}", file=sys.stderr)
        return 1
    print("\nA board can install all of it from wheels, within its size.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
