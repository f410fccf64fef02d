#!/usr/bin/env python3
"""hosts.py COUPLET SPEC [--hosts 1,2,4] [--delay 1] [--gbit 1] [--cut] [--no-overlap] [option ..]

A training step on hosts that are network namespaces of this machine, joined by links with a delay
(milliseconds, one way) and a rate (Gbit/s, each direction). A row of JSON for each number of hosts,
of one rank and one thread each: seconds of a step, the fraction of the ideal speed (that of one
host times the hosts, or times the cores where these are fewer), the bytes that rank 0 counted as
sent, and those that left its link, headers and all.

--no-overlap has every exchange waited for where it starts: what is gained by hiding them.

--cut pulls the cable of the last host in mid-run instead, and prints what the user sees, and when.

Root is needed for namespaces, and Open MPI for the ranks. Kernels with the queueing discipline
`netem` delay packets themselves; for others a switch in this process does it, over TAP devices."""
import argparse
import fcntl
import heapq
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

NETWORK = "10.213.77."
MTU = 60000 # of the switch: few large frames, so that it keeps up with the rate
PREFIX = "cplh"
AGENT = """#!/bin/sh
# What mpirun calls in place of ssh: HOST COMMAND ..
host=$1; shift
exec ip netns exec $host unshare --uts sh -c 'hostname "$0"; exec sh -c "$*"' $host "$@"
"""


def sh(line, may_fail=False):
    done = subprocess.run(line, shell=True, capture_output=True, text=True)
    if done.returncode != 0 and not may_fail:
        sys.exit(f"{line}: {done.stderr.strip()}")
    return done.returncode == 0


class Switch(threading.Thread):
    """Frames of TAP devices, each handed on once its link has had the time to carry it. A frame
    takes its sender's link, then the delay, then its receiver's link."""

    def __init__(self, taps, delay, rate):
        super().__init__(daemon=True)
        self.taps, self.delay, self.rate = taps, delay, rate
        self.sent, self.cut, self.going = [0] * len(taps), set(), True

    def run(self):
        ports, free_out, free_in = {}, [0.0] * len(self.taps), [0.0] * len(self.taps)
        due, number = [], 0
        while self.going:
            now = time.monotonic()
            # a link that has work for some milliseconds takes no more
            ready = [tap for i, tap in enumerate(self.taps) if free_out[i] < now + 0.004]
            until = max(0.0, due[0][0] - now) if due else 0.05
            for tap in select.select(ready, [], [], min(until, 0.002 if len(ready) < len(self.taps)
                                                        else 0.05))[0]:
                frame, source = os.read(tap, MTU + 64), self.taps.index(tap)
                ports[frame[6:12]] = source
                self.sent[source] += len(frame)
                known = ports.get(frame[:6])
                now = time.monotonic()
                took = len(frame) / self.rate
                free_out[source] = max(free_out[source], now) + took
                for to in [known] if known is not None else range(len(self.taps)):
                    if to == source or {to, source} & self.cut:
                        continue
                    free_in[to] = max(free_in[to], free_out[source] + self.delay - took) + took
                    number += 1
                    heapq.heappush(due, (free_in[to], number, to, frame))
            now = time.monotonic()
            while due and due[0][0] <= now:
                _, _, to, frame = heapq.heappop(due)
                try:
                    os.write(self.taps[to], frame)
                except OSError:
                    pass # the other side is not up yet


def open_tap(name):
    import struct
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH", name.encode(), 0x0002 | 0x1000)) # TAP, no info
    return tap


