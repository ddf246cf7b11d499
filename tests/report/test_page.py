"""The page is one file, and nothing in a run's names can become markup."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftlif.errors import ConfigurationError
from shiftlif.report import embed
from shiftlif.report.embed import columnar, json_in_html, plain, script_hash
from shiftlif.report.markup import Material, column_texts, section_body
from shiftlif.report.page import Side, page
from shiftlif.report.report import html
from shiftlif.report.section import Chart, Facts, Section, Table
from shiftlif.report.summary import compared
from tests.report.conftest import HOSTILE_CLASS, HOSTILE_RUN

EVIL = "</script><script>alert(1)</script><!--\u2028&amp;\"'"
SPEC = {"mark": {"type": "bar", "tooltip": True}, "encoding": {"x": {"field": "a", "type": "quantitative"}}}


class Elements(HTMLParser):
    """The elements of a page, with their attributes and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self.text, self._in_script = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self._in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] += data
        else:
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(autouse=True)
def short_scripts(monkeypatch):
    """Vega is not needed where nothing is drawn."""
    monkeypatch.setattr("shiftlif.report.page.vega_scripts", lambda: "/* vega */")


def layered(name, layers=("one", "two")):
    return Side(
        name,
        "about it",
        [
            Section("first", "First", "It is.", ["words", Facts([("a", "1")])]),
            *(
                Section(
                    f"letters-{i}",
                    "Letters",
                    f"of {layer}",
                    [Chart(f"c-{i}", "C", SPEC, [{"a": 1}], "It shows.")],
                    layer,
                )
                for i, layer in enumerate(layers)
            ),
            Section("last", "Last", "", [Table("t", "T", ("x",), [{"x": 1.5}], "It lists.")]),
        ],
    )


def test_hostile_names_stay_text():
    section = Section(
        "s",
        EVIL,
        EVIL,
        [
            EVIL,
            Facts([(EVIL, EVIL)], EVIL),
            Table("t", EVIL, (EVIL,), [{EVIL: EVIL}], EVIL),
            Chart("c", EVIL, SPEC, [{EVIL: EVIL}], EVIL),
        ],
    )
    layer = replace(section, key="l", layer=EVIL, blocks=[])
    plain_page = Elements(page([Side("name", "about", [replace(section, blocks=[])])]))
    elements = Elements(page([Side(EVIL, EVIL, [section, layer])]))
    assert len(elements.all("script")) == len(plain_page.all("script")) == 4
    data = json.loads(next(text for text in elements.scripts if text.startswith("{")))
    assert data["name"] == EVIL
    assert data["charts"]["c"]["values"] == [[EVIL]]
    assert not elements.all("img")
    assert not [a for _, attributes in elements.found for a in attributes if a.startswith("on")]


def test_a_hostile_run_makes_no_element_of_its_own(hostile_evidence):
    elements = Elements(html([hostile_evidence]))
    assert len(elements.all("script")) == 4
    assert not elements.all("img")
    text = "".join(elements.text)
    assert HOSTILE_RUN in text
    assert HOSTILE_CLASS in text
    assert str(hostile_evidence.run.folder.parent) not in text + "".join(elements.scripts)


def test_the_page_names_no_address_and_forbids_all_requests():
    text = page([layered("run")])
    elements = Elements(text)
    assert not [a for _, attributes in elements.found for a in ("src", "srcset", "action") if a in attributes]
    assert {a["href"][0] for a in elements.all("a")} == {"#"}
    assert [a["href"] for a in elements.all("link")] == ["data:,"]
    policy = next(
        a["content"] for a in elements.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    scripts = policy.split("script-src ")[1].split(";")[0].split()
    assert scripts == [script_hash(script) for script in elements.scripts if not script.startswith("{")]
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]


def test_contents_lead_to_every_section_and_layers_are_folded_together():
    elements = Elements(page([layered("run")]))
    anchors = [a["href"][1:] for a in elements.all("a") if "class" not in a]
    assert anchors == ["first", "layers", "layer-0", "layer-1", "last"]
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(anchors) <= set(ids)
    layers = [a for a in elements.all("details") if a.get("class") == "layer"]
    assert ["open" in a for a in layers] == [True, False]


