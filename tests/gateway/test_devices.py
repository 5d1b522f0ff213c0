"""What the gateway knows of each device: told when it comes, goes, or says something else of itself."""

from lentera_gateway.acquire import DeviceBook


def test_a_change_is_told_once_and_a_repetition_never():
    book, told = DeviceBook(["m1", "m2"]), []
    book.on_change = lambda device: told.append((device, book.states[device].online, book.states[device].reason))
    for online, reason in (
        (True, "answers"),
        (True, "answers"),
        (True, "at fault"),
        (True, "answers"),
        (False, "gone"),
    ):
        book.status("m1", online, reason, 5)
    book.status("stranger", True, "answers", 6)
    assert told == [
        ("m1", True, "answers"),
        ("m1", True, "at fault"),
        ("m1", True, "answers"),
        ("m1", False, "gone"),
    ]
    assert (book.states["m1"].changed_ms, book.states["m2"].online) == (5, None)


def test_the_last_answer_is_remembered():
    book = DeviceBook(["m1"])
    book.answered("m1", 7)
    book.answered("stranger", 8)
    assert book.states["m1"].last_ok_ms == 7
