/* What the page can do beyond what it does without: it goes to the visited row, says what changed
 * since the last look, follows counts as they change, copies examples. */
"use strict";
(() => {
  const find = (selector, within = document) => within.querySelector(selector);
  const numbers = (element) => (element ? element.textContent.match(/\d[\d,]*/g) || [] : [])
    .map((text) => Number(text.replaceAll(",", "")));
  const format = (value) => value.toLocaleString("en-US");
  const counted = (value, name) => `${format(value)} ${name}${value === 1 ? "" : "s"}`;
  /* the path that a link of the page leads to */
  const pathOf = (link) => decodeURIComponent(link.pathname.slice("/-/paths".length));
  const table = find("table");
  const totals = find(".totals");
  const own = find(".own");

  /* --- the visited row: gone to, unless the reader was elsewhere before */

  const marked = find("#v");
  const arrival = performance.getEntriesByType("navigation")[0];
  if (marked && !location.hash && arrival && arrival.type === "navigate" &&
      marked.getBoundingClientRect().bottom > innerHeight) {
    marked.scrollIntoView({ block: "center" });
  }

  /* --- what changed since the last look, which this browser alone remembers */

  const KEY = "pathcount";
  const MOST = 200;

  function ago(then) {
    const words = new Intl.RelativeTimeFormat("en");
    let past = (then - Date.now()) / 1000;
    for (const [unit, length] of [["second", 60], ["minute", 60], ["hour", 24], ["day", 30],
      ["month", 12], ["year", Infinity]]) {
      if (-past < length) return words.format(Math.round(past), unit);
      past /= length;
    }
  }

  function sayChanges() {
    const since = find("#since");
    const link = find("a", own);
    const path = link ? pathOf(link) : ""; /* of all paths */
    const [count] = numbers(find("strong", own));
    const [, hits] = numbers(totals);
    const seen = new Map(JSON.parse(localStorage.getItem(KEY) || "[]"));
    const [before, then, hitsBefore] = seen.get(path) || [];
    if (before <= count) {
      const all = hitsBefore < hits ? `, +${format(hits - hitsBefore)} on all paths` : "";
      since.textContent = `${before === count ? "No more hits" : `+${counted(count - before, "hit")}`
        } since you looked ${ago(then)}${all}`;
      since.hidden = false;
    }
    seen.delete(path);
    seen.set(path, [count, Date.now(), hits ?? hitsBefore]);
    localStorage.setItem(KEY, JSON.stringify([...seen].slice(-MOST)));
  }

  if (own) {
    try {
      sayChanges();
    } catch {
      /* no storage, or something else in it: nothing is claimed */
    }
  }

  /* --- live counts: in place, so that whoever reads does not lose the line */

  const live = find("#live");
  const status = find("#status");
  const rows = new Map();
  let stream = null;
  let highest = 1;

  function measure(row) {
    const share = Math.min(99, Math.floor(row.count / highest * 99));
    row.head.className = `b${String(share).padStart(2, "0")}`;
  }

  function show(path, count) {
    const row = rows.get(path);
    if (!row || count <= row.count) return;
    row.count = count;
    row.cell.textContent = format(count);
    if (count > highest) {
      highest = count;
      rows.forEach(measure);
    } else {
      measure(row);
    }
    row.cell.classList.remove("hot");
    void row.cell.offsetWidth; /* or the highlight would not begin anew */
    row.cell.classList.add("hot");
  }

  function follow() {
    stream = new EventSource(live.dataset.from);
    stream.onopen = () => {
      status.textContent = "Counts change as hits come in; the order stays as it was.";
    };
    stream.onerror = () => {
      status.textContent = "The connection is lost; trying again.";
    };
    stream.onmessage = (event) => {
      const { rows: changed } = JSON.parse(event.data);
      changed.forEach(({ path, count }) => show(path, count));
    };
  }

  function turn(on) {
    live.setAttribute("aria-checked", String(on));
    if (stream) stream.close();
    stream = null;
    status.textContent = "";
    if (on) follow();
  }

  if (live && window.EventSource) {
    if (table) {
      for (const line of table.querySelectorAll("tbody tr")) {
        const [head, cell] = line.cells;
        const row = { head, cell, count: numbers(cell)[0] };
        rows.set(pathOf(find("a", head)), row);
        highest = Math.max(highest, row.count);
      }
    }
    live.hidden = false;
    live.onclick = () => turn(!stream);
    addEventListener("pagehide", () => stream && stream.close());
  }

  /* --- examples to copy, for the origin that the reader sees */

  for (const example of document.querySelectorAll("pre code")) {
    example.textContent = example.textContent.replaceAll(`http://${location.host}`, location.origin);
    if (!navigator.clipboard) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.onclick = async () => {
      await navigator.clipboard.writeText(example.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    example.parentElement.after(button);
  }
})();
