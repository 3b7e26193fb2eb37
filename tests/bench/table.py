"""The table on the terminal."""

import statistics

PROCESSES = ("render-svc", "counter-svc", "PostgreSQL", "gunicorn", "libh2o", "load")


def number(value):
    """Three digits, or more before the point."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


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


def target_rows(lines):
    yield "", "what", "figure", "peer", "its figure", "ratio", "target", "met"
    for line in lines:
        unit = line["unit"] if line["unit"] == "/s" else " " + line["unit"]
        bound = ("≥ " if line["least"] else "≤ ") + number(line["target"])
        yield (
            str(line["number"]), line["what"],
            with_range(line["figure"], line["figure_range"], unit),
            line["peer_name"] or "", with_range(line["peer"], line["peer_range"], unit)
            if line["peer_name"] else "", with_range(line["ratio"], line["ratio_range"], " ×")
            if line["peer_name"] else "", bound + (" ×" if line["peer_name"] else unit),
            {True: "yes", False: "NO", None: "not measured"}[line["met"]])


def cpu_rows(figures):
    """Median microseconds of CPU for each hit."""
    yield "CPU a hit, µs", *PROCESSES
    for name, rounds in figures.items():
        rounds = [figure for figure in rounds if figure]
        cells = []
        for process in PROCESSES:
            used = [figure["cpu_us"][process] for figure in rounds
                    if process in figure["cpu_us"]]
            cells.append(number(statistics.median(used)) if used else "")
        yield name, *cells


def draw(result):
    plan, machine = result["plan"], result["machine"]
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    checks = result["checks"]
    errors = sum(figure["errors"] for rounds in result["figures"].values() for figure in rounds
                 if figure)
    few = "" if plan["many_paths"] >= 1000000 else \
        f"The large ledger has {plan['many_paths']:,} paths, not a million. "
    return "\n".join([
        "",
        *align(list(target_rows(result["lines"]))),
        "",
        *align(list(cpu_rows(result["figures"]))),
        "",
        f"{machine['cores']} cores, {machine['model']}, Linux {machine['kernel']}; PostgreSQL: "
        f"{settings}, on {result['file_system']}.",
        f"{few}Medians of {plan['rounds']} rounds of {plan['seconds']} s (least–greatest). Bodies "
        "of plain libh2o: " + ", ".join(f"{size:,} B" for size in result["body_bytes"].values()) + ".",
        "After all that the services hold " + ", ".join(
            f"{size / 1e6:.3g} MB ({name})" for name, size in result["after_load"].items()) + ".",
        *([f"{errors:,} hits were not answered by a 200."] if errors else []),
        f"{sum(check['ok'] for check in checks)} of {len(checks)} audits found every acknowledged "
        "hit in the table, once.",
    ])
