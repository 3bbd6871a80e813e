import contextlib

from hypothesis import given
from hypothesis import strategies as st

from etdb.em import parse_mdoc, parse_mrc_header, parse_tilt_file
from etdb.errors import FormatError
from etdb.sources import parse_dataset_toml


@given(st.binary(max_size=300), st.binary(min_size=1024, max_size=1400))
def test_foreign_bytes_are_read_or_refused(short, long):
    for parse in (parse_mrc_header, parse_mdoc, parse_tilt_file):
        for data in (short, long):
            with contextlib.suppress(FormatError):
                parse(data)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_dataset_toml_gives_problems_not_exceptions(data):
    metadata, problems = parse_dataset_toml(data)
    assert problems or metadata.files == {}


@given(st.lists(st.tuples(st.text("abcT=[]ZValue \n0123456789.-", max_size=30)), max_size=20))
def test_lines_like_an_mdoc(lines):
    with contextlib.suppress(FormatError):
        look = parse_mdoc("\n".join(line for (line,) in lines).encode())
        assert look.sections >= 0
