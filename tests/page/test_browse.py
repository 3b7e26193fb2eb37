"""Views that count nothing: search, sorting, paging to the end and back, one path; with scripts and without."""

import pytest
from conftest import BY_COUNT, BY_PATH, MANY, pair_on
from harness.http import get, hit
from selenium.webdriver.common.keys import Keys


@pytest.fixture(scope="module")
def still(stage):
    """A pair on which no test counts."""
    return pair_on(stage, MANY)


@pytest.fixture(autouse=True)
def nothing_is_counted(still):
    yield
    assert still.ledger.counts() == MANY


def shown(path):
    """A path of MANY as a page shows it."""
    return path.replace("\u202e", "[U+202E]").replace("\u200b", "[U+200B]")


def as_shown(rows):
    return [(shown(path), count) for path, count in rows]


def rows_of(browser):
    """The rows. Hidden characters of a path have one notation, whether they are framed or in brackets."""
    return [(path if "[" in path else path.replace("U+202E", "[U+202E]").replace(
        "U+200B", "[U+200B]"), count) for path, count in browser.rows]


def test_the_first_page_has_the_hundred_highest_counts(either, still):
    either.address = still.address
    either.open("/-/paths")
    assert rows_of(either) == as_shown(BY_COUNT[:100])
    assert either.number == sum(MANY.values())
    assert f"on {len(MANY)} paths" in either.text(".count")
    assert not either.find_all("a[rel=prev]")


@pytest.mark.parametrize("start, rows", [("/-/paths", BY_COUNT), ("/-/paths?order=path", BY_PATH)])
def test_paging_leads_to_the_end_and_back(either, still, start, rows):
    either.address = still.address
    either.open(start)
    there = [rows_of(either)]
    while either.find_all("a[rel=next]"):
        either.click("a[rel=next]")
        there.append(rows_of(either))
    assert [len(page) for page in there] == [100, 100, len(rows) - 200]
    assert sum(there, []) == as_shown(rows)
    back = [there[-1]]
    while either.find_all("a[rel=prev]"):
        either.click("a[rel=prev]")
        back.append(rows_of(either))
    assert back == there[::-1]


def test_every_page_leads_to_the_first(either, still):
    either.address = still.address
    either.open("/-/paths")
    either.click("a[rel=next]")
    either.click("a[rel=next]")
    either.click(".pager a:not([rel])")
    assert rows_of(either) == as_shown(BY_COUNT[:100])


def test_the_address_of_a_page_shows_the_same_page_again(either, still):
    either.address = still.address
    either.open("/-/paths?order=path&prefix=/section-2&limit=10")
    either.click("a[rel=next]")
    rows, target = rows_of(either), either.target
    either.open("/-/paths")
    either.open(target)
    assert rows_of(either) == rows and len(rows) == 10


def test_columns_sort(either, still):
    either.address = still.address
    either.open("/-/paths")
    assert either.text("[aria-sort=descending]").startswith("Hits")
    either.click("section thead th:first-child a")
    assert rows_of(either) == as_shown(BY_PATH[:100])
    assert either.text("[aria-sort=ascending]").startswith("Path")
    either.click("section thead th:last-child a")
    assert rows_of(either) == as_shown(BY_COUNT[:100])


def test_a_search_finds_paths_by_prefix(either, still):
    either.address = still.address
    either.open("/-/paths")
    either.type_into("#prefix", "/section-3/")
    wanted = [(path, count) for path, count in BY_COUNT if path.startswith("/section-3/")]
    assert rows_of(either) == wanted
    assert either.text("h1 .path") == "/section-3/"
    assert either.find("#prefix").get_attribute("value") == "/section-3/"


def test_search_and_order_are_kept_together(either, still):
    either.address = still.address
    either.open("/-/paths?order=path")
    either.type_into("#prefix", "/section-4")
    wanted = [(path, count) for path, count in BY_PATH if path.startswith("/section-4")]
    assert rows_of(either) == wanted
    either.click("section thead th:last-child a")
    assert sorted(rows_of(either)) == sorted(wanted) and rows_of(either) != wanted


def test_a_search_from_a_visits_page_leads_to_the_table(either, full):
    either.address = full.address
    either.open("/searching/from/here")
    either.type_into("#prefix", "/section-1/")
    assert either.target.startswith("/-/paths?")
    assert len(either.rows) > 10
    assert full.ledger.count("/searching/from/here") >= 1


