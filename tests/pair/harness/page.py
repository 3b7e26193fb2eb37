"""What a person reads on the HTML page."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """title; rows, the table's (path, count); icon, the href of the page's icon; outside, the text
    of the body that is not in the table; scripts, how many script elements there are."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.rows = []
        self.icon = None
        self.outside = ""
        self.scripts = 0
        self._open = []
        self._cells = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "link" and "icon" in (attrs.get("rel") or "").split():
            self.icon = attrs.get("href")
        if tag == "script":
            self.scripts += 1
        if tag == "tr":
            self._cells = []
        if tag in ("td", "th") and self._cells is not None:
            self._cells.append([tag, ""])
        if tag in ("title", "table", "style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag == "tr" and self._cells:
            if any(kind == "td" for kind, _ in self._cells):
                path, count = [text for _, text in self._cells][-2:]
                self.rows.append((path, int(plain_numbers(count))))
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


def read(answer):
    """The page of an answer that must be one."""
    assert answer.media_type == "text/html", answer.header("content-type")
    assert "charset=utf-8" in answer.header("content-type").lower().replace(" ", "")
    return Page(answer.text)
