"""The canonical path of a request: percent-decoded, without the query, without dot segments."""

import pytest

from harness.http import get, hit_in_full, MINIMAL

SAME = [  # request target, canonical path
    ("/", "/"), ("/a", "/a"), ("/a/b/", "/a/b/"),
    ("/a?x=1", "/a"), ("/a?", "/a"), ("/?a=/b", "/"), ("/a?%zz%00%ff", "/a"), ("/a?b?c", "/a"),
    ("/%61%62c", "/abc"), ("/%7Euser", "/~user"), ("/a%20b", "/a b"), ("/a+b", "/a+b"),
    ("/%C3%A9", "/é"), ("/%c3%a9", "/é"), ("/%F0%9F%98%80", "/😀"), ("/e%CC%81", "/e\u0301"),
    ("/%F4%8F%BF%BF", "/\U0010ffff"), ("/%EF%BB%BF", "/\ufeff"),
    ("/a%2Fb", "/a/b"), ("/a%3Fb", "/a?b"), ("/a%23b", "/a#b"), ("/a%25b", "/a%b"),
    ("/a%2541", "/a%41"), ("/a%0Ab", "/a\nb"), ("/a%09", "/a\t"), ("/a%7F", "/a\x7f"),
    ("/a;b=c,d", "/a;b=c,d"), ("/a'b\"c", "/a'b\"c"), ("/a\\b", "/a\\b"), ("/a:b@c", "/a:b@c"),
    ("/.", "/"), ("/..", "/"), ("/./a", "/a"), ("/../a", "/a"), ("/a/.", "/a/"), ("/a/..", "/"),
    ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/a/b/../../c", "/c"), ("/a/b/c/./../../g", "/a/g"),
    ("/a/../../../b", "/b"), ("/a/%2e%2e/b", "/b"), ("/a/%2E/b", "/a/b"), ("/a/.%2e/b", "/b"),
    ("/a/x%2F..%2Fb", "/a/b"), ("/%2e%2e%2fa", "/a"),
    ("/...", "/..."), ("/.a", "/.a"), ("/a..", "/a.."), ("/a/..b", "/a/..b"), ("/a.", "/a."),
    ("//", "//"), ("//a", "//a"), ("/a//b", "/a//b"), ("/a//", "/a//"), ("/a//../b", "/a/b"),
    ("/A", "/A"), ("/a%2f", "/a/"), (b"/caf\xc3\xa9", "/café"),
]


@pytest.mark.parametrize("target, path", SAME, ids=str)
def test_a_target_is_counted_as_its_canonical_path(pair, target, path):
    before = pair.ledger.count(path)
    document = get(pair.address, target, MINIMAL).json()
    assert document == {"path": path, "count": before + 1}
    assert pair.ledger.count(path) == before + 1


@pytest.mark.parametrize("one, other", [
    ("/case", "/Case"), ("/slash", "/slash/"), ("/double/x", "/double//x"),
    ("/%C3%A9t%C3%A9", "/e%CC%81te%CC%81"), ("/plus+", "/plus%20"), ("/p%2525", "/p%25")])
def test_different_paths_are_counted_apart(pair, one, other):
    for target in (one, other):
        assert get(pair.address, target, MINIMAL).json()["count"] == 1


def test_targets_of_one_canonical_path_are_counted_together(stage):
    pair = stage.pair()
    names = ["/x/y", "/x/%79", "/x/./y", "/x/z/../y", "/%78%2Fy?query", "/../x/y"]
    assert [get(pair.address, name, MINIMAL).json()["count"] for name in names] == list(range(1, 7))
    assert hit_in_full(pair.address, "/x/y")["rows"] == [{"path": "/x/y", "count": 7, "bots": 0}]
