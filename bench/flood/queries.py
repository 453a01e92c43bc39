"""What attackers and the others send, and from where: two networks."""

import struct

import dns.message

ATTACKER, CLIENT = "127.1.0.1", "127.2.0.1"
SILENT, HUGE, SLOW = "silent.example.com.", "huge.example.com.", "slow.example.com."


def wire(name, rtype="A", number=0):
    message = dns.message.make_query(name, rtype)
    message.id = number & 0xffff
    return message.to_wire()


def framed(message):
    return struct.pack("!H", len(message)) + message
