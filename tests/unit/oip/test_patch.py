"""JSON patches: the cases of RFC 6902's appendix and RFC 6901's pointers, in our own words, and what goes too far."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etdb.errors import FormatError
from etdb.oip import MAX_PATCHED_BYTES, PatchOperation, apply_patch, make_patch
from etdb.oip.patch import patch_document
from etdb.oip.strict_json import MAX_DEPTH


def op(op, path, value=None, source=""):
    return PatchOperation(op=op, path=path, value=value, source=source)


def nested(depth, inner=1):
    """A value below so many keys ``a``."""
    for _ in range(depth):
        inner = {"a": inner}
    return inner


DONE = {
    "A.1 a member is added": ({"foo": "bar"}, [op("add", "/baz", "qux")], {"baz": "qux", "foo": "bar"}),
    "A.2 an element is added": ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
    "A.3 a member is removed": ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
    "A.4 an element is removed": ({"foo": ["a", "b", "c"]}, [op("remove", "/foo/1")], {"foo": ["a", "c"]}),
    "A.5 a value is replaced": (
        {"baz": "qux", "foo": "bar"},
        [op("replace", "/baz", "boo")],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6 a value is moved": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [op("move", "/qux/thud", source="/foo/waldo")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 an element is moved": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [op("move", "/foo/3", source="/foo/1")],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 tests that hold": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [op("test", "/baz", "qux"), op("test", "/foo/1", 2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.10 an object within": (
        {"foo": "bar"},
        [op("add", "/child", {"grand": {}})],
        {"foo": "bar", "child": {"grand": {}}},
    ),
    "A.14 tildes": ({"/": 9, "~1": 10}, [op("test", "/~01", 10)], {"/": 9, "~1": 10}),
    "A.16 at the end": ({"foo": ["bar"]}, [op("add", "/foo/-", ["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    "6901: every kind of key": (
        {"a/b": 1, "m~n": 8, "": 0, " ": 7, "c%d": 2, 'k"l': 6},
        [
            op("test", path, value)
            for path, value in [("/a~1b", 1), ("/m~0n", 8), ("/", 0), ("/ ", 7), ("/c%d", 2), ('/k"l', 6)]
        ],
        {"a/b": 1, "m~n": 8, "": 0, " ": 7, "c%d": 2, 'k"l': 6},
    ),
    "the whole document": ({"foo": 1}, [op("replace", "", {"bar": 2})], {"bar": 2}),
    "add takes the place of a member": ({"foo": None}, [op("add", "/foo", 1)], {"foo": 1}),
    "one and one point nothing are equal": ({"a": 1}, [op("test", "/a", 1.0)], {"a": 1}),
    "a copy is a value of its own": (
        {"a": {"b": 1}},
        [op("copy", "/c", source="/a"), op("replace", "/c/b", 2)],
        {"a": {"b": 1}, "c": {"b": 2}},
    ),
    "moved to where it is": ({"a": 1}, [op("move", "/a", source="/a")], {"a": 1}),
    "moved to a name that begins alike": ({"a": 1}, [op("move", "/ab", source="/a")], {"ab": 1}),
    "half a letter, as a stranger may write it": ({}, [op("add", "/a", "\ud83d")], {"a": "\ud83d"}),
    "the whole document, added": ({"foo": 1}, [op("add", "", {"bar": 2})], {"bar": 2}),
    "a copy of the whole document": ({"a": 1}, [op("copy", "/b", source="")], {"a": 1, "b": {"a": 1}}),
    "tests of objects and lists that hold": (
        {"a": {"b": [1, {"c": None}]}, "d": [1, 2]},
        [op("test", "/a", {"b": [1.0, {"c": None}]}), op("test", "/d", [1, 2.0])],
        {"a": {"b": [1, {"c": None}]}, "d": [1, 2]},
    ),
    "as deep as a record may be": (nested(MAX_DEPTH), [op("replace", "/a" * MAX_DEPTH, 2)], nested(MAX_DEPTH, 2)),
}
REFUSED = {
    "A.9 a test that does not hold": ({"baz": "qux"}, [op("test", "/baz", "bar")]),
    "A.12 below what is not there": ({"foo": "bar"}, [op("add", "/baz/bat", "qux")]),
    "A.15 a number is no text": ({"/": 9, "~1": 10}, [op("test", "/~01", "10")]),
    "true is not one": ({"a": 1}, [op("test", "/a", True)]),
    "true is not one within an object": ({"a": {"b": 1}}, [op("test", "/a", {"b": True})]),
    "true is not one within a list": ({"a": [1]}, [op("test", "/a", [True])]),
    "another key": ({"a": {"b": 1}}, [op("test", "/a", {"c": 1})]),
    "a shorter list": ({"a": [1, 2]}, [op("test", "/a", [1])]),
    "replaced where nothing is": ({}, [op("replace", "/a", 1)]),
    "removed where nothing is": ({}, [op("remove", "/a")]),
    "the whole record removed": ({}, [op("remove", "")]),
    "beyond the end": ({"a": [1]}, [op("add", "/a/2", 1)]),
    "the element after the last": ({"a": [1]}, [op("replace", "/a/-", 1)]),
    "the element after the last, by its number": ({"a": [1]}, [op("replace", "/a/1", 1)]),
    "an index with a zero before it": ({"a": [1, 2]}, [op("replace", "/a/01", 1)]),
    "a negative index": ({"a": [1, 2]}, [op("replace", "/a/-1", 1)]),
    "into itself": ({"a": {"b": 1}}, [op("move", "/a/b/c", source="/a")]),
    "into itself, where the next element moves up": ({"a": [{"b": 1}, {}]}, [op("move", "/a/0/b", source="/a/0")]),
    "copied from nowhere": ({}, [op("copy", "/a", source="/b")]),
    "a tilde that means nothing": ({"~2": 1}, [op("remove", "/~2")]),
    "no pointer": ({"a": 1}, [PatchOperation(op="remove", path="a")]),
    "below a number": ({"a": 1}, [op("add", "/a/b", 1)]),
    "deeper than any record": ({}, [op("add", "/a", json.loads("[" * 40 + "]" * 40))]),
    "deeper step by step": (
        {"a": {}, "b": {"x": {}}},
        [op("move", "/b/x/y", source="/a"), op("move", "/a", source="/b"), op("add", "/b", {"x": {}})] * 40,
    ),
    "deeper than Python goes": ({}, [op("add", "/a", nested(20_000))]),
    "one key deeper": (nested(MAX_DEPTH), [op("replace", "/a" * MAX_DEPTH, {"a": 2})]),
    "a pointer without an end": ({}, [op("remove", "/a" * 40)]),
    "a pointer of one key more": (nested(MAX_DEPTH + 1), [op("remove", "/a" * (MAX_DEPTH + 1))]),
    "doubled until it fills the memory": (
        {"a": "x" * 1000},
        [op("add", "/b", {})] + [op("copy", f"/b/{number}", source="") for number in range(60)],
    ),
}


@pytest.mark.parametrize("name", DONE)
def test_what_a_patch_does(name):
    document, operations, expected = DONE[name]
    before = repr(document)
    assert apply_patch(document, operations) == expected
    assert repr(document) == before


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_patch_may_not(name):
    document, operations = REFUSED[name]
    before = repr(document)
    with pytest.raises(FormatError):
        apply_patch(document, operations)
    assert repr(document) == before


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f52c"])
def test_as_much_as_may_be_added_and_one_byte_more(letter):
    text = letter * ((MAX_PATCHED_BYTES - 2) // len(letter.encode()))
    assert apply_patch({}, [op("add", "/a", text)]) == {"a": text}
    with pytest.raises(FormatError, match="more than"):
        apply_patch({}, [op("add", "/a", text + "xxx")])


def test_what_is_added_counts_together():
    half = "x" * (MAX_PATCHED_BYTES // 2 - 2)
    apply_patch({}, [op("add", "/a", half), op("replace", "/a", half)])
    with pytest.raises(FormatError, match="more than"):
        apply_patch({}, [op("add", "/a", half), op("replace", "/a", half), op("add", "/b", 1)])


KEYS = ("", "a", "~", "/", "-", "0")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["", "a", "~", "/", "-", "0"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def strictly(value):
    """JSON's equality: true is not one, and it does not matter how a number is written."""
    if isinstance(value, dict):
        return {key: strictly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [strictly(one) for one in value]
    return (isinstance(value, bool), value)


@given(values, values)
def test_a_patch_that_is_made_makes_the_other(old, new):
    patch = make_patch(old, new)
    assert strictly(apply_patch(old, patch)) == strictly(new)
    assert (patch == ()) == (strictly(old) == strictly(new))


def test_only_what_differs_is_said():
    files = [{"fname": f"{number}.mrc", "fsize": number} for number in range(50)]
    changed = [*files[:20], {"fname": "20.mrc", "fsize": 7}, *files[21:40], *files[41:], {"fname": "new.mrc"}]
    patch = make_patch({"files": files, "title": "a"}, {"files": changed, "title": "b"})
    assert apply_patch({"files": files, "title": "a"}, patch) == {"files": changed, "title": "b"}
    assert ("replace", "/files/20/fsize") in {(one.op, one.path) for one in patch}
    assert ("replace", "/title") in {(one.op, one.path) for one in patch}


def test_every_two_short_lists():
    short = [list(one) for length in range(5) for one in itertools.product([0, 1], repeat=length)]
    for old, new in itertools.product(short, repeat=2):
        patch = make_patch({"a": [*old]}, {"a": [*new]})
        assert apply_patch({"a": old}, patch) == {"a": new}, (old, new)


KEY_AT_PAR = "k" * 11
"""To remove this key takes as many bytes as to replace the object that holds it alone by an empty one."""
SHORTEST = {
    "the first of a list goes": ({"a": [1, 2, 3]}, {"a": [2, 3]}, [("remove", "/a/0")]),
    "one within goes": ({"a": [1, 2, 3, 4, 5]}, {"a": [1, 2, 4, 5]}, [("remove", "/a/2")]),
    "one within comes": ({"a": [1, 2, 4, 5]}, {"a": [1, 2, 3, 4, 5]}, [("add", "/a/2")]),
    "one changes, one comes": (
        {"a": [["a"], ["b"], ["long enough " * 9]]},
        {"a": [["a"], ["c"], ["d"], ["long enough " * 9]]},
        [("replace", "/a/1/0"), ("add", "/a/2")],
    ),
    "the first and the last change": (
        {"a": ["a", "a long text " * 9, "b"]},
        {"a": ["c", "a long text " * 9, "d"]},
        [("replace", "/a/0"), ("replace", "/a/2")],
    ),
    "most of an object": ({"a": {"b": 1, "c": 2, "d": 3}}, {"a": {"d": 3}}, [("replace", "/a")]),
    "most of the record: never the whole at once": ({"b": 1, "c": 2}, {}, [("remove", "/b"), ("remove", "/c")]),
    "as long either way": ({"a": {KEY_AT_PAR: 1}}, {"a": {}}, [("remove", f"/a/{KEY_AT_PAR}")]),
    "one letter longer": ({"a": {KEY_AT_PAR + "k": 1}}, {"a": {}}, [("replace", "/a")]),
    "nothing, whatever the kind of number": ({"a": [1, {"b": 2}]}, {"a": [1.0, {"b": 2.0}]}, []),
}


@pytest.mark.parametrize("name", SHORTEST)
def test_the_shorter_form_of_each_difference(name):
    old, new, expected = SHORTEST[name]
    patch = make_patch(old, new)
    assert [(one.op, one.path) for one in patch] == expected
    assert apply_patch(old, patch) == new


def test_how_a_patch_is_written():
    patch = [
        op("add", "/a", None),
        op("replace", "/a", [1]),
        op("test", "/a", False),
        op("remove", "/a"),
        op("move", "/a", source="/b"),
        op("copy", "/a", source="/b"),
    ]
    assert patch_document(patch) == [
        {"op": "add", "path": "/a", "value": None},
        {"op": "replace", "path": "/a", "value": [1]},
        {"op": "test", "path": "/a", "value": False},
        {"op": "remove", "path": "/a"},
        {"op": "move", "from": "/b", "path": "/a"},
        {"op": "copy", "from": "/b", "path": "/a"},
    ]
