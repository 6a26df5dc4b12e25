"""Hosts for tests: network namespaces of this machine, each with an sshd of its own, on a network of their own."""

import itertools
import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

LINKS = itertools.count()
NETNS = Path("/etc/netns")
NEEDED = ("ip", "ssh", "ssh-keygen", "/usr/sbin/sshd")


def require_hosts():
    """Skip where no such hosts can be made; fail instead where CI says that they must be."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    why = f"{', '.join(missing)} missing" if missing else "" if os.geteuid() == 0 else "only root makes namespaces"
    if not why:
        probe = f"probe{os.getpid()}"
        made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
        why = made.stderr.strip()
        subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    if why and os.environ.get("REQUIRE_HOSTS"):
        pytest.fail(f"REQUIRE_HOSTS is set, and {why}")
    if why:
        pytest.skip(f"no hosts here: {why} (apt-get install iproute2 openssh-server)")


@dataclass
class Host:
    """One of them.

    :param address: its own, in the network of the test.
    :param ssh_config: the file that tells ssh whose key to show.
    """

    name: str
    address: str
    ssh_config: Path
    directory: Path

    def tx(self, python, **environment):
        """Return xdist's specification of it."""
        parts = [f"ssh={self.address}", f"id={self.name}", f"ssh_config={self.ssh_config}", f"python={python}"]
        parts += [f"chdir={self.directory}", *(f"env:{name}={value}" for name, value in environment.items())]
        return "//".join(parts)

    def lose_power(self):
        """Go without a word: no process runs on, and no packet comes back."""
        subprocess.run(["ip", "-n", self.name, "link", "set", "eth0", "down"], capture_output=True)
        pids = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split()
        subprocess.run(["kill", "-9", *pids], capture_output=True)


@contextmanager
def hosts(directory, *names):
    """Give a :class:`Host` for each name; afterwards none is left."""
    require_hosts()
    net = f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    bridge = f"br{os.getpid()}"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key")
    config = directory / "ssh_config"
    config.write_text(
        f"Host *\n  User root\n  IdentityFile {directory}/key\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        "  ConnectTimeout 5\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n"
    )
    made = [
        Host(f"{name}{os.getpid()}", f"{net}.{number}", config, directory / name)
        for number, name in enumerate(names, start=10)
    ]
    try:
        run("ip", "link", "add", bridge, "type", "bridge")
        run("ip", "address", "add", f"{net}.1/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        for host in made:
            start(host, bridge)
        yield made
    finally:
        for host in made:
            host.lose_power()
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
            shutil.rmtree(NETNS / host.name, ignore_errors=True)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def start(host, bridge):
    """Make a host's namespace and network, and start its sshd."""
    host.directory.mkdir()
    link = f"v{next(LINKS)}-{os.getpid()}"  # the kernel takes its time to forget an old one
    run("ip", "netns", "add", host.name)
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    run("ip", "link", "set", link, "master", bridge, "up")
    run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
    for device in ("eth0", "lo"):
        run("ip", "-n", host.name, "link", "set", device, "up")
    own = NETNS / host.name / "hosts"  # what `ip netns exec` shows for /etc/hosts: it knows itself by its own name
    own.parent.mkdir(parents=True)
    own.write_text(f"127.0.0.1 localhost\n{host.address} {socket.gethostname()}\n")
    key, config = host.directory / "host_key", host.directory / "sshd_config"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    config.write_text(
        f"ListenAddress {host.address}\nHostKey {key}\nPidFile {host.directory}/sshd.pid\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {host.ssh_config.parent}/key.pub\nPermitRootLogin yes\nAcceptEnv *\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    run("ip", "netns", "exec", host.name, "/usr/sbin/sshd", "-f", config)
    command = ["ssh", "-F", host.ssh_config, host.address, "true"]
    deadline = time.monotonic() + 20
    while subprocess.run(command, capture_output=True).returncode:
        assert time.monotonic() < deadline, f"{host.name}'s sshd does not answer"
        time.sleep(0.1)


def run(*command):
    """Run a command that must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
