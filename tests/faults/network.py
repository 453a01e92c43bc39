"""A network of its own for one daemon, which can be cut without anyone being told.

    network = Network()
    Daemon(config, prefix=network.prefix)    runs at network.inside; this machine is network.outside
    network.cut(tcp_ports)                   packets from and to these ports vanish
    network.lose(udp_port, percent)          so many of these packets vanish
    network.mend()

A network namespace, joined to the machine by a veth pair; addresses are from 198.18.0.0/15, which RFC
2544 sets apart for tests. Packets are dropped by nftables at the device, where (unlike in the output
hook) the sender is not told: as when a cable is pulled behind the next switch. Needs root.
"""

import os
import subprocess

OUTSIDE, INSIDE = "198.18.53.1", "198.18.53.2"


def available():
    return os.geteuid() == 0


class Network:
    """One namespace; stop() removes it, and with it all that was set up."""

    outside, inside = OUTSIDE, INSIDE

    def __init__(self):
        self._name = f"freshet-{os.getpid()}"
        self._link = f"freshet{os.getpid() % 100000}"  # at most 15 bytes
        self.prefix = ["ip", "netns", "exec", self._name]
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def _set_up(self):
        run("ip", "netns", "add", self._name)
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0",
            "netns", self._name)
        run("ip", "addr", "add", f"{OUTSIDE}/30", "dev", self._link)
        run("ip", "link", "set", self._link, "up")
        run("ip", "-n", self._name, "addr", "add", f"{INSIDE}/30", "dev", "eth0")
        run("ip", "-n", self._name, "link", "set", "eth0", "up")
        run("ip", "-n", self._name, "link", "set", "lo", "up")

    def cut(self, tcp_ports):
        ports = ", ".join(str(port) for port in tcp_ports)
        self._drop(f"tcp sport {{ {ports} }}", f"tcp dport {{ {ports} }}")

    def lose(self, udp_port, percent):
        chance = f"numgen random mod 100 < {percent}"
        self._drop(f"udp sport {udp_port} {chance}", f"udp dport {udp_port} {chance}")

    def _drop(self, incoming, outgoing):
        self.mend()
        run(*self.prefix, "nft", "-f", "-", stdin=f"""
            table netdev faults {{
                chain incoming {{
                    type filter hook ingress device eth0 priority 0; policy accept;
                    {incoming} counter drop
                }}
                chain outgoing {{
                    type filter hook egress device eth0 priority 0; policy accept;
                    {outgoing} counter drop
                }}
            }}""")

    def mend(self):
        """All packets pass again; returns how many did not."""
        listed = run(*self.prefix, "nft", "list", "ruleset")
        words = listed.split()
        dropped = sum(int(words[k + 1]) for k, word in enumerate(words) if word == "packets")
        run(*self.prefix, "nft", "flush", "ruleset")
        return dropped

    def stop(self):
        subprocess.run(["ip", "netns", "del", self._name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._link], check=False, capture_output=True)


def run(*words, stdin=""):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
