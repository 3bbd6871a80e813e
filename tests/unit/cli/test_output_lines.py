"""Results of a command that goes on are lines of JSON, one each."""

import json

from etdb.cli.output import Output


def test_each_document_is_a_line(capsys):
    out = Output(json_mode=True)
    for height in (1, 2):
        out.document_line({"height": height, "text": "a\nb\x1b"})
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["height"] for line in lines] == [1, 2]
    assert "\x1b" not in "".join(lines)
