"""A quality's words, its order, and what becomes of a code from the future."""

from typing import get_args

import pytest

from lentera_model.readings import Quality, QualityWord


def test_every_quality_has_its_word():
    assert [quality.word for quality in Quality] == [name.lower() for name in Quality.__members__]
    assert tuple(quality.word for quality in Quality) == get_args(QualityWord)


def test_the_worse_the_higher():
    assert max(Quality.STALE, Quality.SUSPECT, Quality.GOOD) is Quality.STALE
    assert max(Quality.IMPLAUSIBLE, Quality.STALE) is Quality.IMPLAUSIBLE
    assert max(Quality) is Quality.DEVICE_FAULT


def test_a_code_that_a_newer_gateway_made_is_suspect():
    assert Quality(5) is Quality.SUSPECT
    assert Quality(255) is Quality.SUSPECT
    with pytest.raises(ValueError, match="-1"):
        Quality(-1)
