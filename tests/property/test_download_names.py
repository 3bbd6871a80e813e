import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from etdb.download import dataset_folder_name, safe_component, safe_paths

ANY = st.text(st.characters(), max_size=300)
NASTY = st.text("./\\aA-~ \0\nß \u017fK\u0130\u202e\u0301\ufeff:*", max_size=12)
PATHS = st.lists(st.one_of(NASTY, ANY, st.sampled_from(["a", "A", "a/b", "A/B/c", "../x", "/etc/passwd"])), max_size=12)


@given(st.one_of(ANY, NASTY))
def test_one_name_is_safe_whatever_comes(name):
    safe = safe_component(name)
    assert 1 <= len(safe.encode("utf-8")) <= 200
    assert not set(safe) & set('/\\<>:"|?*')
    assert not any(unicodedata.category(c).startswith(("Cc", "Cf", "Cs", "Zl", "Zp")) for c in safe)
    assert safe[0] not in ".-~ "
    assert safe[-1] not in ". "
    assert safe_component(safe) == safe


@given(PATHS)
def test_paths_stay_inside_and_apart(paths):
    safe = safe_paths(paths, reserved=("m.json",))
    assert list(safe) == list(dict.fromkeys(paths))
    base = Path("/base/folder")
    seen: set[str] = set()
    folders: set[str] = set()
    for target in safe.values():
        whole = base / target
        assert whole.is_relative_to(base)
        assert ".." not in whole.parts
        assert whole != base
        folded = unicodedata.normalize("NFKC", target).casefold()
        assert folded not in seen
        assert folded != "m.json"
        seen.add(folded)
        folders |= {"/".join(target.split("/")[:n]).casefold() for n in range(1, target.count("/") + 1)}
    assert not {t.casefold() for t in safe.values()} & folders
    assert safe_paths(paths, reserved=("m.json",)) == safe


@given(ANY, ANY)
def test_folder_names(name, ident):
    folder = dataset_folder_name(name, ident)
    assert "/" not in folder
    assert folder not in {".", ".."}
    assert 1 <= len(folder.encode()) <= 120
