"""`lentera gaps` and the line on known gaps that the cloud has not heard of, in both languages."""

from datetime import UTC, datetime

import pytest

from lentera.answers import Gap
from lentera.cli.gaps import row_of
from lentera.cli.journal import untold_gaps
from lentera.language import CATALOGUE, Words
from lentera.words_gaps import GAPS

AT = datetime(2026, 11, 29, 1, 2, 3, tzinfo=UTC)


def gap(**facts) -> Gap:
    return Gap(
        **({"gateway_id": "gw-1", "epoch": 1, "number": 1, "reason": "killed"} | facts), from_=AT, to=AT, told_from=AT
    )


def test_a_row_says_why_and_what_is_left():
    at = AT.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert row_of(gap(), Words("en")) == ["gw-1", at, at, "the program was killed or crashed", "nothing", "all"]
    thinned = gap(reason="journal_thinned", detail_s=900, devices=["a", "b", "c", "d", "e"])
    assert row_of(thinned, Words("id"))[3:] == ["jurnal penuh: dijarangkan", "satu per 900 dtk", "a, b, c +2"]
    assert row_of(gap(reason="a_newer_word"), Words("en"))[3] == "a_newer_word"


@pytest.mark.parametrize(
    "reason",
    [
        *("killed", "power_cut", "stopped", "journal_thinned", "journal_dropped"),
        *("damaged", "clock_unknown", "quota", "samples_dropped", "refused"),
    ],
)
def test_every_reason_has_words(reason):
    assert all(GAPS[f"gap.{reason}"])
    assert f"gap.{reason}" in CATALOGUE


def test_gaps_not_told_yet_have_a_line_and_none_has_none():
    assert untold_gaps(0, Words("en")) == {}
    assert untold_gaps(3, Words("en")) == {"Known gaps": "3 not told to the cloud yet"}
