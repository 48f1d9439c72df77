"""A network between hosts that are network namespaces: it forwards their packets, and loses, doubles, delays or cuts as told.

Arguments: seed, then `interface=address` of each host. Reads one JSON object a line on standard input: the faults of a host's
link, {"host": address, "cut": bool, "loss": 0..1, "duplicate": 0..1, "delayMs": n, "jitterMs": n}; what is left out is none.
"""
import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    rng = random.Random(int(sys.argv[1]))
    hosts = {}
    for argument in sys.argv[2:]:
        name, address = argument.split("=")
        hosts[bytes(int(part) for part in address.split("."))] = open_tun(name)
    links = {address: {} for address in hosts}
    by_fd = {fd: address for address, fd in hosts.items()}
    print("ready", flush=True)
    waiting, number, commands = [], 0, b""
    while True:
        timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([sys.stdin, *by_fd], [], [], timeout)
        for source in readable:
            if source is sys.stdin:
                read = os.read(0, 65536)
                if not read:
                    return
                *lines, commands = (commands + read).split(b"\n")
                for line in lines:
                    faults = json.loads(line)
                    links[bytes(int(part) for part in faults.pop("host").split("."))] = faults
                print("set", flush=True)
                continue
            # A burst of one host must not keep the others waiting for long.
            for _ in range(64):
                try:
                    packet = os.read(source, 65536)
                except OSError:
                    break
                target = packet[16:20]
                if packet[0] >> 4 != 4 or target not in hosts:
                    continue
                ends = [links[by_fd[source]], links[target]]
                if any(end.get("cut") or rng.random() < end.get("loss", 0) for end in ends):
                    continue
                copies = 1 + sum(rng.random() < end.get("duplicate", 0) for end in ends)
                for _ in range(copies):
                    delay = sum(end.get("delayMs", 0) + rng.random() * end.get("jitterMs", 0) for end in ends) / 1000
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + delay, number, target, packet))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, target, packet = heapq.heappop(waiting)
            try:
                os.write(hosts[target], packet)
            except OSError:
                pass


main()
