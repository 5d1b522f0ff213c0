"""What one unit has said so far about its registers. Pure data, no wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers that one question asks for."""

    function_code: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """Address after the last register."""
        return self.address + self.count

    def __str__(self) -> str:
        """For people: function 4, registers 0..5."""
        return f"function {self.function_code}, registers {self.address}..{self.end - 1}"


@dataclass(slots=True)
class Image:
    """Answers of one unit.

    Attributes:
        words: function code -> address -> register.
        taken: (function code, address) -> number of the answer that carried it; what came in one answer is of one
            instant.
        answers: what each question brought: some registers mean another thing when they are read alone.
        refused: questions that were refused, with the exception's number.
        asked: questions that were put, whatever came of them.
    """

    words: dict[int, dict[int, int]] = field(default_factory=dict[int, dict[int, int]])
    taken: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    answers: dict[Span, tuple[int, ...]] = field(default_factory=dict["Span", tuple[int, ...]])
    refused: dict[Span, int] = field(default_factory=dict[Span, int])
    asked: set[Span] = field(default_factory=set[Span])

    def answer(self, span: Span, words: Sequence[int]) -> None:
        """Note the registers of an answer."""
        number = len(self.asked)
        self.asked.add(span)
        self.answers[span] = tuple(words)
        known = self.words.setdefault(span.function_code, {})
        for place, word in enumerate(words):
            known[span.address + place] = word
            self.taken[span.function_code, span.address + place] = number

    def refuse(self, span: Span, exception_code: int) -> None:
        """Note an exception."""
        self.asked.add(span)
        self.refused[span] = exception_code

    def fail(self, span: Span) -> None:
        """Note that a question had no usable answer; it is not put again."""
        self.asked.add(span)

    def covers(self, span: Span) -> bool:
        """Whether every register of the span is known."""
        known = self.words.get(span.function_code, {})
        return all(at in known for at in range(span.address, span.end))

    def knows_no_function(self, function_code: int) -> bool:
        """Whether the unit has said that it does not know a function code."""
        return any(
            code == ILLEGAL_FUNCTION and span.function_code == function_code for span, code in self.refused.items()
        )
