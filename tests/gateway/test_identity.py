"""The key file, and how long a gateway waits before it knocks again."""

import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from lentera_gateway.link import KeyFileError, load_key, make_key, public_key_text
from lentera_gateway.link.backoff import Backoff


def test_backoff_doubles_with_jitter_is_bounded_and_forgets_after_a_healthy_minute():
    backoff = Backoff(first_s=1, max_s=60)
    waits = []
    for _ in range(10):
        waits.append((backoff.wait_s(0.0), backoff.wait_s(1.0)))
        backoff = backoff.failed()
    assert waits[:3] == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
    assert waits[-1] == (30.0, 60.0)
    assert backoff.failed(lasted_s=59).failures == 11
    assert backoff.failed(lasted_s=60).failures == 0
    assert [backoff.wait_s(chance, at_least_s=300) for chance in (0.0, 0.5, 1.0)] == [300, 375, 450]
    assert Backoff(failures=10_000).wait_s(1.0) == 60.0


def test_a_key_is_made_once_for_its_user_alone(tmp_path):
    path = tmp_path / "deep" / "key.pem"
    text = make_key(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert public_key_text(load_key(path)) == text
    assert len(text) == 43
    with pytest.raises(KeyFileError, match="exists already"):
        make_key(path)


def test_what_is_wrong_with_a_key_file_is_said(tmp_path):
    path = tmp_path / "key.pem"
    with pytest.raises(KeyFileError, match="lentera gateway key"):
        load_key(path)
    make_key(path)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(path)
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="not a PEM private key"):
        load_key(path)
    other = generate_private_key(65537, 2048)
    path.write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(KeyFileError, match="Ed25519"):
        load_key(path)
    with pytest.raises(KeyFileError, match="cannot be made"):
        make_key(tmp_path / "key.pem" / "below-a-file")
