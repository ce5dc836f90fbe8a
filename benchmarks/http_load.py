"""A small HTTP/1.1 client for benchmarks: prepared requests over kept connections, one after another or many at once, as little in the way as possible."""

import selectors
import socket
import time

TIMEOUT_SECONDS = 60


def post(path, body, *, headers=()):
    """The bytes of a POST of JSON."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One kept connection. `ask` returns (status, body) of a prepared request; `send` and `receive` are its halves for many connections at once."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got, self._length = b"", None

    def ask(self, request):
        self.send(request)
        while (answer := self.receive()) is None:
            pass
        return answer

    def send(self, request):
        self._got, self._length, self.sent_at = b"", None, time.perf_counter()
        self.socket.sendall(request)

    def receive(self):
        """(status, body) once the whole answer is there, None before."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed the connection")
        self._got += part
        if self._length is None and (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            self._start = end + 4
            self._length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if self._length is None or len(self._got) < self._start + self._length:
            return None
        return int(self._got[9:12]), self._got[self._start : self._start + self._length]

    def close(self):
        self.socket.close()


def latencies(address, requests, count):
    """Seconds of `count` requests, one after another over one connection, in turn from the prepared ones. Raises: SystemExit for an answer other than 200."""
    connection, taken = Connection(address), []
    for number in range(count):
        begun = time.perf_counter()
        need_200(*connection.ask(requests[number % len(requests)]))
        taken.append(time.perf_counter() - begun)
    connection.close()
    return taken


def load(address, requests, *, connections, seconds, rate=None):
    """What many connections at once got in so many seconds: {"answers": count, "seconds": each one's, "errors": others than 200}. `rate`: requests a second in
    all; as fast as each is answered without it."""
    selector, open_ones = selectors.DefaultSelector(), [Connection(address) for _ in range(connections)]
    begun, number, taken, errors, idle = time.perf_counter(), 0, [], 0, list(open_ones)
    for each in open_ones:
        selector.register(each.socket, selectors.EVENT_READ, each)
    while (now := time.perf_counter()) < begun + seconds or len(idle) < connections:
        while idle and now < begun + seconds and (rate is None or number < (now - begun) * rate):
            idle.pop().send(requests[number % len(requests)])
            number += 1
        for key, _ in selector.select(timeout=0.001):
            if (answer := key.data.receive()) is not None:
                taken.append(time.perf_counter() - key.data.sent_at)
                errors += answer[0] != 200
                idle.append(key.data)
    elapsed = time.perf_counter() - begun
    for each in open_ones:
        selector.unregister(each.socket)
        each.close()
    return {"answers": len(taken), "elapsed": elapsed, "seconds": taken, "errors": errors}


def need_200(status, body):
    """Raises: SystemExit for an answer other than 200."""
    if status != 200:
        raise SystemExit(f"the server answered {status}: {body[:500].decode(errors='replace')}")
