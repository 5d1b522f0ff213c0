"""YAML with line numbers: the core schema of YAML 1.2, duplicates refused, sizes bounded."""

import pytest

from lentera_drivers.profiles import ConfigFileError, load_located_yaml, parse_located_yaml
from lentera_drivers.profiles.located import MAX_BYTES


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigFileError) as raised:
        parse_located_yaml(text, "gateway.yaml")
    return str(raised.value).splitlines()


def test_every_path_has_its_line():
    located = parse_located_yaml("a: 1\nb:\n  - c: 2\n    d: 3\n  - {c: 4,\n     d: 5}\n", "x.yaml")
    assert located.data == {"a": 1, "b": [{"c": 2, "d": 3}, {"c": 4, "d": 5}]}
    lines = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 0, "d"): 4, ("b", 1): 5, ("b", 1, "d"): 6, ("b", 1, "no"): 5}
    assert {path: located.line_of(path) for path in lines} == lines
    assert located.line_of(("nothing",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("N", "N"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("12", 12),
        ("-12", -12),
        ("012", 12),
        ("0o14", 12),
        ("0xFF", 255),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("|\n  text", "text\n"),
    ],
)
def test_scalars_follow_the_core_schema(text, value):
    read = parse_located_yaml(f"key: {text}\n", "x.yaml").data["key"]
    assert (type(read), read) == (type(value), value)


def test_nan_is_read():
    read = parse_located_yaml("key: .nan\n", "x.yaml").data["key"]
    assert read != read


def test_keys_are_always_text():
    assert parse_located_yaml("on: 1\n2: 2\n", "x.yaml").data == {"on": 1, "2": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "gateway.yaml:3: a: the key is used twice, first on line 1; remove one of the two"),
        (
            "x:\n- a: 1\n  a: 2\n",
            "gateway.yaml:3: x[0].a: the key is used twice, first on line 2; remove one of the two",
        ),
        ("", "gateway.yaml:1: is empty; write at least one key"),
        ("a: !!python/object:os.system x\n", "gateway.yaml:1: a: the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !mine {b: 1}\n", "gateway.yaml:1: a: the tag !mine is not supported; remove the tag"),
        ("? [1, 2]\n: 3\n", "gateway.yaml:1: a key must be text"),
        ("a: 1\n b: 2\n", "gateway.yaml:2: is no valid YAML"),
        ("a: [1, 2\n", "gateway.yaml:2: is no valid YAML"),
        ("a: 1\n---\nb: 2\n", "gateway.yaml:2: is no valid YAML"),
        ("a: 1\nb: \x07\n", "gateway.yaml:2: is no valid YAML"),
        ("a: *nothing\n", "gateway.yaml:1: is no valid YAML"),
    ],
)
def test_what_is_refused_is_named(text, message):
    assert problems(text)[0].startswith(message)


def test_every_duplicate_is_listed():
    assert len(problems("a: 1\na: 2\nb: 1\nb: 2\n")) == 2


def test_aliases_cost_what_they_expand_to():
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        laughs += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert "has more than" in problems(laughs)[0]
    assert "has more than" in problems("a: &a [*a]\n")[0]


@pytest.mark.parametrize("depth", [40, 20_000])
def test_depth_is_bounded(depth):
    assert "levels" in problems("[" * depth + "]" * depth)[0]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigFileError, match="cannot be read: No such file"):
        load_located_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigFileError, match="cannot be read: Is a directory"):
        load_located_yaml(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nname: caf\xe9\n")
    with pytest.raises(ConfigFileError, match=r"latin.yaml:2: byte 0xe9 is no UTF-8"):
        load_located_yaml(latin)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"# " + b"x" * MAX_BYTES)
    with pytest.raises(ConfigFileError, match="larger than"):
        load_located_yaml(large)


def test_a_byte_order_mark_is_no_matter(tmp_path):
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_located_yaml(file).data == {"a": 1}
