"""The contracts of import-linter catch what they are there for.

A contract that checks nothing (a module renamed, a wildcard that matches none) would stay green for ever. So a copy of
the rooms is made, one forbidden import is planted for each arrow, and lint-imports must name each of them under the
contract that forbids it.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.house import ROOMS, ROOT

# contract id, the file that is planted, what it imports
PLANTS = [
    ("rooms", "model/lentera_model/plant_01.py", "import lentera_drivers.plant_02"),
    ("rooms", "drivers/lentera_drivers/plant_02.py", "import lentera_gateway.plant_03"),
    ("rooms", "gateway/lentera_gateway/plant_03.py", "import lentera_cloud.features.plant_04"),
    ("rooms", "cloud/lentera_cloud/features/plant_04.py", "import lentera_gateway"),
    ("rooms", "firmware-sim/lentera_sim/plant_05.py", "import lentera_gateway"),
    ("nobody-imports-lentera", "gateway/lentera_gateway/plant_06.py", "import lentera"),
    ("nobody-imports-lentera", "model/lentera_model/plant_07.py", "import lentera.plant_08"),
    ("cloud-without-drivers", "cloud/lentera_cloud/features/plant_09.py", "import lentera_drivers.profiles"),
    ("cloud-without-drivers", "cloud/lentera_cloud/features/plant_10.py", "import lentera_sim"),
    ("sim-imports-profiles-only", "firmware-sim/lentera_sim/plant_11.py", "import lentera_drivers.modbus"),
    ("sim-imports-profiles-only", "firmware-sim/lentera_sim/plant_12.py", "import lentera_drivers"),
    ("profiles-stand-alone", "drivers/lentera_drivers/profiles/plant_13.py", "import lentera_drivers.plant_02"),
    ("profiles-stand-alone", "drivers/lentera_drivers/profiles/plant_14.py", "import asyncio"),
    ("model-is-pure", "model/lentera_model/plant_15.py", "import asyncio"),
    ("model-is-pure", "model/lentera_model/plant_16.py", "from time import monotonic"),
    ("terminal-in-lentera-only", "gateway/lentera_gateway/plant_17.py", "def late() -> None:\n    import rich.table"),
    ("terminal-in-lentera-only", "firmware-sim/lentera_sim/plant_18.py", "import typer"),
    ("board-without-cloud-libraries", "gateway/lentera_gateway/plant_19.py", "import sqlalchemy"),
    ("board-without-cloud-libraries", "drivers/lentera_drivers/plant_20.py", "import fastapi"),
    ("cloud-without-board-libraries", "cloud/lentera_cloud/features/plant_21.py", "import pymodbus.client"),
    ("cloud-layers", "cloud/lentera_cloud/features/plant_22.py", "import lentera_cloud.adapters.plant_23"),
    ("cloud-layers", "cloud/lentera_cloud/adapters/plant_23.py", "import lentera_cloud.app"),
    ("cloud-layers", "cloud/lentera_cloud/domain/plant_24.py", "import lentera_cloud.ports"),
    ("cloud-layers", "cloud/lentera_cloud/plant_31.py", "import lentera_cloud.ports"),
    ("features-independent", "cloud/lentera_cloud/features/plant_25.py", "import lentera_cloud.features.plant_22"),
    ("domain-is-pure", "cloud/lentera_cloud/domain/plant_26.py", "import sqlalchemy.orm"),
    ("domain-is-pure", "cloud/lentera_cloud/domain/plant_27.py", "import asyncio"),
    ("ports-are-interfaces", "cloud/lentera_cloud/features/plant_28.py", "import influxdb_client"),
    ("no-cycles", "lentera/plant_29.py", "import lentera.plant_30"),
    ("no-cycles", "lentera/plant_30.py", "import lentera.plant_29"),
]


def contracts() -> dict[str, str]:
    """Return the name of each contract by its id."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def copy_rooms(target: Path) -> dict[str, Path]:
    """Copy the rooms and the settings; return the folder of each room in the copy."""
    shutil.copy(ROOT / "pyproject.toml", target)
    copies: dict[str, Path] = {}
    for room, folder in ROOMS.items():
        copies[room] = target / folder.relative_to(ROOT)
        shutil.copytree(folder, copies[room], ignore=lambda _, names: [name for name in names if name == "__pycache__"])
    return copies


def plant(target: Path) -> None:
    """Write the forbidden imports, and the empty modules that some of them need."""
    for _, path, code in PLANTS:
        (target / path).write_text(f'"""Planted by test_arrows.py."""\n\n{code}\n', encoding="utf-8")
    needed = ("lentera/plant_08.py", "cloud/lentera_cloud/app.py")
    for path in needed:
        (target / path).touch()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What lint-imports says about each broken contract in a copy with every plant, by the contract's name."""
    target = tmp_path_factory.mktemp("arrows")
    copies = copy_rooms(target)
    plant(target)
    # The copy comes before the rooms of this tree, which are on the path of the environment.
    search_path = os.pathsep.join(str(folder.parent) for folder in copies.values())
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [str(linter), "--no-logo", "--no-cache"],
        cwd=target,
        env={**os.environ, "PYTHONPATH": search_path, "COLUMNS": "500", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, f"lint-imports found nothing:\n{result.stdout}{result.stderr}"
    _, _, broken = result.stdout.partition("Broken contracts")
    sections = re.split(r"^(.+)\n-+\n", broken, flags=re.MULTILINE)[1:]
    return dict(zip(sections[0::2], sections[1::2], strict=True))


@pytest.mark.parametrize(("contract", "path", "code"), PLANTS, ids=[f"{p[0]}-{Path(p[1]).stem}" for p in PLANTS])
def test_a_planted_import_is_caught(contract: str, path: str, code: str, report: dict[str, str]) -> None:
    name = contracts()[contract]
    assert name in report, f"{name!r} stayed green with {code!r} in {path}; broken were: {list(report)}"
    assert Path(path).stem in report[name], f"{name!r} does not name {path} ({code!r}):\n{report[name]}"


def test_every_contract_has_a_plant() -> None:
    assert {contract for contract, _, _ in PLANTS} == set(contracts())
