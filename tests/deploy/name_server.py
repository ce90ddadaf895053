"""Cluster DNS for a few Pods: addresses of the names in a file.

    name_server.py ADDRESS FILE

FILE is a JSON object {full name: [address, ...]}, read for each question; a
name that it lacks does not exist. Over UDP alone: answers are short.
"""

import json
import pathlib
import random
import socket
import struct
import sys

NO_SUCH_NAME = 3
ADDRESS_TYPE = 1
TTL_SECONDS = 1


def question(data):
    """(name, type, the question's bytes) of a query."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("ascii"))
        at += 1 + data[at]
    kind, _ = struct.unpack("!HH", data[at + 1:at + 5])
    return ".".join(labels).lower(), kind, data[12:at + 5]


def reply(data, names):
    name, kind, asked = question(data)
    found = list(names.get(name, [])) if kind == ADDRESS_TYPE else []
    random.shuffle(found)
    code = 0 if name in names else NO_SUCH_NAME
    head = data[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(found), 0, 0)
    records = b"".join(
        struct.pack("!HHHIH", 0xc00c, ADDRESS_TYPE, 1, TTL_SECONDS, 4)
        + socket.inet_aton(address) for address in found)
    return head + asked + records


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    file = pathlib.Path(sys.argv[2])
    while True:
        data, client = server.recvfrom(4096)
        server.sendto(reply(data, json.loads(file.read_text())), client)


if __name__ == "__main__":
    main()
