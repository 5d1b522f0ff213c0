"""Finding and loading profiles: those that come with Lentera by their id, others by their file name."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Final

from lentera_drivers.profiles.errors import ConfigFileError, Problem, ProfileError
from lentera_drivers.profiles.lamp import LampProfile
from lentera_drivers.profiles.located import LocatedYaml, load_located_yaml
from lentera_drivers.profiles.meter import MeterProfile
from lentera_drivers.profiles.sensor import SensorProfile
from lentera_drivers.profiles.validation import validate_located

_FOLDER: Final = Path(__file__).parent
_SUFFIXES: Final = (".yaml", ".yml")

Profile = MeterProfile | LampProfile | SensorProfile


def list_profiles() -> list[str]:
    """Return the ids of the profiles that come with Lentera, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_profile(id_or_path: str | Path) -> Profile:
    """Load a profile by its id, or from a file when a path or a name that ends in .yaml or .yml is given.

    Raises:
        ProfileError: no such profile or file, or it describes something impossible; every problem with file and line.
    """
    if isinstance(id_or_path, Path) or "/" in id_or_path or id_or_path.endswith(_SUFFIXES):
        return _load_file(Path(id_or_path))
    return _load_packaged(id_or_path)


@lru_cache(maxsize=256)
def _load_packaged(profile_id: str) -> Profile:
    known = list_profiles()
    if profile_id not in known:
        close = difflib.get_close_matches(profile_id, known, n=1)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else "`lentera profile list` shows them all; or give the path of a .yaml file"
        )
        raise ProfileError([Problem(profile_id, 0, "", "there is no profile of this name", hint)])
    return _load_file(_FOLDER / f"{profile_id}.yaml")


def _load_file(path: Path) -> Profile:
    try:
        located = load_located_yaml(path)
    except ConfigFileError as error:
        raise ProfileError(error.problems) from error
    kind = _kind(located)
    if kind == "meter":
        return validate_located(MeterProfile, located, ProfileError)
    return validate_located(LampProfile if kind == "lamp" else SensorProfile, located, ProfileError)


def _kind(located: LocatedYaml) -> str:
    kind = located.data.get("kind") if isinstance(located.data, dict) else None
    if kind not in ("meter", "lamp", "sensor"):
        what = "is missing" if kind is None else f"{kind!r} is not a kind of profile"
        raise ProfileError(
            [Problem(located.file, located.line_of(("kind",)), "kind", what, "write meter, lamp or sensor")]
        )
    return kind
