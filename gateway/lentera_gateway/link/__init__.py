"""The link: the gateway's one way out, a websocket that proves itself by a key and carries everything."""

from lentera_gateway.link.client import LinkClient, LinkTiming
from lentera_gateway.link.key import KeyFileError, load_key, make_key, public_key_text

__all__ = ["KeyFileError", "LinkClient", "LinkTiming", "load_key", "make_key", "public_key_text"]
