from pathlib import Path

import pytest

from etdb.errors import ConfigurationError
from etdb.workspace import NETWORK_NAMES, LimitSettings, Settings, parse_settings
from etdb.workspace.settings import settings_template

HERE = Path("etdb.toml")


@pytest.mark.parametrize("network", NETWORK_NAMES)
def test_template_says_the_defaults(network):
    expected = Settings(network=network, limits=LimitSettings(final_depth=1) if network == "local" else LimitSettings())
    assert parse_settings(settings_template(network).encode(), HERE) == expected


@pytest.mark.parametrize("network", ["main"])
def test_every_commented_setting_is_known_and_is_the_default(network):
    """What the comments promise is what the code does: uncommented, the file still means the defaults."""
    lines = [
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in settings_template(network).splitlines()
    ]
    settings = parse_settings("\n".join(lines).encode(), HERE)
    assert settings == Settings(network=network, ledger="../other-workspace/chain", gateways=("http://127.0.0.1:8080",))
    assert "".join(lines).count(" = ") >= 17


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("networc = 'local'", "unknown setting `networc`", "`network`"),
        ("[publisher]\ninstitute = 'x'", "`publisher.institute`", "`publisher.institution`"),
        ("[limits]\nzzzzzz = 1", "`limits.zzzzzz`", "final_depth"),
        ("[limits]\nfinal_depth = '6'", "limits.final_depth: Expected `int`, got `str`", ""),
        ("[limits]\nfinal_depth = 0", "limits.final_depth", ""),
        ("[limits]\nfee_rate_sat_per_kb = 1.5", "limits.fee_rate_sat_per_kb", ""),
        ("limits = 3", "limits", ""),
        ("network = 'mars'", "'mars' is not a network", "testnet"),
        ("gateways = ['ftp://x']", "ftp://x", ""),
        ("network = ", "not valid TOML", ""),
        ("a = " + "[" * 5000, "not valid TOML", ""),
    ],
)
def test_wrong_settings_are_refused_with_the_place(text, words, hint):
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text.encode(), HERE)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert "etdb.toml" in caught.value.message


def test_bytes_that_are_no_text_or_too_many_are_refused():
    for text in (b"\xff\xfe", b"#" * (1 << 21)):
        with pytest.raises(ConfigurationError):
            parse_settings(text, HERE)
