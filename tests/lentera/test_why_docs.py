"""The pages for technicians and for the API name each verdict of `why` and each quality, and none that is not there."""

import re
from pathlib import Path

import pytest

from lentera.language import LANGUAGES, Words
from lentera_gateway.acquire.why import Verdict
from lentera_model.readings import Quality

DOCS = Path(__file__).resolve().parents[2] / "docs"
INDONESIAN, ENGLISH = (DOCS / "technician.md").read_text().split("\n## English\n")
WHYS = {"dead", "refused", "late", "deadband", "queued"}


def rows(text: str, heading: str) -> dict[str, tuple[str, str]]:
    """Return the table under a heading: first column's word -> what it means, what to do."""
    part = text.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    return {word: (means, do) for word, means, do in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", part, re.M)}


@pytest.mark.parametrize(
    ("text", "heading"), [(INDONESIAN, "Mengapa suatu nilai tidak ada"), (ENGLISH, "Why a value is not there")]
)
def test_the_technicians_page_says_what_each_verdict_means_and_what_to_do(text, heading):
    table = rows(text, heading)
    assert set(table) == set(Verdict)
    assert set(list(table)[:5]) == WHYS, "what a technician asks for most comes first"
    assert len({means for means, _ in table.values()}) == len(table)


@pytest.mark.parametrize(
    ("text", "heading"),
    [(INDONESIAN, "Seberapa jauh suatu nilai dapat dipercaya"), (ENGLISH, "How far a value may be trusted")],
)
def test_the_technicians_page_says_what_each_quality_means_and_what_to_do(text, heading):
    table = rows(text, heading)
    assert list(table) == [quality.word for quality in Quality]
    assert len({means for means, _ in table.values()}) == len(table)


def test_the_apis_page_names_every_quality_from_good_to_worst():
    sentence = (DOCS / "api.md").read_text().split("Every value has a quality")[1].split("\n\n")[0]
    words = [quality.word for quality in Quality]
    assert [word for word in re.findall(r"`(\w+)`", sentence) if word in words] == words


def test_the_command_names_every_verdict_in_both_languages():
    for language in LANGUAGES:
        listed = Words(language)("epilog.gateway.why").rsplit(" salah satu dari" if language == "id" else " one of")[-1]
        assert set(re.findall(r"[a-z_]+", listed)) == set(Verdict)


def test_every_quality_that_is_not_good_has_its_words():
    for language in LANGUAGES:
        said = [Words(language)(f"why.quality.{one.word}", doubt="X") for one in Quality if one is not Quality.GOOD]
        assert len(set(said)) == len(said)
        assert all("X" in text for text in said)