class Hosts:
    """Namespaces h0, h1, .. with one interface each, `wire`."""

    def __init__(self, count, delay, gbit, folder, overlap=True):
        self.overlap = overlap
        self.names = [f"{PREFIX}{i}" for i in range(count)]
        self.folder, self.switch, self.taps = folder, None, []
        self.rate = gbit * 1e9 / 8
        table = "127.0.0.1 localhost\n" + "".join(f"{NETWORK}{i + 1} {name}\n"
                                                  for i, name in enumerate(self.names))
        for i, name in enumerate(self.names):
            sh(f"ip netns del {name}", may_fail=True)
            sh(f"ip netns add {name}")
            os.makedirs(f"/etc/netns/{name}", exist_ok=True)
            with open(f"/etc/netns/{name}/hosts", "w") as file:
                file.write(table)
        if not self.join_in_kernel(delay, gbit):
            self.join_by_switch(delay)
        for i, name in enumerate(self.names):
            sh(f"ip -n {name} link set lo up")
            sh(f"ip -n {name} addr add {NETWORK}{i + 1}/24 dev wire")
            sh(f"ip -n {name} link set wire up")
        self.agent = folder + "/agent"
        with open(self.agent, "w") as file:
            file.write(AGENT)
        os.chmod(self.agent, 0o755)

    def join_in_kernel(self, delay, gbit):
        """Pairs of veth on a bridge, delayed by netem. False where the kernel has none."""
        sh(f"ip link del {PREFIX}br", may_fail=True)
        sh(f"ip link add {PREFIX}br type bridge")
        for name in self.names:
            sh(f"ip link add {name}v type veth peer name wire netns {name}")
            sh(f"ip link set {name}v master {PREFIX}br up")
            for where in (f"-n {name} qdisc add dev wire", f"qdisc add dev {name}v"):
                if not sh(f"tc {where} root netem delay {delay / 2}ms rate {gbit}gbit limit 100000",
                          may_fail=True):
                    for each in self.names:
                        sh(f"ip link del {each}v", may_fail=True)
                    sh(f"ip link del {PREFIX}br")
                    return False
        sh(f"ip link set {PREFIX}br up")
        return True

    def join_by_switch(self, delay):
        for name in self.names:
            self.taps.append(open_tap(name + "t"))
            sh(f"ip link set {name}t netns {name}")
            sh(f"ip -n {name} link set {name}t name wire mtu {MTU}")
        self.switch = Switch(self.taps, delay / 1000, self.rate)
        self.switch.start()

    def carried(self):
        """Bytes that left the link of the first host so far."""
        text = subprocess.run(["ip", "-n", self.names[0], "-s", "-j", "link", "show", "wire"],
                              capture_output=True, text=True).stdout
        return json.loads(text)[0]["stats64"]["tx"]["bytes"]

    def cut(self, host):
        if self.switch:
            self.switch.cut.add(host)
        else:
            sh(f"ip link set {self.names[host]}v down")

    def line(self, command):
        """The command line that runs a rank on each host."""
        mca = {"plm_rsh_agent": self.agent, "btl": "tcp,self", "btl_tcp_if_include": "wire",
               "oob_tcp_if_include": "wire", "hwloc_base_binding_policy": "none",
               "orte_keep_fqdn_hostnames": "1", "pml": "ob1"}
        words = ["mpirun.openmpi", "--allow-run-as-root", "-n", str(len(self.names)), "--host",
                 ",".join(self.names), "--map-by", "node", "--prefix", "/usr"]
        for name, value in mca.items():
            words += ["--mca", name, value]
        if not self.overlap:
            words += ["-x", "COUPLET_OVERLAP=off"]
        inner = " ".join(["exec", *words, *command])
        return ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c",
                f"hostname {self.names[0]}; {inner}"]

    def processes(self):
        found = []
        for name in self.names:
            text = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
            found += map(int, text.stdout.split())
        return found

    def ranks(self, program):
        """The processes on the hosts that run this program."""
        found = []
        for process in self.processes():
            try:
                if os.readlink(f"/proc/{process}/exe") == os.path.realpath(program):
                    found.append(process)
            except OSError:
                pass
        return found

    def close(self):
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                pass
        if self.switch:
            self.switch.going = False
            self.switch.join()
        for tap in self.taps:
            os.close(tap)
        for name in self.names:
            sh(f"ip netns del {name}", may_fail=True)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)
        sh(f"ip link del {PREFIX}br", may_fail=True)


def seconds_of(text):
    value = re.search(r"time +([\d.e+-]+) s a step", text)
    return float(value[1]) if value else None


def measure(hosts, train):
    before = hosts.carried()
    done = subprocess.run(hosts.line([*train, "--dry-run"]), capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    made = int(re.search(r"(\d+) steps were tried", done.stdout)[1])
    sent = re.search(r"network .* ([\d.]+) MB sent by rank 0", done.stdout)
    waited = re.search(r"([\d.e+-]+) s of it waited", done.stdout)
    return {"seconds": seconds_of(done.stdout), "steps": made,
            "sent_mb": float(sent[1]) if sent else 0,
            "waited": float(waited[1]) if waited else 0,
            "carried_mb": round((hosts.carried() - before) / made / 1e6, 3)}


def cut(hosts, train, folder):
    """Pulls the last host's cable once the run has a checkpoint. What mpirun does then is its own
    affair: it may wait for the machine that is gone, so the ranks are what is waited for."""
    out = folder + "/run"
    with open(folder + "/told", "w+") as told:
        process = subprocess.Popen(hosts.line([*train, "--out", out, "--checkpoint-every", "2"]),
                                   stdout=told, stderr=told, start_new_session=True)
        while process.poll() is None and not os.path.exists(out + "/checkpoint.safetensors"):
            time.sleep(0.1)
        time.sleep(2)
        hosts.cut(len(hosts.names) - 1)
        began, spoke = time.monotonic(), None
        while time.monotonic() < began + 60 and (hosts.ranks(train[0]) or not spoke):
            told.seek(0)
            if spoke is None and "error[" in told.read():
                spoke = time.monotonic() - began
            time.sleep(0.1)
        took = time.monotonic() - began
        told.seek(0)
        print(told.read())
    print(json.dumps({"cut": hosts.names[-1], "sentence_after": spoke and round(spoke, 1),
                      "ranks_ended_after": round(took, 1),
                      "ranks_left": len(hosts.ranks(train[0]))}))


parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("couplet")
parser.add_argument("spec")
parser.add_argument("--hosts", default="1,2,4")
parser.add_argument("--delay", type=float, default=1)
parser.add_argument("--gbit", type=float, default=1)
parser.add_argument("--cut", action="store_true")
parser.add_argument("--no-overlap", action="store_true")
options, more = parser.parse_known_args()
# the names of the hosts are those of any other run of this script
turn = open(os.path.join(tempfile.gettempdir(), PREFIX + ".lock"), "w")
fcntl.flock(turn, fcntl.LOCK_EX)
train = [os.path.abspath(options.couplet), "train", os.path.abspath(options.spec), "--threads", "1",
         *more]
alone = None
for count in [int(word) for word in options.hosts.split(",")]:
    with tempfile.TemporaryDirectory() as folder:
        hosts = Hosts(count, options.delay, options.gbit, folder, not options.no_overlap)
        try:
            if options.cut:
                cut(hosts, train, folder)
                continue
            row = measure(hosts, train)
        finally:
            hosts.close()
    alone = alone or row["seconds"] * min(count, os.cpu_count())
    row["of_ideal"] = round(alone / min(count, os.cpu_count()) / row["seconds"], 3)
    print(json.dumps({"hosts": count, **row}), flush=True)
