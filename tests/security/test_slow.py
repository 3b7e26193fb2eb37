"""slowhttptest: other clients are answered while it holds as many slow connections as it can."""

import re

import pytest

import tools
from harness.http import JSON, get

CONNECTIONS, SECONDS = ("4000", "120") if tools.THOROUGH else ("1000", "8")

MODES = {
    "slow heads": ["-H", "-i", "1"],
    "slow bodies": ["-B", "-i", "1", "-s", "60000"],
    "slow reading": ["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "5", "-k", "3"],
    "overlapping ranges": ["-R", "-a", "10", "-b", "3000"],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", ["/", "/-/paths?limit=1000"] if tools.THOROUGH else ["/-/paths?limit=1000"])
def test_other_clients_are_served(pair, tmp_path, mode, target):
    said = tools.run(["slowhttptest", *MODES[mode], "-c", CONNECTIONS, "-r", "500", "-l", SECONDS, "-p", "5", "-u",
                      "http://%s:%d" % pair.address + target], tmp_path, 2 * int(SECONDS) + 60)
    said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)
    available = re.findall(r"service available:\s+(YES|NO)", said)
    assert available and "NO" not in available
    assert get(pair.address, "/after", JSON).status == 200
