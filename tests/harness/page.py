"""Reads the HTML page as a person would."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """title; rows, the table's (path, count), including the separate row of the visited path; marked, the
    rows marked as visited; icon, the href of the page's icon; outside, the text of the body outside the
    table; scripts, the src of each script element (None: inline); links, every href, src and action."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.rows = []
        self.icon = None
        self.outside = ""
        self.scripts = []
        self.links = []
        self.marked = []
        self._is_marked = False
        self._open = []
        self._cells = None
        self._is_chart = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "link" and "icon" in (attrs.get("rel") or "").split():
            self.icon = attrs.get("href")
        if tag == "script":
            self.scripts.append(attrs.get("src"))
        self.links += [attrs[name] for name in ("href", "src", "action") if name in attrs]
        if tag == "table":
            self._is_chart = attrs.get("class") == "data"
        if tag == "tr":
            self._cells = []
            self._is_marked = attrs.get("aria-current") == "true"
        if tag in ("td", "th") and self._cells is not None:
            self._cells.append([tag, ""])
        if tag in ("title", "table", "style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag == "tr" and self._cells:
            if any(kind == "td" for kind, _ in self._cells) and not self._is_chart:
                path, count = [text for _, text in self._cells][-2:]
                self.rows.append((path, int(plain_numbers(count))))
                if self._is_marked:
                    self.marked.append(self.rows[-1])
            self._cells = None
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        if self._cells:
            self._cells[-1][1] += data
        elif "title" in self._open:
            self.title += data
        elif not self._open:
            self.outside += data

    @property
    def numbers(self):
        """The numbers in the text outside the table."""
        return [int(number) for number in re.findall(r"\d+", plain_numbers(self.outside))]


def plain_numbers(text):
    """The text without separators between thousands."""
    return re.sub("(?<=\\d)[,'\u2019\u00a0\u2009\u202f](?=\\d{3})", "", text).strip()


def visible(path):
    """A path as the page shows it. Its hidden characters may only be control characters, zero-width
    characters and changes of direction."""
    return re.sub("[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202f\u2060-\u206f]",
                  lambda found: f"U+{ord(found[0]):04X}", path)


def read(answer):
    """Parses the page of an answer. Fails if the answer is not a page."""
    assert answer.media_type == "text/html", answer.header("content-type")
    assert "charset=utf-8" in answer.header("content-type").lower().replace(" ", "")
    return Page(answer.text)
