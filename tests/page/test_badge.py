"""Badges as Chromium shapes and measures them: text of any script fits its half."""

from unicodedata import normalize
from urllib.parse import urlencode

import pytest
from harness.http import get

STYLES = ["flat", "flat-square", "plastic", "for-the-badge"]
PADDING = {"flat": 10, "flat-square": 10, "plastic": 10, "for-the-badge": 22}
SPACING = {"flat": 0, "flat-square": 0, "plastic": 0, "for-the-badge": 1.25}

# Script → labels: a line, then words and single characters. The browser shapes all of them. The width of
# scripts in SPACED is compared with a known width. Scripts in IN_DEJAVU use the substitute for Verdana.
LABELS = {
    "Latin": ["visits of this page so far", "llllllll", "WWWWWW", "hits"],
    "Latin with diacritics": ["Besökare på sidan hittills", "Příliš žluťoučký kůň úpěl", "Số lượt truy cập trang",
                              "Îles", "naïveté", "Łódź"],
    "Latin decomposed": [normalize("NFD", label) for label in ("Besökare på sidan hittills", "ñàéïöḁ")],
    "Greek": ["Επισκέψεις της σελίδας", "προβολές", "ΕΠΙΣΚΕΨΕΙΣ"],
    "Cyrillic": ["Посещений этой страницы", "Відвідувачі сторінки", "ііііііі", "щшжюфы"],
    "Arabic": ["عدد زيارات هذه الصفحة حتى الآن", "الزيارات", "بازدیدهای این صفحه تاکنون", "ملاحظات"],
    "Hebrew": ["מספר הביקורים בדף הזה", "ביקורים", "צְפִיּוֹת"],
    "Devanagari": ["इस पृष्ठ पर अब तक आने वाले दर्शक", "विज़िट", "दृश्यों की संख्या", "क्षत्रिय"],
    "Thai": ["จำนวนผู้เข้าชมหน้านี้ทั้งหมด", "ผู้เข้าชม", "น้ำ"],
    "Chinese": ["本页面的总访问次数", "访问"],
    "Japanese": ["このページの訪問者数カウンター", "訪問者"],
    "Korean": ["이 페이지의 방문자 수", "방문자"],
    "ZWJ emoji": ["👨‍👩‍👧‍👦👩🏽‍💻🏳️‍🌈👨‍👩‍👧‍👦👩🏽‍💻🏳️‍🌈👨‍👩‍👧", "👩‍❤️‍👩", "👍🏿"],
    "flags": ["🇩🇪🇫🇷🇯🇵🇺🇳🇿🇦🇧🇷🇮🇳🇪🇺", "🇩🇪", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"],
    "zero width": ["visitors\u00adand\u00adhits of a page", "a\u200bb\u200dc\u200cd\u2060e\ufefff"],
    "spaces": ["  visits   of    this     page  ", " hits "],
    "mixed": ["Visits 访问 زيارات 👁️ (beta)", "caffè ☕ № 1"],
}
IN_DEJAVU = {"Latin", "Latin with diacritics", "Latin decomposed", "Greek", "Cyrillic", "Arabic", "Hebrew",
             "zero width", "spaces", "mixed"}
SPACED = {"Latin", "Latin with diacritics", "Greek", "Cyrillic", "spaces"}

MEASURE = """
return arguments[0].map((svg) => {
  document.body.innerHTML = svg;
  const lines = [...document.querySelectorAll('text:not([aria-hidden])')];
  const halves = [...document.querySelectorAll('g[clip-path] rect:not([fill^=url])')];
  return lines.map((line, i) => {
    const box = line.getBBox(), half = halves[i].getBBox();
    const free = line.cloneNode(true);
    free.removeAttribute('textLength');
    line.after(free);
    return {text: line.textContent, width: box.width, free: free.getBBox().width,
            left: box.x - half.x, right: half.x + half.width - box.x - box.width, half: half.width};
  });
});"""


def badge(pair, label, style):
    query = urlencode({"label": label, "style": style})
    return get(pair.address, f"/-/badge/about.svg?{query}").text


@pytest.mark.parametrize("style", STYLES)
def test_text_of_any_script_fits_its_half_and_keeps_its_shape(browser, full, style):
    labels = [(script, label) for script, labels in LABELS.items() for label in labels]
    badges = browser.run(MEASURE, [badge(full, label, style) for _, label in labels])
    for (script, label), halves in zip(labels, badges, strict=True):
        assert len(halves) == 2, label
        for line in halves:
            assert line["left"] >= 0 and line["right"] >= 0, (script, line)
            assert line["half"] - PADDING[style] <= line["width"] * 4 / 3, (script, line)
        line = halves[0]
        if label is LABELS[script][0]:  # a long label, with little padding compared to its width
            assert line["half"] <= line["width"] * 4 / 3, (script, line)
        if script in SPACED:
            spacing = SPACING[style] * len(" ".join(line["text"].split()))
            assert line["width"] - spacing <= line["free"] * 4 / 3, (script, line)
        else:
            assert line["width"] == line["free"], (script, line)


def test_there_is_a_font_for_every_script(browser, full):
    """Otherwise the test above would measure boxes in place of letters."""
    for script, labels in LABELS.items():
        browser.run(MEASURE, [badge(full, labels[0], "flat")])
        fonts = browser.fonts_of("text:not([aria-hidden])")
        assert any(font.startswith("DejaVu") == (script in IN_DEJAVU) for font in fonts), (script, fonts)
