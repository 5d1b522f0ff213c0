"""A path that a command cannot use is told in one line, not by a traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lentera.cli.app import main
from lentera.file_trouble import file_trouble
from lentera.language import Words

PLACES = [("/proc/lentera-x", "/proc/lentera-x"), ("{tmp}/file/x", "/file/x")]


@pytest.mark.parametrize(("folder", "named"), PLACES)
@pytest.mark.parametrize("command", [("sim", "run"), ("sim", "line", "defaults")])
def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    command: tuple[str, ...], folder: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main([*command, "--dir", folder.format(tmp=tmp_path)])
    error = capsys.readouterr().err
    assert ended.value.code == 1
    assert named in error
    assert " path" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "english", "indonesian"),
    [
        (errno.ENOENT, "no such file or folder", "tidak ada"),
        (errno.EACCES, "may not use it", "tidak boleh"),
        (errno.EROFS, "another disk", "disk lain"),
        (errno.ENOSPC, "the disk is full", "disk penuh"),
        (errno.ENOTDIR, "another kind", "jenisnya"),
        (errno.ENAMETOOLONG, "what the system said", "Periksa jalurnya"),
    ],
)
def test_each_trouble_has_its_reason_in_both_languages(number: int, english: str, indonesian: str) -> None:
    error = OSError(number, "what the system said", "/media/card/x")
    for language, told in (("en", english), ("id", indonesian)):
        text = file_trouble(error, Words(language))
        assert text.startswith("/media/card/x: ")
        assert told in text
