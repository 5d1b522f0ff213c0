"""Cut what one side of a websocket says into its parts: the HTTP head, then frame by frame, each with its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

HEAD = "head"
BODY = "body"
"""What follows a head that opens no websocket: a refusal's document."""
_CONTROL = {8: "close", 9: "ping", 10: "pong"}
_SWITCHES = b" 101 "


@dataclass(frozen=True, slots=True)
class Piece:
    """A head, or a frame: its bytes on the wire, what it is, and what it carries.

    `kind` is `head`, `body`, the websocket's own `ping`, `pong` and `close`, or the tag of the link's message
    (docs/formats/link.md): `b` a batch, `A` an acknowledgement.
    """

    raw: bytes
    kind: str
    payload: bytes = b""


class Cutter:
    """One direction of one connection."""

    def __init__(self) -> None:
        """Begin before the head."""
        self._buffer = bytearray()
        self._state = HEAD

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take bytes as they come; yield each part that is whole by now."""
        self._buffer += data
        if self._state == HEAD:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._take(end + 4)
            opens = head.startswith(b"GET ") or _SWITCHES in head.split(b"\r\n", 1)[0]
            self._state = "frames" if opens else BODY
            yield Piece(head, HEAD)
        if self._state == BODY:
            if self._buffer:
                yield Piece(self._take(len(self._buffer)), BODY)
            return
        while (sizes := self._sizes()) is not None and len(self._buffer) >= sum(sizes):
            raw = self._take(sum(sizes))
            yield _piece(raw, sizes[0])

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _sizes(self) -> tuple[int, int] | None:
        """Return the sizes of the next frame's header and payload, None while its header is not whole."""
        if len(self._buffer) < 2:
            return None
        masked, short = self._buffer[1] & 0x80, self._buffer[1] & 0x7F
        more = {126: 2, 127: 8}.get(short, 0)
        header = 2 + more + (4 if masked else 0)
        if len(self._buffer) < header:
            return None
        return header, int.from_bytes(self._buffer[2 : 2 + more]) if more else short


def _piece(raw: bytes, header: int) -> Piece:
    payload = raw[header:]
    if raw[1] & 0x80:
        mask = raw[header - 4 : header]
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    kind = _CONTROL.get(raw[0] & 0x0F) or payload[2:3].decode("latin-1")  # an array's head, a text's head, the tag
    return Piece(raw, kind, payload)
