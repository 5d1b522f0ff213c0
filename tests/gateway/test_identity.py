"""The key file: made once, for its user alone, and what is wrong with it is said."""

import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from lentera_gateway.link import KeyFileError, load_key, make_key, public_key_text


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
