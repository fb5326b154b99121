"""What the page promises to people who open it beside other pages: nobody else reads it, and nobody else writes."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from culpa.flows.page import serve as serving
from culpa.flows.page.security import CSRF_HEADER, LARGEST
from culpa.tasks.errors import BadInput
from culpa.tasks.queue import ask
from tests.flows.page.served import COLUMN, IMAGE, LABEL, PORT, Visitor, served, zoo
from tests.tasks import small_store

PATHS = ("/", "/page.js", "/page.css", "/state", "/row", "/history?row=r7", "/docs", "/openapi.json")
SECRET = "root:"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with served(zoo(tmp_path_factory.mktemp("zoo"))) as (desk, door, client):
        yield desk, door, client


@pytest.fixture
def stranger(page):
    page[2].cookies.clear()
    return page[2]


@pytest.fixture
def visitor(page):
    _, door, client = page
    client.cookies.clear()
    return Visitor(client, door, "ann")


def decisions(page):
    return small_store.ask(page[0].store, "SELECT count(*) FROM decisions")[0][0]


# Who is let in


@pytest.mark.parametrize("path", PATHS)
def test_without_the_key_nothing_is_shown(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "cat" not in answer.text


def test_without_the_key_nothing_is_written(page, visitor):
    body = visitor._seen(visitor.row())
    visitor.client.cookies.clear()
    assert visitor.post("/decide", **body, decision="drop").status_code == 401
    assert decisions(page) == 0


@pytest.mark.parametrize("token", ["", "wrong", "é", "0" * 43])
def test_a_wrong_key_is_refused(stranger, token):
    answer = stranger.get("/", params={"token": token})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_key_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(page, stranger):
    door = page[1]
    answer = stranger.get(f"/?token={door.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert stranger.get("/").status_code == 200


def test_each_start_has_a_key_of_its_own_which_is_long_and_not_printed_by_chance(page):
    from culpa.flows.page.security import Door

    one, other = Door(PORT), Door(PORT)
    assert len({one.token, other.token, one.page_secret, other.page_secret}) == 4
    assert min(len(one.token), len(one.page_secret)) >= 43
    assert one.token not in repr(one)


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:9", f"localhost.:{PORT}", ""]
)
def test_a_name_that_was_pointed_here_is_refused_even_with_the_key(visitor, host):
    assert visitor.client.get("/row", headers={"Host": host}).status_code == 421
    answer = visitor.client.post("/ask", json={"sql": "select 1"}, headers={**visitor.headers, "Host": host})
    assert answer.status_code == 421


def test_it_listens_on_this_machines_own_address_alone():
    with serving._listening(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        with pytest.raises(BadInput, match="--port"):
            serving._listening(listening.getsockname()[1])


# Who may write


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({CSRF_HEADER: None}, 403),
        ({CSRF_HEADER: "guess"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_write_that_lacks_one_mark_of_the_page_is_refused(page, visitor, changed, code):
    row = visitor.row()
    body = json.dumps({**visitor._seen(row), "decision": "drop"})
    headers = {"Content-Type": "application/json", **visitor.headers, **changed}
    sent = {name: value for name, value in headers.items() if value is not None}
    assert visitor.client.post("/decide", content=body, headers=sent).status_code == code
    assert decisions(page) == 0


def test_a_body_that_is_too_large_is_refused_unread(visitor):
    assert visitor.post("/ask", sql="select 1" + " " * LARGEST).status_code == 413


def test_another_site_cannot_read_but_a_link_may_lead_here(visitor):
    assert visitor.client.get("/row", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert visitor.client.get("/", headers=followed).status_code == 200
    framed = {**followed, "Sec-Fetch-Dest": "iframe"}
    assert visitor.client.get("/", headers=framed).status_code == 403


def test_decisions_are_all_that_can_be_written(page):
    writing = {route.path for route in page[2].app.routes if set(route.methods) - {"GET", "HEAD"}}
    assert writing == {"/decide", "/undo", "/ask"}  # and /ask only reads, see below


# What the browser is told


@pytest.mark.parametrize(("path", "code"), [("/", 200), ("/row", 200), ("/nothing", 404), ("/row?row=x&step=0", 404)])
def test_every_answer_carries_the_policy(visitor, path, code):
    answer = visitor.client.get(path)
    assert answer.status_code == code
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_carry_it_too(stranger):
    assert "default-src 'none'" in stranger.get("/").headers["content-security-policy"]


def test_a_failure_that_nobody_foresaw_says_nothing_of_the_inside(page, visitor, monkeypatch, capsys):
    monkeypatch.setattr(page[0], "progress", lambda: 1 / 0)
    answer = visitor.client.get("/state")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert "content-security-policy" in answer.headers


class Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_cells_labels_ids_and_column_names_stay_texts(page, visitor):
    shown = [visitor.row(row, 0)["html"] for row in visitor.ids(state="all")]
    answers = [visitor.post("/ask", sql="select * from flagged").text, visitor.client.get("/").text]
    histories = [visitor.client.get("/history", params={"row": row}).text for row in visitor.ids(state="all")]
    for html in (*shown, *answers, *histories):
        found = Tags(html).found
        assert not [attributes for _, attributes in found if any(name.startswith("on") for name in attributes)]
        assert not [attributes for _, attributes in found if "style" in attributes]
        assert {attributes.get("src") for tag, attributes in found if tag == "script"} <= {"/page.js"}
        for tag, attributes in found:
            assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
            assert not attributes.get("href", "").lower().startswith("javascript")
    texts = "".join(re.sub(r"\s+", " ", html) for html in shown)
    for hostile in ("&lt;img src=x onerror=", "&lt;script&gt;", "javascript:document", "{{ 7 * 7 }}"):
        assert hostile in texts
    assert LABEL not in "".join(answers)
    assert COLUMN not in "".join(answers)
    assert IMAGE not in "".join(histories)


def test_the_script_writes_no_html_of_its_own():
    script = (Path(serving.__file__).parent / "page.js").read_text(encoding="utf-8")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)
    for beside in ("page.js", "page.css", "page.html", "row.html"):
        text = (Path(serving.__file__).parent / beside).read_text(encoding="utf-8")
        assert not re.findall(r"https?://|@import|url\(", text), beside


# The SQL box


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd', sep='\\n', header=false)",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/etc/*')",
        "select * from read_parquet('https://127.0.0.1/x.parquet')",
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "select * from enable_logging('QueryLog', storage='file', storage_config={'path': 'log'})",
        "attach '/tmp/other.db'",
        "copy runs to 'runs.csv'",
        "export database 'out'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma enable_profiling",
        "call enable_logging()",
        "delete from decisions",
        "insert into decisions (row_id, decision, reviewed_by) values ('r7', 'drop', 'eve')",
        "create table x as select 1",
        "drop view flagged",
        "select nextval('decision_number')",
        "select 1; drop table decisions",
        "nonsense",
        "",
    ],
)
def test_a_query_neither_writes_nor_reaches_files_or_the_network(page, visitor, folder, sql):
    answer = visitor.post("/ask", sql=sql)
    assert answer.status_code == 422, answer.text
    assert SECRET not in answer.text
    assert decisions(page) == 0
    assert list(folder.iterdir()) == []


def test_a_query_is_answered_as_a_table_and_long_ones_are_cut(visitor):
    assert "<td>8</td>" in visitor.post("/ask", sql="select count(*) from rows").text
    many = visitor.post("/ask", sql="select * from range(100000)").text
    assert many.count("<tr>") == 501
    assert "more were left out" in many


def test_a_query_that_takes_too_long_is_ended_and_the_store_is_free(page):
    with pytest.raises(BadInput, match="longer than"):
        ask(
            page[0].store,
            "select count(*) from range(1000000) a, range(1000000) b where a.range < b.range",
            seconds=0.2,
        )
    assert decisions(page) == 0


def test_decisions_can_be_written_after_a_query_has_locked_its_connection(tmp_path):
    with served(zoo(tmp_path)) as (_, door, client):
        visitor = Visitor(client, door, "ann")
        assert visitor.post("/ask", sql="select 1").status_code == 200
        assert visitor.decide(visitor.row(), "keep").status_code == 200


def test_without_its_packages_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(BadInput, match=r"its extra \[review\]"):
        serving.serve(tmp_path / "x", dataset=None, source=None, by=None, port=0, open_browser=False)