def test_headings_go_down_one_level_at_a_time():
    for sides in ([layered("run")], [layered("a"), layered("b")]):
        levels = [int(tag[1]) for tag, _ in Elements(page(sides)).found if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_two_runs_stand_side_by_side_with_keys_of_their_own():
    elements = Elements(page([layered("A", ("one",)), layered("B")]))
    data = json.loads(next(text for text in elements.scripts if text.startswith("{")))
    assert list(data["charts"]) == ["a-c-0", "b-c-0", "b-c-1"]
    assert list(data["tables"]) == ["a-t", "b-t"]
    assert "This run has no such section." in elements.text
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_two_runs_share_one_summary(digits_evidence, hostile_evidence):
    text = html([digits_evidence, hostile_evidence])
    section = compared(digits_evidence, hostile_evidence, ("digits", HOSTILE_RUN))
    assert "".join(Elements(text).text).replace("\u00a0", " ").count(section.answer) == 1
    assert text.count('id="summary"') == 1


def test_runs_of_the_same_name_are_told_apart(digits_evidence):
    assert "digits (A) and digits (B)" in html([digits_evidence, digits_evidence])


def test_three_runs_are_refused():
    with pytest.raises(ConfigurationError, match="one run or two side by side, got 3"):
        page([layered("run")] * 3)


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_embedded_json_reads_back_and_holds_no_markup(value):
    text = json_in_html(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_numbers_become_json():
    assert plain([np.float32(1.5), np.int64(2), float("nan"), np.inf, 1 / 3, np.array([1, 2])]) == [
        *(1.5, 2, None, None, 0.333333, [1, 2])
    ]


def test_rows_are_kept_as_columns():
    assert columnar([{"a": 1, "b": "x"}, {"b": "y"}]) == {
        "columns": ["a", "b"],
        "values": [[1, "x"], [None, "y"]],
    }


def test_fractions_of_a_column_share_their_decimals():
    assert column_texts([97.2, 100.0, 94.59]) == ["97.20", "100.00", "94.59"]
    assert column_texts([1234, 5]) == ["1,234", "5"]
    assert column_texts([53.53, 7, None, "x"]) == ["53.53", "7", "–", "x"]
    assert column_texts([1.5e-9, 2.0, 0.0]) == ["1.5e-09", "2", "0"]
    assert column_texts([161172.4, 0.25]) == ["161,172.00", "0.25"]


def test_numbers_keep_their_unit_in_their_line():
    body = section_body(
        Section(
            "s", "", "It is 97.22 % of 3 <b>.", [Facts([("a", "1,234 bytes"), ("b", "0.5 nJ, 8 bitsy")])]
        ),
        *(3, Material()),
    )
    assert "97.22\u00a0% of 3 &lt;b&gt;." in body
    assert "1,234\u00a0bytes" in body
    assert "0.5\u00a0nJ, 8 bitsy" in body


def test_long_names_of_files_may_break_at_folders():
    rows = [{"file": "<b>/recordings_of/walk_01.csv"}, {"file": "walk/a_1.csv"}]
    body = section_body(Section("s", "", "", [Table("t", "T", ("file",), rows, "")]), 3, Material())
    assert "<td>&lt;b&gt;/<wbr>recordings_<wbr>of/<wbr>walk_<wbr>01.csv</td>" in body
    assert "<td>walk/a_1.csv</td>" in body


def test_wide_tables_of_two_runs_stand_below_each_other():
    def side(name, columns):
        names = [f"c{i}" for i in range(columns)]
        table = Table("t", "T", names, [dict.fromkeys(names, 1)], "It lists.")
        return Side(name, "about", [Section("s", "S", "It is.", [table, "words"])])

    beside = page([side("A", 6), side("B", 6)])
    assert beside.index('class="pair"') < beside.index('id="a-t"') < beside.index(">words<")
    below = page([side("A", 7), side("B", 7)])
    assert below.count('<h3 class="run">') == 4
    assert below.rindex(">words<") < below.index('id="a-t"') < below.index('id="b-t"')
    assert below.count("It is.") == 2


def test_without_vl_convert_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    embed.vega_scripts.cache_clear()
    with pytest.raises(ConfigurationError, match=r"shiftlif\[report\]"):
        embed.vega_scripts()


def test_the_scripts_of_vega_cannot_end_their_element():
    text = embed.vega_scripts()
    assert 500_000 < len(text) < 1_500_000
    assert "</script" not in text.lower()
    assert "<!--" not in text
