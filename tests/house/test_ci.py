"""The checks that CI makes of the wheel and of a board see what they are there for."""

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.house import ROOT


def load(name: str) -> ModuleType:
    """Import a script of .ci by its path."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_wheel(folder: Path, names: set[str]) -> Path:
    """Write a wheel that holds empty files of these names."""
    wheel = folder / "lentera-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return wheel


LICENCE = "lentera-0.1.0.dist-info/licenses/LICENSE"


@pytest.mark.parametrize(
    ("added", "removed", "complaint"),
    [
        (set(), {"lentera_model/__init__.py"}, "lacks 1 files: lentera_model/__init__.py"),
        (set(), {LICENCE}, "no LICENSE"),
        ({"tests/house/house.py"}, set(), "does not belong there: tests/house/house.py"),
        ({"lentera_cloud/tests/test_app.py"}, set(), "does not belong there: lentera_cloud/tests/test_app.py"),
    ],
)
def test_a_wrong_wheel_is_refused(added: set[str], removed: set[str], complaint: str, tmp_path: Path) -> None:
    check_wheel = load("check_wheel")
    right = check_wheel.expected() | {LICENCE}
    with pytest.raises(check_wheel.WheelError, match=complaint):
        check_wheel.check_contents(make_wheel(tmp_path, (right | added) - removed))


def test_a_module_for_another_machine_is_refused(tmp_path: Path) -> None:
    check_board = load("check_board")
    with pytest.raises(check_board.BoardError, match="no compiled module"):
        check_board.check_machine(tmp_path)
    header = bytearray(64)
    header[18] = check_board.MACHINE_ARM64
    (tmp_path / "good.so").write_bytes(header)
    check_board.check_machine(tmp_path)
    header[18] = 62  # EM_X86_64
    (tmp_path / "wrong.so").write_bytes(header)
    with pytest.raises(check_board.BoardError, match=r"wrong\.so is not for aarch64"):
        check_board.check_machine(tmp_path)


def test_a_library_without_a_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_board = load("check_board")
    lock = tmp_path / "gateway.lock"
    # A hash that nothing has: the same refusal as for a library that comes as source alone.
    lock.write_text(f"pyserial==3.5 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(check_board, "LOCK", lock)
    with pytest.raises(check_board.BoardError, match="not everything comes as a wheel"):
        check_board.unpack("3.11", tmp_path / "board")


def test_too_much_for_a_board_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    check_board = load("check_board")
    monkeypatch.setattr(check_board, "unpack", lambda _python, _folder: None)
    monkeypatch.setattr(check_board, "check_machine", lambda _folder: None)
    monkeypatch.setattr(check_board, "measure", lambda _folder: {"numpy": ("2.0", 61_000_000)})
    assert check_board.main() == 1
    assert "61.0 MB is more than 60 MB" in capsys.readouterr().err
