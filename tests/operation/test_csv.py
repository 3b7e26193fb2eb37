"""CSV as operators' tools read it: Python's csv, psql and LibreOffice Calc."""

import csv
import io
import os
import re
import subprocess

import pytest

from harness.face import Face
from harness.postgres import programs
from harness.services import ROOT

# Difficult paths for readers of CSV: quotes, separators, line ends, paths that look like a number, a date, a
# formula, a marker or nothing, and characters of every kind.
PATHS = [
    "/", "/a", '/"', '/""', '/"a"', "/,", "/a,b", "/;", "/\t", "/ ", "/ a ", "/'", "/a\nb", "/a\rb", "/a\r\nb c", "/\n",
    "/a\n\n", "/\\", "/\\.", "/\\N", "/\n\\.x", "/=1+1", "/+1", "/-1", "/@a", "/NULL", "/TRUE", "/#N/A", "/1/2",
    "/2026-01-01", "/1e5", "/é", "/e\u0301", "/😀", "/日本", "/\u202eabc", "/\u200b", "/\ufeff", "/\u2028", "/\x01",
    "/\x7f",
    "/%41", "/" + "x" * 2047, "/" + "é" * 1023]
COUNTS = {path: 999_999_000 + number for number, path in enumerate(PATHS, 1)}
MARKER = "/a\n\\.\nb"  # alone on a line it once ended the data of COPY


def documented():
    """The commands for this tool, from docs/operations.md."""
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
        section = file.read().split("\n## Taking the counts elsewhere\n")[1]
    return re.search(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture
def pair(stage):
    return stage.pair()


@pytest.fixture
def elsewhere(cluster):
    """A database without a ledger."""
    return cluster.new_ledger()


def take(pair, database, folder):
    """Runs the commands as they are in the docs. Returns the finished process."""
    address = "127.0.0.1:9090"
    commands = documented()
    assert commands.count(address) == 1
    return subprocess.run(
        ["bash", "-euc", commands.replace(address, "%s:%d" % pair.address)], cwd=folder, timeout=60,
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={
            "PATH": f"{programs()}:/usr/bin:/bin", "PGHOST": database.cluster.folder, "PGUSER": "postgres",
            "PGPORT": str(database.cluster.port), "PGDATABASE": database.database})


def read(path):
    """The rows of a file, as (path, count), by Python's csv."""
    with open(path, encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, strict=True)
    assert head == ["path", "count"]
    return [(path, int(count)) for path, count in rows]


def test_python_and_psql_read_every_row(pair, elsewhere, tmp_path):
    pair.api.count(COUNTS)
    pair.ledger.until_folded()
    done = take(pair, elsewhere, tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "counts.csv") == sorted(COUNTS.items())
    assert sorted(elsewhere.run("SELECT path, count FROM counts")) == sorted(COUNTS.items())


def test_a_path_that_ends_psqls_copy_is_an_error_and_the_server_accepts_it(pair, elsewhere, tmp_path):
    pair.api.count({**COUNTS, MARKER: 1})
    pair.ledger.until_folded()
    done = take(pair, elsewhere, tmp_path)
    assert done.returncode == 1 and "unterminated CSV quoted field" in done.stderr
    assert elsewhere.value("SELECT count(*) FROM counts") == 0
    with elsewhere.connect().cursor() as cursor:
        with cursor.copy("COPY counts FROM STDIN WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')") as copy:
            copy.write((tmp_path / "counts.csv").read_bytes())
    assert dict(elsewhere.run("SELECT path, count FROM counts")) == {**COUNTS, MARKER: 1}


def test_the_row_of_one_path_has_its_times(pair, elsewhere):
    pair.api.count({'/"one",\n': 3})
    pair.ledger.until_folded()
    answer = Face(pair.address).get("/-/paths/%22one%22,%0A?format=csv")
    [row] = csv.DictReader(io.StringIO(answer.text, newline=""), strict=True)
    assert (row["path"], row["count"], row["rank"]) == ('/"one",\n', "3", "1")
    elsewhere.run("CREATE TABLE one (path text, count bigint, rank int, first timestamptz, last timestamptz)")
    with elsewhere.connect().cursor() as cursor:
        with cursor.copy("COPY one FROM STDIN WITH (FORMAT csv, HEADER match)") as copy:
            copy.write(answer.body)
    assert elsewhere.run("SELECT path, count, rank, now() - first < '1 hour', last >= first FROM one") == [
        ('/"one",\n', 3, 1, True, True)]


BOM = "\ufeff".encode()


@pytest.mark.parametrize("target", ["/-/paths?format=csv", "/-/paths?format=csv&limit=9", "/-/paths/a?format=csv"])
def test_a_byte_order_mark_is_added_once_on_request(pair, target):
    pair.api.count_all(dict.fromkeys((f"/{n:05}/{'x' * 90}" for n in range(2500)), 1) | {"/a": 1}, 1000)
    pair.ledger.until_folded()
    plain, marked = (Face(pair.address).get(target + bom) for bom in ("&bom=0", "&bom=1"))
    assert marked.body == BOM + plain.body and BOM not in plain.body
    assert marked.header("content-type") == plain.header("content-type")
    assert list(csv.reader(io.StringIO(marked.body.decode("utf-8-sig"), newline="")))[0][:2] == ["path", "count"]


@pytest.mark.parametrize("query", ["format=csv&bom=", "format=csv&bom=2", "format=csv&bom", "format=json&bom=1",
                                   "bom=1"])
def test_bom_is_only_valid_for_csv(pair, query):
    for target in ("/-/paths", "/-/paths/a"):
        assert Face(pair.address).get(f"{target}?{query}").status == 400


@pytest.mark.parametrize("bom", ["", "&bom=1"])
def test_calc_reads_every_row(pair, tmp_path, bom):
    """Calc writes the rows that it has read as CSV, with every text in quotes. The byte-order mark, by which its
    dialog recognises UTF-8, is not part of the first column's name."""
    pair.api.count({**COUNTS, MARKER: 1})
    pair.ledger.until_folded()
    (tmp_path / "counts.csv").write_bytes(Face(pair.address).get("/-/paths?format=csv" + bom).body)
    done = subprocess.run(
        ["soffice", "--headless", "--norestore", f"-env:UserInstallation=file://{tmp_path}/profile",
         "--infilter=CSV:44,34,76,1", "--convert-to",
         "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false", "--outdir", "calc", "counts.csv"],
        cwd=tmp_path, timeout=120, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "calc" / "counts.csv")

    def as_calc_has_it(path):
        return path.replace("\r\n", "\n").replace("\r", "\n")

    assert sorted(found) == sorted((as_calc_has_it(path), count) for path, count in {**COUNTS, MARKER: 1}.items())
