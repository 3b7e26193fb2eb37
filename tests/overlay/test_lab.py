"""The lab's own commands that no other test uses."""
from harness.lab import docker, world


def test_status_lists_hosts_addresses_and_services(stack):
    told = stack.lab("status").stdout
    for host in stack.hosts:
        assert f"http://127.0.0.1:{world.LOCAL_PORT + host}/" in told
        assert world.host_address(host) in told and str(world.host_socket(host)) in told
    assert told.count(" up ") == len(stack.hosts) and "pathcount_render-svc" in told


def test_exec_runs_on_the_host(stack):
    assert stack.lab("exec", "h2", "hostname").stdout == "pathcount-h2\n"
    address = stack.lab("exec", 3, "ip", "-o", "address", "show", "eth0").stdout
    assert f" {world.host_address(3)}/" in address
    listed = stack.lab("exec", "h1", "docker", "ps", "--quiet").stdout.split()
    assert listed == docker(1, "ps", "--quiet").split()
    assert stack.lab("exec", "h1", "false", check=False).returncode == 1


def test_no_host_reaches_the_internet(stack):
    for host in stack.hosts:
        assert "default" not in stack.lab("exec", host, "ip", "route").stdout


def test_an_invalid_command_is_refused_in_one_line(stack):
    for words, why in ((("cut", "h7"), "no host h7"), (("up", 2), "another kind or number"),
                       (("up", "--vm", 2), "another kind or number")):
        refused = stack.lab(*words, check=False)
        assert refused.returncode == 1 and why in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert stack.lab("exec", "h1", check=False).returncode == 2
