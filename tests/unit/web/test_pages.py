"""The pages: what they say, what hostile records can do on them (nothing), and what a portal's selection bounds."""

import asyncio
import html
import json
import re
from contextlib import closing
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest

from etdb.blocks import FilesInPlace
from etdb.catalogue import Catalogue
from etdb.oip import Tomogram
from etdb.testing.asking import ask as ask_app
from etdb.testing.catalogue import fill_catalogue
from etdb.testing.portal import sample_portal
from etdb.testing.records import RecordSigner
from etdb.trust import Claim, ClaimResult, Outcome, Verification
from etdb.web.application import portal_app
from etdb.web.metadata import described
from etdb.web.pages.render import EMBED_HEADERS, PAGE_HEADERS
from etdb.web.portal import Portal
from etdb.web.serving import serving
from etdb.web.shown import claims_line
from etdb.workspace import PortalSettings

PAGES = (
    *("/", "/datasets", "/datasets?view=table", "/datasets?q=a&sort=title", "/datasets/values/species"),
    *("/advanced", "/featured", "/challenges", "/apps", "/publishers", "/ledger", "/ledger?list=other"),
    *("/ledger?list=orphans", "/about", "/faq", "/terms", "/contact", "/api"),
)
FIRST, SECOND = "01" * 32, "03" * 32
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
PATIENT = PortalSettings(requests_per_second=1_000_000, requests_at_once=1_000_000)


