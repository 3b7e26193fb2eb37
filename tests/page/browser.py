"""A headless Chromium for the tests: no requests to the outside, no animations, and every wait has a
condition."""

import base64
import json
import pathlib

from harness.wait import until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions", "--disable-domain-reliability", "--metrics-recording-only",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    # it cannot resolve names outside
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
JAVASCRIPT_OFF = {"profile.managed_default_content_settings.javascript": 2}


class Browser:
    """One window. `address` is the server of the pages that `open` opens."""

    def __init__(self, script=True):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ARGUMENTS:
            options.add_argument(argument)
        if not script:
            options.add_experimental_option("prefs", JAVASCRIPT_OFF)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.script = script
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(30)
        self.address = None
        self.look()

    def quit(self):
        self.driver.quit()

    # --- the window

    def look(self, width=1280, height=800, dark=False, still=False):
        """Sets the window's size and its user's preferences: dark pages, reduced motion."""
        self._command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        self._command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def _command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    # --- navigation

    def open(self, target):
        self.driver.get("http://%s:%d%s" % (*self.address, target))
        return self

    def forget_cookies(self):
        """Deletes the cookies of every origin: cookies do not distinguish ports."""
        self._command("Network.clearBrowserCookies")

    def forget(self):
        """Clears the browser's cache of pages."""
        self._command("Storage.clearDataForOrigin", origin="http://%s:%d" % self.address,
                      storageTypes="all")

    @property
    def target(self):
        """The path and query of the open page."""
        return self.driver.current_url.partition("//")[2].partition("/")[2].join(["/", ""])

    def click(self, selector):
        """Clicks an element that leads to another page, and waits for that page."""
        page = self.find("html")
        self.find(selector).click()
        until(lambda: self._is_gone(page), f"{selector} to lead to another page")

    def _is_gone(self, element):
        try:
            element.is_displayed()
        except Exception as error:  # any error of the driver about an element of the previous page
            if "stale" in type(error).__name__.lower() or "NoSuch" in type(error).__name__:
                return self.find_all("body") != []
            raise
        return False

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def point_at(self, selector):
        """Moves the pointer to the middle of an element."""
        ActionChains(self.driver).move_to_element(self.find(selector)).perform()

    def type_into(self, selector, text, submit=True):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)
        if submit:
            page = self.find("html")
            field.send_keys(Keys.ENTER)
            until(lambda: self._is_gone(page), "the form to be sent")

    def save_nothing(self):
        """Discards downloads."""
        self._command("Browser.setDownloadBehavior", behavior="deny")

    # --- the page

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def shows(self, selector):
        """Whether a matching element exists and is visible."""
        return any(element.is_displayed() for element in self.find_all(selector))

    def run(self, script, *arguments):
        """The value that JavaScript code returns. Works without the page's own scripts, too."""
        return self.driver.execute_script(script, *arguments)

    def ask(self, script, *arguments):
        """The value that JavaScript code passes to its last argument, a callback."""
        return self.driver.execute_async_script(script, *arguments)

    @property
    def rows(self):
        """The table's (path, count). Each path is as shown, or as a screen reader reads it."""
        return [(path, int(count.replace(",", ""))) for path, count in self.run(
            "return [...document.querySelectorAll('section tbody tr')].map(row => ["
            "row.querySelector('a').title || row.querySelector('a').textContent,"
            "row.cells[row.cells.length - 1].textContent])")]

    @property
    def hrefs(self):
        """The targets of the table's links."""
        return self.run("return [...document.querySelectorAll('section tbody a')]"
                        ".map(a => a.getAttribute('href'))")

    @property
    def number(self):
        """The large count of the page."""
        return int(self.text(".count strong").replace(",", ""))

    def fonts_of(self, selector):
        """The names of the fonts that show the text of an element."""
        self._command("DOM.enable")
        self._command("CSS.enable")
        root = self._command("DOM.getDocument")["root"]["nodeId"]
        node = self._command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        fonts = self._command("CSS.getPlatformFontsForNode", nodeId=node)["fonts"]
        self._command("CSS.disable")
        return {font["familyName"] for font in fonts}

    def is_within_view(self, selector):
        return self.run(
            "const {top, bottom} = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return top >= 0 && bottom <= innerHeight", selector)

    def wider_than_the_window(self):
        """An element that overflows to the right, or None."""
        return self.run(
            "const most = document.documentElement.clientWidth;"
            "if (document.documentElement.scrollWidth <= most) return null;"
            "return [...document.querySelectorAll('body *')].filter("
            "  e => e.getBoundingClientRect().right > most + 1).map(e => e.outerHTML.slice(0, 200))"
            ".slice(0, 5)")

    def complaints(self):
        """The console's errors since the last call, except statuses of intended error pages."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING")
                and "the server responded with a status of" not in entry["message"]]

    def violations(self):
        """The violations that axe-core finds on the present page."""
        if not self.run("return typeof axe === 'object'"):
            self.run(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document).then(r => done(r.violations), e => done([{id: String(e), nodes: []}]))")
        return [f"{violation['id']}: {violation.get('help')}: "
                + json.dumps([(node["html"][:160], node.get("failureSummary", "")[:300])
                              for node in violation["nodes"][:3]]) for violation in found]

    def picture(self, name):
        """Saves a picture of the window to build/screenshots/."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        data = self._command("Page.captureScreenshot", format="png")["data"]
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(data))
