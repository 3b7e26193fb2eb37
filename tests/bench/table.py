"""The results as a table on the terminal and as Markdown."""

import statistics

MOST_FOR_OTHERS = 0.15  # of the cores, beyond which rates say little

PROCESSES = ("render-svc", "counter-svc", "PostgreSQL", "gunicorn", "libh2o", "Redis", "load")


def number(value):
    """Three significant digits, or all digits before the decimal point."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def quartiles(values):
    """The first and the third quartile; None of a single value."""
    if len(values) < 2:
        return None
    first, _, third = statistics.quantiles(values, n=4)
    return first, third


def with_range(value, ends, unit=""):
    if value is None:
        return "–"
    if ends is None or ends[0] == ends[1]:
        return number(value) + unit
    return f"{number(value)}{unit} ({number(ends[0])}–{number(ends[1])})"


def align(rows):
    """Rows of text in columns; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    return [lines[0], "─" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]]


def markdown(rows):
    """The same as a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def target_rows(lines, no="NO"):
    yield "", "what", "figure", "peer", "its figure", "ratio", "target (stretch)", "met"
    for line in lines:
        unit = line["unit"] if line["unit"] == "/s" else " " + line["unit"]
        has_peer = line["peer_name"] is not None
        of_value = " ×" if has_peer else unit
        yield (
            str(line["number"]), line["what"],
            with_range(line["figure"], line["figure_range"], unit), line["peer_name"] or "",
            with_range(line["peer"], line["peer_range"], unit) if has_peer else "",
            with_range(line["value"], line["value_range"], " ×") if has_peer else "",
            bound(line, of_value), verdict(line, no))


def bound(line, unit):
    """The target, and the stretch target if there is one."""
    if line["target"] is None:
        return ""
    stretch = f" ({number(line['stretch'])})" if line["stretch"] is not None else ""
    return f"{'≥' if line['least'] else '≤'} {number(line['target'])}{unit}{stretch}"


def verdict(line, no):
    if line["target"] is None:
        return ""
    if line["met"] is None:
        return "not measured"
    return "yes, stretch too" if line["met_stretch"] else "yes" if line["met"] else no


def cpu_rows(figures):
    """Median microseconds of CPU per hit, and how much of one core the load generator used."""
    yield "CPU per hit, µs", *PROCESSES, "load, of a core"
    for name, rounds in figures.items():
        rounds = [figure for figure in rounds if figure]
        cells = []
        for process in PROCESSES:
            used = [figure["cpu_us"][process] for figure in rounds
                    if process in figure["cpu_us"]]
            cells.append(number(statistics.median(used)) if used else "")
        shares = [figure["cpu_us"]["load"] * figure["rate"] / 1e6 for figure in rounds]
        yield name, *cells, f"{statistics.median(shares):.0%}" if shares else ""


def remarks(result):
    """Sentences about how the figures were obtained."""
    plan, machine = result["plan"], result["machine"]
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    errors = sum(figure["errors"] for rounds in result["figures"].values() for figure in rounds
                 if figure)
    yield (f"{machine['cores']} cores, {machine['model']}, Linux {machine['kernel']}. PostgreSQL: "
           f"{settings}, on {result['file_system']}.")
    if plan["many_paths"] < 1000000:
        yield f"The large ledger has {plan['many_paths']:,} paths instead of a million."
    bodies = {name.split(":")[0]: size for name, size in result["body_bytes"].items()}
    yield (f"Medians of {plan['rounds']} rounds of {plan['seconds']} s each (least–greatest). "
           "Bodies of plain libh2o: " + ", ".join(
               f"{size:,} B ({name})" for name, size in bodies.items()) + ".")
    yield "After the rounds, memory is " + ", ".join(
        f"{size / 1e6:.3g} MB ({name})" for name, size in result["after_load"].items()) + "."
    others = [figure["others"] for figures in result["figures"].values() for figure in figures
              if figure]
    if others:
        median = statistics.median(others)
        yield (f"Other processes and other guests of the host had {median:.0%} of the cores "
               f"(median; at most {max(others):.0%})" +
               (": the machine was too busy for these figures to count."
                if median > MOST_FOR_OTHERS else "."))
    settling = {name: [figure["settling_s"] for figure in result["figures"].get(name, []) if figure]
                for name in ("page", "all of many", "page, long run")}
    yield "From the end of the load until the table held all hits: " + ", ".join(
        f"{statistics.median(seconds) * 1000:,.0f} ms ({name})"
        for name, seconds in settling.items() if seconds) + "."
    if errors:
        yield f"{errors:,} requests were not answered with a 200."
    checks = result["checks"]
    yield f"{sum(check['ok'] for check in checks)} of {len(checks)} audits passed."


def draw(result):
    """The text for the terminal."""
    return "\n".join([
        "", *align(list(target_rows(result["lines"]))), "",
        *align(list(cpu_rows(result["figures"]))), "", *remarks(result)])


def draw_markdown(result):
    """The section "Figures" of docs/performance.md."""
    return "\n".join([
        *markdown(list(target_rows(result["lines"], "**no**"))), "",
        "CPU time per hit of each process, in microseconds (medians), and how much of one core the "
        "load generator used:", "",
        *markdown(list(cpu_rows(result["figures"]))), "", " ".join(remarks(result)), ""])
