/* The page works without this script. The script scrolls to the visited row, shows the change since
 * the last visit, follows live counts, shows the numbers of a chart, and copies examples. */
"use strict";
(() => {
  const find = (selector, within = document) => within.querySelector(selector);
  const numbers = (element) => (element ? element.textContent.match(/\d[\d,]*/g) || [] : [])
    .map((text) => Number(text.replaceAll(",", "")));
  const format = (value) => value.toLocaleString("en-US");
  const counted = (value, name) => `${format(value)} ${name}${value === 1 ? "" : "s"}`;
  /* the path that a link of the page leads to; the overflow row has none */
  const root = find("header a").pathname;
  const pathOf = (link) => (link ? decodeURIComponent(link.pathname.slice(root.length))
    : "(other paths)");
  const table = find("table:not(.data)");
  const totals = find(".totals");
  const own = find(".own");

  /* --- the visited row: scrolls to it, but not after a reload, a return or with a fragment */

  const marked = find("#v");
  const arrival = performance.getEntriesByType("navigation")[0];
  if (marked && !location.hash && arrival && arrival.type === "navigate" &&
      marked.getBoundingClientRect().bottom > innerHeight) {
    marked.scrollIntoView({ block: "center" });
  }

  /* --- the change since the last visit; only this browser stores the numbers */

  const KEY = "pathcount";
  const MOST = 200;

  function ago(then) {
    const words = new Intl.RelativeTimeFormat("en");
    let past = (then - Date.now()) / 60000;
    if (past > -1) return "a moment ago";
    for (const [unit, length] of [["minute", 60], ["hour", 24], ["day", 30], ["month", 12],
      ["year", Infinity]]) {
      if (-past < length) return words.format(Math.round(past), unit);
      past /= length;
    }
  }

  function sayChanges(since) {
    const link = find("a", own);
    const path = link ? pathOf(link) : ""; /* of all paths */
    const [count] = numbers(find("strong", own));
    const [, hits] = numbers(totals);
    const seen = new Map(JSON.parse(localStorage.getItem(KEY) || "[]"));
    const [before, then, hitsBefore] = seen.get(path) || [];
    if (before <= count) {
      const more = count - before;
      const others = link && hits > hitsBefore + more
        ? `, +${format(hits - hitsBefore - more)} elsewhere` : "";
      since.textContent = `${more === 0 ? "No more hits" : more === 1 && marked ? "Only your own hit"
        : `+${counted(more, "hit")}`} since you looked ${ago(then)}${others}`;
      since.hidden = false;
    }
    seen.delete(path);
    seen.set(path, [count, Date.now(), hits ?? hitsBefore]);
    localStorage.setItem(KEY, JSON.stringify([...seen].slice(-MOST)));
  }

  if (find("#since")) {
    try {
      sayChanges(find("#since"));
    } catch {
      /* no storage, or other data in it: shows nothing */
    }
  }

  /* --- live counts: updated in place, so that readers do not lose the line */

  const live = find("#live");
  const big = own && find("strong", own);
  const status = find("#status");
  const rows = new Map(); /* by path */
  const missing = new Set(); /* paths whose counts are high enough for the table, which lacks them */
  const isPart = totals && totals.textContent.startsWith("of ");
  let stream = null;
  let highest = 1; /* count */

  function measure(row) {
    const share = Math.min(99, Math.floor(row.count / highest * 99));
    row.head.className = `b${String(share).padStart(2, "0")}`;
  }

  /* Shows a number that has grown, and lights it up. */
  function show(changed) {
    const lit = [];
    for (const { path, count, overflow } of changed) {
      const row = rows.get(path);
      if (!row && !overflow) missing.add(path);
      if (!row || count <= row.count) continue;
      row.count = count;
      row.cell.textContent = format(count);
      if (row.isOwn) big.textContent = format(count);
      lit.push(row);
    }
    const before = highest;
    highest = Math.max(highest, ...lit.map((row) => row.count));
    (highest > before ? rows : lit).forEach(measure);
    lit.forEach((row) => row.cell.classList.remove("hot"));
    void table?.offsetWidth; /* restarts the animation of rows that are still lit */
    lit.forEach((row) => row.cell.classList.add("hot"));
  }

  function showTotals({ paths, hits }) {
    if (totals) {
      totals.textContent = `${isPart ? "of " : ""}${counted(paths, "path")}, ${
        counted(hits, "hit")} in all`;
    } else if (big && !find("a", own)) {
      big.textContent = format(hits);
      big.nextElementSibling.textContent = `${hits === 1 ? "hit" : "hits"} on ${
        counted(paths, "path")}`;
    }
  }

  function tell(event) {
    const said = JSON.parse(event.data);
    show(said.rows);
    showTotals(said.totals);
    status.textContent = missing.size === 0 ? "following, in place"
      : `following; ${counted(missing.size, "new path")} not shown`;
  }

  function isOn() {
    return live.getAttribute("aria-checked") === "true";
  }

  /* A hidden page closes its connection, because a browser has few of them. It gets a snapshot when
   * it is shown again. */
  function follow() {
    if (stream) stream.close();
    stream = null;
    if (!isOn() || document.hidden) return;
    stream = new EventSource(live.dataset.from);
    stream.addEventListener("snapshot", tell);
    stream.addEventListener("change", tell);
    stream.onerror = ({ target }) => {
      status.textContent = "connection lost, trying again";
      /* a browser reconnects automatically only after it was connected */
      if (target.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
    };
  }

  function turn() {
    live.setAttribute("aria-checked", String(!isOn()));
    status.textContent = "";
    follow();
  }

  if (live && window.EventSource) {
    if (table) {
      for (const line of table.querySelectorAll("tbody tr")) {
        const [head, cell] = line.cells;
        const row = { head, cell, count: numbers(cell)[0], isOwn: line === marked };
        rows.set(pathOf(find("a", head)), row);
        highest = Math.max(highest, row.count);
      }
    }
    live.hidden = false;
    live.onclick = turn;
    addEventListener("pagehide", () => stream && stream.close());
    addEventListener("pageshow", (event) => event.persisted && follow());
    document.addEventListener("visibilitychange", follow);
  }

  /* --- charts: the numbers of the bar under the pointer, from the table behind it */

  for (const chart of document.querySelectorAll(".chart")) {
    const svg = find("svg", chart);
    const axis = find(".axis", chart);
    const ends = [...axis.childNodes];
    const heads = [...find("thead tr", chart).cells];
    const lines = [...find("tbody", chart).rows];
    const slots = svg.viewBox.baseVal.width / 10;
    const bar = document.createElementNS(svg.namespaceURI, "rect");
    const text = document.createElement("span");
    bar.setAttribute("class", "at");
    bar.setAttribute("width", 10);
    bar.setAttribute("height", 100);
    const leave = () => {
      bar.remove();
      axis.replaceChildren(...ends);
    };
    const point = (event) => {
      const { left, width } = svg.getBoundingClientRect();
      const slot = Math.max(0, Math.min(slots - 1, Math.floor((event.clientX - left) / width * slots)));
      const line = lines[slot - slots + lines.length];
      if (!line) {
        leave();
        return;
      }
      const [name, ...values] = [...line.cells].map((cell) => cell.textContent);
      text.textContent = `${name}: ${values.map((value, i) =>
        `${heads[i + 1].textContent.toLowerCase()} ${value}`).join(", ")}`;
      bar.setAttribute("x", slot * 10);
      svg.append(bar);
      axis.replaceChildren(text);
    };
    svg.onpointermove = point;
    svg.onpointerdown = point;
    svg.onpointerleave = leave;
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
