"""Build the wheel and prove that it is the one to ship (`make wheel`); it is left in dist/.

It holds every module and profile of the rooms, the licence and nothing else; and for each extra alone it installs into
a fresh environment, from that extra's lock, where every module of the extra's rooms can be imported.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
BIN = Path(sys.executable).parent

ROOMS = {
    "lentera": ROOT,
    "lentera_model": ROOT / "model",
    "lentera_drivers": ROOT / "drivers",
    "lentera_gateway": ROOT / "gateway",
    "lentera_cloud": ROOT / "cloud",
    "lentera_sim": ROOT / "firmware-sim",
}

# Each extra and the packages that must import with it alone.
EXTRAS = {
    "gateway": ("lentera_model", "lentera_drivers", "lentera_gateway"),
    "cloud": ("lentera_model", "lentera_cloud"),
    "sim": ("lentera_model", "lentera_drivers.profiles", "lentera_sim"),
}

# Alembic runs these by path, inside a migration: they are no modules to import.
RUN_BY_ALEMBIC = ("migrations.env", "migrations.versions")

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
failed = 0
count = 0
for package in sys.argv[2].split(","):
    names = [package]
    names += [found.name for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")]
    for name in names:
        if name.endswith("__main__") or any(part in name for part in sys.argv[1].split(",")):
            continue
        count += 1
        try:
            importlib.import_module(name)
        except Exception as error:
            failed += 1
            print(f"  {name}: {type(error).__name__}: {error}", file=sys.stderr)
print(f"  {count} modules import")
sys.exit(1 if failed else 0)
"""


class WheelError(Exception):
    """The wheel is not the one to ship; the message says why."""


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a command, its output shown only when it fails; raises WheelError."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        raise WheelError(f"{' '.join(command[:6])} ...\n{result.stdout}{result.stderr}")


def build() -> Path:
    """Build the wheel into dist/ with the build backend of the environment and return its path."""
    for old in DIST.glob("lentera-*.whl"):
        old.unlink()
    run(str(BIN / "hatchling"), "build", "--target", "wheel", "--directory", str(DIST))
    (wheel,) = DIST.glob("lentera-*.whl")
    return wheel


def expected() -> set[str]:
    """Return what the wheel must hold of each room: its modules and its data, as paths within the wheel."""
    data = (".py", ".yaml", ".typed", ".mako", ".ini", ".sql")
    found: set[str] = set()
    for room, parent in ROOMS.items():
        files = (path for path in (parent / room).rglob("*") if path.suffix in data and "__pycache__" not in path.parts)
        found |= {path.relative_to(parent).as_posix() for path in files}
    return found


def check_contents(wheel: Path) -> None:
    """Raise WheelError when the wheel lacks something or holds what belongs elsewhere."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    if lacking := sorted(expected() - held):
        raise WheelError(f"the wheel lacks {len(lacking)} files: {', '.join(lacking[:10])}")
    if not any(name.startswith("lentera_drivers/profiles/") and name.endswith(".yaml") for name in held):
        raise WheelError("the wheel holds no device profile (lentera_drivers/profiles/*.yaml)")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in held):
        raise WheelError("the wheel holds no LICENSE")
    allowed = (*(f"{room}/" for room in ROOMS), wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info/")
    strangers = sorted(
        name for name in held if not name.startswith(allowed) or "/tests/" in name or "__pycache__" in name
    )
    if strangers:
        raise WheelError(f"the wheel holds what does not belong there: {', '.join(strangers[:10])}")
    print(f"{wheel.relative_to(ROOT)}: {len(held)} files, {wheel.stat().st_size / 1000:.0f} kB, what it should hold")


def check_extra(wheel: Path, extra: str, folder: Path) -> None:
    """Install the wheel for one extra alone and import that extra's modules; raises WheelError."""
    uv = str(BIN / "uv")
    python = folder / extra / "bin" / "python"
    run(uv, "venv", "--quiet", "--python", sys.executable, str(folder / extra))
    lock = str(ROOT / "requirements" / f"{extra}.lock")
    run(uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "--no-deps", "-r", lock)
    run(uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--no-index", str(wheel))
    run(uv, "pip", "check", "--quiet", "--python", str(python))
    print(f"{extra}: installed from its lock", flush=True)
    # -I and a folder elsewhere: nothing of this tree may answer for what the wheel lacks.
    packages = ",".join(EXTRAS[extra])
    command = [str(python), "-I", "-c", IMPORT_EVERYTHING, ",".join(RUN_BY_ALEMBIC), packages]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise WheelError(f"with the extra {extra!r} alone, not every module of {packages} can be imported (see above)")
    run(str(python.with_name("lentera")), "--help", cwd=folder)
    print("  lentera --help answers")


def main() -> int:
    """Build and check; the exit code is 1 when the wheel is not the one to ship."""
    try:
        wheel = build()
        check_contents(wheel)
        with tempfile.TemporaryDirectory(prefix="lentera-wheel-") as name:
            for extra in EXTRAS:
                check_extra(wheel, extra, Path(name))
    except WheelError as error:
        print(f"\nThis wheel is not the one to ship: {error}", file=sys.stderr)
        return 1
    print("The wheel installs for each extra alone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
