"""The parts of the front door without I/O: spans, plots, words, the session file, the choice of levels, percentiles."""

import os
import string
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lentera.demo.dimmer import choose_levels, percentile
from lentera.errors import BadTimeSpanError, NoCloudError, StaleSessionError, UnsafeSessionError
from lentera.language import CATALOGUE, Words, pick_language
from lentera.plot import plot, resample, sparkline
from lentera.session import Session, find_session, read_session, remove_session, session_path, write_session
from lentera.spans import age_text, span_seconds
from lentera_model.commands import ConfirmedBy, ExecutionState, Reason


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("15m", 900), ("1h", 3600), ("2d", 172800), ("1.5H", 5400)])
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert span_seconds(text, "--last") == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1w", "1h30m"])
def test_a_bad_span_names_the_option_and_the_remedy(text: str) -> None:
    with pytest.raises(BadTimeSpanError, match=r"--last: .* Give a number and a unit"):
        span_seconds(text, "--last")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-3, "0.0s"), (0.42, "0.4s"), (12.7, "12s"), (61, "1m"), (7200, "2h"), (200_000, "2d")],
)
def test_an_age_is_short(seconds: float | None, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "id_ID.UTF-8"}, "id"),
        ({"LANG": "id_ID.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "id_ID.UTF-8", "LENTERA_LANG": "en"}, "en"),
        ({"LENTERA_LANG": "ID"}, "id"),
        ({"LANG": "fr_FR"}, "en"),
    ],
)
def test_the_language_is_picked(environ: dict[str, str], language: str) -> None:
    assert pick_language(environ) == language


def test_both_languages_have_the_same_placeholders_everywhere() -> None:
    for key, texts in CATALOGUE.items():
        fields = [sorted(name for _, name, _, _ in string.Formatter().parse(text) if name) for text in texts]
        assert fields[0] == fields[1], key
        assert all(text.strip() for text in texts), key


def test_every_state_reason_and_proof_of_the_model_has_words() -> None:
    wanted = {f"state.{state.value}" for state in ExecutionState}
    wanted |= {f"reason.{reason.value}" for reason in Reason}
    wanted |= {f"confirmed.{proof.value}" for proof in ConfirmedBy}
    assert wanted <= set(CATALOGUE)


def test_words_fill_in_and_fall_back() -> None:
    assert Words("id")("age.ago", age="3m") == "3m lalu"
    assert Words("en").either("reason.from_tomorrow", "from_tomorrow") == "from_tomorrow"


def test_a_sparkline_shows_shape_and_gaps() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, None, 3], 3) == "▁·█"
    assert sparkline([None, None], 2) == "··"
    assert sparkline([5, 5], 2) == "▄▄"


def test_a_plot_has_its_scale_and_falls_where_the_values_fall() -> None:
    lines = plot([100.0, 100.0, 40.0, None], 10, 4, "%")
    assert lines[0] == "100.0 % ┤██"
    assert lines[-1] == " 40.0 % ┤██▁"
    assert plot([None], 10, 4, "%") == []


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=300), st.integers(1, 50))
def test_resampling_keeps_the_range_and_the_width(values: list[float | None], width: int) -> None:
    columns = resample(values, width)
    assert len(columns) == min(len(values), width)
    present = [value for value in values if value is not None]
    assert all(min(present) - 1e-6 <= value <= max(present) + 1e-6 for value in columns if value is not None)


def test_a_session_is_private_found_and_removed_by_its_demo_alone(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    path = session_path(environ)
    write_session(path, Session("http://127.0.0.1:1", "lnt_a_b", "langkat", os.getpid(), "/run"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_session(environ).token == "lnt_a_b"
    remove_session(path, pid=1)
    assert path.exists()
    remove_session(path, pid=os.getpid())
    assert read_session(path) is None


def test_a_session_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    write_session(path, Session("http://127.0.0.1:1", "t"))
    path.chmod(0o644)
    with pytest.raises(UnsafeSessionError, match="not yours alone"):
        read_session(path)


def test_a_session_of_a_demo_that_has_ended_says_so(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    write_session(path, Session("http://127.0.0.1:1", "t", pid=2**22 + 1))
    with pytest.raises(StaleSessionError, match="has ended"):
        read_session(path)
    path.write_text('{"nonsense": 1}')
    with pytest.raises(StaleSessionError, match="not a session file"):
        read_session(path)


def test_the_environment_goes_before_the_demo_and_must_be_whole(tmp_path: Path) -> None:
    environ = {"LENTERA_SESSION_FILE": str(tmp_path / "none.json")}
    with pytest.raises(NoCloudError, match="lentera demo"):
        find_session(environ)
    with pytest.raises(NoCloudError, match="LENTERA_TOKEN is not set"):
        find_session({**environ, "LENTERA_URL": "http://x"})
    whole = {**environ, "LENTERA_URL": "http://x/", "LENTERA_TOKEN": "t"}
    assert find_session(whole).url == "http://x"


def test_lamps_take_turns_and_always_get_a_step_that_can_be_measured() -> None:
    choose = choose_levels(["a", "b", "c"], seed=7)
    chosen = [choose() for _ in range(300)]
    assert [lamp for lamp, _ in chosen[:6]] == ["a", "b", "c", "a", "b", "c"]
    for lamp in "abc":
        levels = [100, *(level for name, level in chosen if name == lamp)]
        assert all(abs(before - after) >= 30 for before, after in pairwise(levels))
        assert len(set(levels)) > 10
    again = choose_levels(["a", "b", "c"], seed=7)
    assert [again() for _ in range(300)] == chosen


def test_percentiles_are_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([7.25], 99) == 7.2
    assert percentile([], 50) is None