@pytest.mark.parametrize("text, found", [
    ("/caf\u00e9", "/caf\u00e9/\u65e5\u672c\u8a9e"), ("/<script>", "/<script>alert('1')</script>"),
    ("section-0/page-250", None), ("blog", "/blog/"), ("/no such path + & % ? #", None),
])
def test_a_search_takes_any_text(either, still, text, found):
    either.address = still.address
    either.open("/-/paths")
    either.type_into("#prefix", text)
    assert [path for path, _ in either.rows] == ([found] if found else [])
    if not found:
        assert either.text("h2") == "No path has this prefix"
        assert either.text("h1 .path") == (text if text.startswith("/") else "/" + text)
    assert either.complaints() == []


def test_an_empty_search_finds_everything(either, still):
    either.address = still.address
    either.open("/-/paths?prefix=/section-3")
    either.type_into("#prefix", Keys.BACKSPACE)
    assert len(either.rows) == 100


def test_a_row_leads_to_the_paths_page(either, still):
    either.address = still.address
    either.open("/-/paths")
    for number in range(len(BY_COUNT[:12])):
        path, count = BY_COUNT[number]
        either.open(either.hrefs[number])
        assert either.number == count
        assert either.run("return decodeURIComponent(document.querySelector('h1 a').pathname)") \
            == "/-/paths" + path
        assert str(number + 1) in either.text("dl div:first-child dd")
        assert either.complaints() == []
        either.open("/-/paths")


def test_a_paths_page_shows_its_first_and_last_hit(either, full):
    either.address = full.address
    hit(full.address, "/when")
    either.open("/-/paths/when")
    times = [time.get_attribute("datetime") for time in either.find_all("dl time")]
    assert len(times) == 2 and times[0] <= times[1] and times[0].startswith("20")
    assert either.number == full.ledger.count("/when")


def test_the_page_of_an_uncounted_path_is_a_404(either, still):
    either.address = still.address
    either.open("/-/paths/never/counted")
    assert "404" in either.text("h1")
    assert "This path has not been counted yet." in either.text(".error")


def test_a_paths_page_links_to_the_path(either, full):
    either.address = full.address
    for path in ("/visit/me", "//two/slashes"):
        number = hit(full.address, path)
        either.open("/-/paths" + path)
        either.click(".one p a")
        assert either.target == path and either.number == number + 1


def test_exports_have_the_rows_of_the_page(either, still):
    either.address = still.address
    either.open("/-/paths?prefix=/section-5&limit=10")
    links = {link.text: link.get_attribute("href").partition(":")[2].partition("/-")[2]
             for link in either.find_all(".side .note a")}
    rows = either.rows
    document = get(still.address, "/-" + links["JSON"]).json()
    assert [(row["path"], row["count"]) for row in document["rows"]] == rows
    lines = get(still.address, "/-" + links["CSV"]).text.splitlines()
    assert len(lines) == 1 + len(rows)
    assert get(still.address, "/-" + links["all for Excel"]).body.startswith("\ufeffpath,count\r\n".encode())
    lines = get(still.address, "/-" + links["all as CSV"]).text.splitlines()
    assert len(lines) == 1 + sum(path.startswith("/section-5") for path in MANY)


def test_an_empty_ledger_has_an_inviting_page(either, own):
    pair = own()
    either.address = pair.address
    either.open("/-/paths")
    assert either.text("h2") == "Nothing is counted yet"
    either.click(".button")
    assert either.target == "/hello" and either.number == 1
    assert pair.ledger.counts() == {"/hello": 1}


def test_every_page_is_linked_and_has_links(either, still):
    either.address = still.address
    either.open("/-/")
    assert either.text("[aria-current=page]") == "API"
    either.click("header nav a")
    assert either.text("[aria-current=page]") == "All paths"
    either.click("header nav a + a")
    assert either.target == "/-/"


def test_examples_name_this_host_and_can_be_copied(browser, still):
    browser.address = still.address
    browser.open("/-/")
    origin = "http://%s:%d" % still.address
    examples = [example.text for example in browser.find_all("pre code")]
    assert len(examples) > 10 and all(origin in example for example in examples)
    assert len(browser.find_all(".example button")) == len(examples)