def asking(app):
    return lambda address, **given: asyncio.run(ask_app(app, address, **given))


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, its text, and what would run or style it from inside."""

    def __init__(self, body):
        super().__init__(convert_charrefs=True)
        self.inline, self.tags, self.ids, self.links, self.text, self.stack = [], [], [], [], [], []
        self.headings = []
        self.feed(body.decode())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.stack.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        self.links += [given[name] for name in ("href", "src", "action", "poster") if given.get(name)]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        tag, given = self.stack[-1] if self.stack else ("", {})
        if tag == "style" or (tag == "script" and given.get("type") != "application/ld+json"):
            self.inline += [f"{tag}: {data[:40]}"] if data.strip() else []
        self.text.append(data)

    def handle_endtag(self, tag):
        self.stack = self.stack[:-1] if self.stack and self.stack[-1][0] == tag else self.stack


def every_dataset(ask):
    listed = json.loads(ask("/api/v1/datasets?limit=100").body)["results"]
    gone = json.loads(ask("/api/v1/datasets?limit=100&withdrawn=true").body)["results"]
    return [one["id"] for one in (*listed, *gone)]


def check(answer, address):
    assert answer.status in (200, 410), address
    headers = EMBED_HEADERS if "/embed" in address else PAGE_HEADERS
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = Reader(answer.body)
    assert page.inline == [], address
    assert len(page.ids) == len(set(page.ids)), address
    for link in page.links:
        assert link.startswith(("/", "#", "?", "https://", "data-")), (address, link[:80])
    for tag, given in page.tags:
        if tag in ("script", "link", "img", "video", "source", "iframe"):
            place = given.get("src") or given.get("href") or "/"
            assert place.startswith("/"), (address, place[:80])
        if tag == "img":
            assert "alt" in given, address
    assert page.headings.count(1) == 1, address
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)), address
    return page


@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_whole_and_safe(asked, address):
    check(asked(address), address)


def test_hostile_records_run_nothing_style_nothing_and_turn_no_text(hostile_portal):
    ask = asking(portal_app(hostile_portal))
    ids = every_dataset(ask)
    assert len(ids) > 8
    addresses = [*PAGES, *(f"/datasets/{one}{more}" for one in ids for more in ("", "/embed", "/embed/viewer"))]
    for address in addresses:
        answer = ask(address)
        page = check(answer, address)
        text = "".join(page.text)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0e-\x1f]", text), address
        assert not [given for tag, given in page.tags if tag == "img" and given.get("src") == "x"], address
        assert len(answer.body) < 1_500_000, address
    listed = "".join(Reader(ask("/datasets").body).text)
    assert "alert(1)" in listed
    assert "{{ 7*7 }} {% raw %} ${7*7}" in listed


def test_a_title_of_a_megabyte_and_lone_surrogates_are_only_long_and_odd(tmp_path):
    with sample_portal(tmp_path, settings=PATIENT) as portal:
        ask = asking(portal_app(portal))
        for words in ("x" * 1_000_000, "\ud800", "%ff%fe"):
            address = "/datasets?" + urlencode({"q": words}, errors="surrogatepass")
            assert ask(address).status == (414 if len(words) > 8_192 else 200), words[:20]
        assert ask("/datasets/" + quote("../../etc/passwd", safe="")).status == 404
        assert ask("/static/..%2f..%2fapplication.py").status == 404


def test_what_the_first_page_proposes_to_try_finds_something(asked):
    line = re.search('<p class="try">.*?</p>', asked("/").body.decode()).group()
    links = [html.unescape(one) for one in re.findall('href="(/datasets[^"]*)"', line)]
    assert links
    for link in links:
        assert "Nothing fits" not in asked(link).body.decode()


def test_what_says_that_it_has_no_species_counts_as_none(tmp_path):
    said = (
        "Vibrio cholerae",
        "vibrio cholerae",
        "none: materials specimen",
        "None",
        "none (a buffer)",
        "",
        "Nonea alba",
    )
    with Catalogue(tmp_path / "c.sqlite", writable=True) as catalogue:
        fill_catalogue(catalogue, [Tomogram(title=f"of {n}", species=one) for n, one in enumerate(said)])
        with closing(FilesInPlace(tmp_path / "digests.sqlite", content_folder=tmp_path / "content")) as store:
            portal = Portal(catalogue, store, PATIENT, network="local")
            ask = asking(portal_app(portal))
            assert json.loads(ask("/api/v1/statistics").body)["species"] == 2
            links = re.findall(r'href="/datasets\?species=([^"]+)"', ask("/").body.decode())
            assert sorted(links) == ["Nonea+alba", "Vibrio+cholerae"]
            boxes = 'name="species" value="([^"]+)"'
            assert set(re.findall(boxes, ask("/datasets").body.decode())) == {"Nonea alba", "Vibrio cholerae"}
            assert "none (a buffer)" in re.findall(boxes, ask("/datasets?species=none+(a+buffer)").body.decode())
            assert json.loads(ask("/api/v1/datasets?species=None").body)["total"] == 1  # still found by it


def test_a_card_says_how_many_claims_held_and_that_the_rest_was_not_checked(asked):
    body = asked("/datasets").body.decode()
    assert re.search(r"✓ \d held, \d not checked", body)
    assert " of 7" not in body


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({}, "7 not checked"),
        ({Claim.ARTIFACT_SIGNATURE: "held", Claim.FILE_BYTES: "held"}, "2 held, 5 not checked"),
        (dict.fromkeys(Claim, "held"), "7 held"),
        (
            {Claim.ARTIFACT_SIGNATURE: "failed", Claim.MANIFEST_AGREES: "held", Claim.FILE_BYTES: "not possible"},
            "1 failed (Record signed), 1 held, 4 not checked, 1 not possible",
        ),
    ],
)
def test_claims_in_one_line(outcomes, words):
    results = (ClaimResult(claim=claim, outcome=Outcome(one)) for claim, one in outcomes.items())
    assert claims_line(Verification.of(results)) == words


def test_errors_are_pages_that_help(asked):
    for address, status in (
        ("/nothing", 404),
        ("/datasets/ffffff", 404),
        ("/datasets/zzz", 404),
        ("/datasets?nonsense=1", 400),
        ("/datasets?tilt_min_deg=x..", 400),
        ("/datasets?filter=%7B%7D", 400),
        ("/datasets?cursor=abc", 400),
        ("/datasets/values/title", 404),
        ("/featured/nothing", 404),
        ("/records/zz", 404),
        ("/publishers/nobody", 404),
        ("/datasets/" + FIRST + "?revision=0", 400),
        ("/datasets/" + FIRST + "?revision=77", 404),
        ("/ledger?list=x", 400),
    ):
        answer = asked(address)
        page = Reader(answer.body)
        assert answer.status == status, address
        assert answer.headers["content-security-policy"] == PAGE_HEADERS["content-security-policy"]
        assert page.inline == []
        assert "/datasets" in page.links


def test_a_dataset_s_page_says_all_of_its_record(asked):
    text = " ".join("".join(Reader(asked(f"/datasets/{FIRST}").body).text).split())
    for words in (
        *(
            "Bdellovibrio, attack phase",
            "Bdellovibrio bacteriovorus",
            "959",
            f"{MINUS}60° to 60°",
            "150 e⁻/Å²",
            f"{MINUS}8 µm",
        ),
        *(f"22,500{TIMES}", "FEI Polara", "Yi-Wei Chang", "sample2014-01-14-1", "CC0-1.0", "single", "The sample lab"),
        *("etdb download 010101010101", "curl -fLO", "BibTeX", "iframe", "Record signed", "In the chain"),
        *("Corrected", "the title was too long", "Bdellovibrio attack phase cell"),
    ):
        assert words in text, words
    links = Reader(asked(f"/datasets/{FIRST}").body).links
    assert any("wwwtax.cgi?id=959" in link for link in links)
    assert any(link.endswith("rec.mrc?download=true") for link in links)
    assert any("format=car" in link for link in links)


def test_a_species_without_a_number_is_looked_up_at_ncbi_by_its_name(asked, hostile_portal):
    (found,) = [one["id"] for one in json.loads(asked("/api/v1/datasets?q=Caulobacter").body)["results"]]
    links = Reader(asked(f"/datasets/{found}").body).links
    assert "https://www.ncbi.nlm.nih.gov/taxonomy/?term=Caulobacter%20crescentus" in links
    assert not any("ncbi" in link and "term=" in link for link in Reader(asked(f"/datasets/{FIRST}").body).links)
    ask = asking(portal_app(hostile_portal))
    led = [link for one in every_dataset(ask) for link in Reader(ask(f"/datasets/{one}").body).links if "ncbi" in link]
    assert len(led) >= 6
    for link in led:
        assert re.fullmatch(r"https://www\.ncbi\.nlm\.nih\.gov/[A-Za-z/.]+\?(id|term)=[\w%.~-]+", link)


@pytest.mark.parametrize(
    ("species", "count"), [("Nonea pulla", 1), ("none: a needle", 0), ("None (gold)", 0), ("", 0), ("x" * 201, 0)]
)
def test_what_is_no_organism_s_name_is_not_looked_up(species, count):
    values = [value for group in described(RecordSigner().tomogram(species=species)) for value in group.values]
    assert sum("term=" in value.url for value in values) == count


def test_notes_keep_their_lines_and_are_escaped(asked):
    found = json.loads(asked("/api/v1/datasets?q=Caulobacter").body)["results"][0]["id"]
    body = asked(f"/datasets/{found}").body.decode()
    assert "First line\nSecond line &amp; more" in body


def test_an_older_revision_says_so_and_its_own_id_leads_to_it(asked):
    old = "".join(Reader(asked(f"/datasets/{FIRST}?revision=1").body).text)
    assert "This is revision 1 of 2" in old
    assert "Bdellovibrio attack phase cell" in old
    newest = json.loads(asked(f"/api/v1/datasets/{FIRST}/revisions").body)
    moved = asked(f"/datasets/{newest[-1]['revision_id']}")
    assert (moved.status, moved.headers["location"]) == (302, f"/datasets/{FIRST}")


def test_a_withdrawn_dataset_is_a_tombstone(asked):
    (gone,) = json.loads(asked("/api/v1/datasets?withdrawn=true").body)["results"]
    answer = asked(f"/datasets/{gone['id']}")
    text = "".join(Reader(answer.body).text)
    assert answer.status == 410
    assert "This dataset was withdrawn" in text
    assert "the wrong specimen" in text
    assert not re.search(r"\wsigned by", re.sub("<br>", " ", answer.body.decode())), "who signed stands apart"
    assert "Taken back" not in "".join(Reader(asked("/datasets").body).text)


def test_other_messages_have_a_page_with_their_text_escaped(asked):
    listed = Reader(asked("/ledger?list=other").body)
    (link,) = {one for one in listed.links if one.startswith("/records/")}
    body = asked(link).body.decode()
    assert html.escape('"type":"music"', quote=True) in body.replace("&#34;", "&quot;")
    assert asked(f"/records/{FIRST}").headers["location"] == f"/datasets/{FIRST}"


def rows(*given, **more):
    pairs = []
    for join, field, operator, value, high in given:
        pairs += [("join", join), ("field", field), ("operator", operator), ("value", value), ("high", high)]
    return "/advanced?" + urlencode([*pairs, *more.items()])


def test_advanced_search_makes_a_filter_without_javascript(asked):
    one = ("and", "species", "contains", "bdello", "")
    two = ("not", "tilt_min_deg", "above", "-50", "")
    moved = asked(rows(one, two, do="search"))
    assert moved.status == 303
    results = asked(moved.headers["location"])
    assert "1 dataset" in "".join(Reader(results.body).text)
    assert "Species contains “bdello” and not Lowest tilt (°) is above -50" in "".join(Reader(results.body).text)
    back = asked(moved.headers["location"].replace("/datasets?", "/advanced?"))
    values = [
        given.get("value") for tag, given in Reader(back.body).tags if tag == "input" and given.get("name") == "value"
    ]
    assert values == ["bdello", "-50", ""]


def test_rows_are_added_and_dropped_by_the_server(asked):
    one = ("and", "any", "contains", "a", "")

    def count(address):
        return sum(tag == "fieldset" for tag, _ in Reader(asked(address).body).tags)

    assert count("/advanced") == 3
    assert count(rows(one, one, one, do="add")) == 4
    assert count(rows(one, one, one, one, do="remove-0")) == 3
    assert count(rows(*[one] * 60, do="add")) <= 41


def test_a_row_that_means_nothing_is_named(asked):
    answer = asked(
        rows(("and", "species", "contains", "x", ""), ("and", "tilt_min_deg", "contains", "6", ""), do="search")
    )
    assert answer.status == 400
    assert "row 2" in "".join(Reader(answer.body).text)
    assert asked(rows(("xor", "species", "contains", "x", ""), do="search")).status == 400
    assert asked(rows(("and", "tilt_min_deg", "between", "1", ""), do="search")).status == 400


def test_a_filter_that_rows_cannot_say_is_still_shown_and_searched(asked):
    leaf = {"type": "filter", "searchOn": "lab", "searchType": "contains", "searchFor": "lab"}
    nested = [leaf, {"type": "OR", "args": [leaf, {"type": "AND", "args": [leaf, leaf]}]}]
    asking_for = urlencode({"filter": json.dumps(nested)})
    text = "".join(Reader(asked(f"/advanced?{asking_for}").body).text)
    assert "rows from top to bottom cannot say" in text
    assert asked(f"/datasets?{asking_for}").status == 200


def test_a_chosen_value_keeps_its_true_count_and_all_values_are_listed(asked):
    text = " ".join("".join(Reader(asked("/datasets?lab=Another+lab").body).text).split())
    assert "Another lab 1" in text
    page = Reader(asked("/datasets/values/lab?find=sample").body)
    assert any(link == "/datasets?lab=Sample+lab" for link in page.links)
    assert not any("Another" in link for link in page.links)


SELECTIONS = {
    "everything": (PortalSettings(), 2),
    "one lab": (PortalSettings(name="Sample lab", labs=("Sample lab",), accent="#ffcc00"), 1),
    "one species": (PortalSettings(name="Bdello", species=("Bdellovibrio bacteriovorus",)), 1),
    "one query": (PortalSettings(name="Stalks", query="stalk"), 1),
}


@pytest.mark.parametrize("which", SELECTIONS)
def test_a_selection_bounds_pages_counts_facets_api_feed_sitemap_and_records(tmp_path, which):
    settings, count = SELECTIONS[which]
    with sample_portal(tmp_path, settings=settings) as portal:
        ask = asking(portal_app(portal))
        listed = json.loads(ask("/api/v1/datasets").body)
        shown = {one["id"] for one in listed["results"]}
        assert listed["total"] == len(shown) == count
        assert json.loads(ask("/api/v1/statistics").body)["datasets"] == count
        assert f"{count} dataset" in "".join(Reader(ask("/datasets").body).text)
        labs = json.loads(ask("/api/v1/datasets?facets=lab").body)["facets"]["lab"]
        assert sum(one["count"] for one in labs) == count
        for address in ("/feed.atom", "/sitemap.xml", "/datasets", "/"):
            body = ask(address).body.decode()
            assert set(re.findall(r"/datasets/([0-9a-f]{64})", body)) == shown, address
        assert settings.name in "".join(Reader(ask("/").body).text)
        for one in (FIRST, SECOND):
            assert ask(f"/datasets/{one}").status == (200 if one in shown else 404)
            assert ask(f"/api/v1/datasets/{one}").status == (200 if one in shown else 404)
        publishers = json.loads(ask("/api/v1/publishers").body)
        assert sum(one["datasets"] for one in publishers) == count


def test_a_site_s_own_logo_texts_and_colour(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "about.md").write_text("# Who we are\n\n<script>alert(1)</script> A *lab*.")
    (texts / "featured.md").write_text("# Ours\n\n## One\n\nsids: another-1\n\nA stalk.\n\n## Two\n\nsids: none-such\n")
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    settings = PortalSettings(logo=str(logo), texts_folder=str(texts), accent="#ffee00")
    with sample_portal(tmp_path, settings=settings) as portal:
        ask = asking(portal_app(portal))
        picture = ask("/static/logo")
        assert picture.body == logo.read_bytes()
        assert "sandbox" in picture.headers["content-security-policy"]
        assert "script" not in picture.headers["content-security-policy"]
        about = check(ask("/about"), "/about")
        assert "Who we are" in "".join(about.text)
        assert "<em>lab</em>" in ask("/about").body.decode()
        assert "<script>alert" not in ask("/about").body.decode()
        featured = "".join(Reader(ask("/featured").body).text)
        assert "One" in featured
        assert "Two" not in featured
        assert ask("/featured/one").status == 200
        assert "/static/theme.css" in ask("/").body.decode()
        css = ask("/static/theme.css").body.decode()
        assert "#ffee00" not in css.partition("@media")[0], "yellow cannot be read on white"
        logo.write_bytes(b"x" * (1 << 21))
        assert ask("/static/logo").body != logo.read_bytes()


def test_the_snippets_of_the_challenges_run_against_a_portal(tmp_path, capsys):
    with sample_portal(tmp_path, settings=PortalSettings()) as portal, serving(portal_app(portal)) as url:
        body = asking(portal_app(portal))("/challenges").body.decode()
        snippets = re.findall(r'<code class="language-python">(.*?)</code>', body, re.DOTALL)
        assert len(snippets) == 3
        for snippet in snippets:
            exec(html.unescape(snippet).replace("http://portal.test", url), {})
        said = capsys.readouterr().out
    assert "010101010101 1536" in said
    assert "1 datasets" in said
