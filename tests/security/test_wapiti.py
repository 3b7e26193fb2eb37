"""wapiti crawls the pages below /-/, and attacks their parameters."""

import json

import holes
import tools

# Without ssrf and xxe, which use a server of wapiti on the internet, and nikto and wapp, which fetch lists
# from there. pathcount fetches no address from a request, and reads no XML.
MODULES = ("backup,blindsql,cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,methods,permanentxss,"
           "redirect,shellshock,sql,xss")
IN_SHORT = "cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,methods,permanentxss,redirect,shellshock,sql,xss"

# Accepted findings: browsers have removed the filter of X-XSS-Protection, and Strict-Transport-Security has
# no effect without TLS (RFC 6797, 7.2); the TLS terminator sets it.
NOT_OURS = {"X-XSS-Protection is not set", "Strict-Transport-Security is not set"}


def wapiti(address, path, folder, modules):
    report = folder / "report.json"
    tools.run(["wapiti", "-u", "http://%s:%d" % address + path, "--scope", "folder", "-m", modules, "-f", "json", "-o",
               str(report), "--max-scan-time", "600" if tools.THOROUGH else "20",
               "--max-attack-time", "600" if tools.THOROUGH else "20", "--flush-session", "--no-bugreport",
               "--store-session", str(folder / "session"), "--store-config", str(folder / "config")], folder,
              7200 if tools.THOROUGH else 300)
    report = json.loads(report.read_text())
    return [(kind, found["path"], found["info"]) for part in ("vulnerabilities", "anomalies")
            for kind, all_found in report[part].items() for found in all_found]


def test_the_pages_have_no_vulnerability(pair, tmp_path):
    found = wapiti(pair.address, "/-/", tmp_path, MODULES if tools.THOROUGH else IN_SHORT)
    assert [one for one in found if one[2] not in NOT_OURS] == []


def test_wapiti_finds_a_planted_vulnerability(tmp_path):
    with holes.Server() as server:
        found = wapiti(server.address, "/", tmp_path, "xss,sql")
        assert {"SQL Injection", "Cross Site Scripting"} <= {kind for kind, _, _ in found}
