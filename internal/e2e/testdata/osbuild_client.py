"""The side of osbuild in the protocol that it speaks with its sources.

    osbuild_client.py PLAN

PLAN is a JSON file: "executable", "name" of the source, "version" of osbuild,
"pythonpath", "argv0" (optional) and "calls". The report is JSON on standard
output. A call is one of

    {"method": "download", "items": {}, "options": {}, "cache": DIR}
    {"method": "copy", ..., "dst_cache": DIR}
    {"raw": TEXT}                     a packet of any text, answered
    {"raw": TEXT, "descriptors": N}   with so many descriptors of /dev/null
    {"raw": TEXT, "answered": false}  one without an answer
    {"file": TEXT}                    a message in a memfd
    {"sleep": SECONDS}
    {"signal": NUMBER}                sent to the service
    {"log": false}                    closes the pipe that the log is read from

and may have "await": go on without the reply as soon as 1 MiB of a download lies
in this FOLDER, or kill the service then with the signal in "kill" and read the
reply; "until": go on without the reply when this FILE exists; "unread": go on at
once. Only the standard library is used.
"""

import array
import ctypes
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

VIA_FD = b"<args-via-fd>"
MAX_FDS = 253


def wmem_max():
    with open("/proc/sys/net/core/wmem_max", encoding="ascii") as f:
        return int(f.read())


def memfd(data):
    fd = os.memfd_create("client")
    with os.fdopen(os.dup(fd), "wb") as f:
        f.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class Channel:
    """One end of the socket pair."""

    def __init__(self, sock):
        self.sock = sock
        self.sent_via_fd = 0
        self.received_via_fd = 0

    def send_packet(self, data, fds=()):
        control = []
        if fds:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(len(data), 4096))
        assert self.sock.sendmsg([data], control) == len(data)

    def send(self, message, fds=()):
        data = json.dumps(message).encode()
        if len(data) <= wmem_max():
            self.send_packet(data, fds)
            return
        fd = memfd(data)
        try:
            self.send_packet(VIA_FD, [fd, *fds])
            self.sent_via_fd += 1
        finally:
            os.close(fd)

    def recv(self):
        room = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
        size = self.sock.recv_into(bytearray(1), 1, socket.MSG_PEEK | socket.MSG_TRUNC)
        data, control, flags, _ = self.sock.recvmsg(max(size, 1), room)
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), flags
        fds = array.array("i")
        for level, kind, payload in control:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(payload)
        try:
            if data == VIA_FD:
                self.received_via_fd += 1
                with os.fdopen(os.dup(fds[0]), "rb") as f:
                    data = f.read()  # from where it stands: the sender sees to that
        finally:
            for fd in fds:
                os.close(fd)
        if not data:
            return None
        return json.loads(data)


def items_in_file(version):
    return 38 <= version <= 128


def request(version, call, tmp):
    """The message and the descriptors, as that version of osbuild makes them."""
    args = {"options": call.get("options", {}), "cache": call["cache"]}
    fds = []
    if call["method"] == "copy":
        args.update(items=call["items"], dst_cache=call["dst_cache"])
    else:
        args.update(output=None, checksums=[])
        if items_in_file(version):
            if version <= 126:
                args["libdir"] = "/usr/lib/osbuild"
            f = tempfile.TemporaryFile("w+", dir=tmp, encoding="utf8")
            json.dump(call["items"], f)
            f.flush()
            f.seek(0)
            fds.append(os.dup(f.fileno()))
            f.close()
        else:
            args["items"] = call["items"]
    return {"type": "method", "data": {"name": call["method"], "args": args}}, fds


def verdict(version, message):
    """Whether that version of osbuild takes the answer for success, and the text
    that it would show."""
    if message is None:
        return "broken", "message empty"
    kind, data = message.get("type"), message.get("data")
    if kind == "exception":
        return "exception", f'{data["name"]}: {data["value"]}\n{data["backtrace"]}'
    if kind != "reply":
        return "broken", f"unexpected message {kind}"
    reply = data["reply"]
    if version <= 185:
        return "success", ""
    if sorted(reply) != ["name", "output", "results", "source_type", "success"]:
        return "broken", f"the reply has {sorted(reply)}"
    if not isinstance(reply["success"], bool) or not isinstance(reply["output"], str):
        return "broken", "wrong types in the reply"
    for item in reply["results"]:
        if sorted(item) != ["error", "metadata", "success"] or sorted(item["metadata"]) != ["cached", "checksum"]:
            return "broken", f"an item is {item}"
    if reply["success"]:
        return "success", ""
    if len(json.dumps(reply)) > 30000:
        return "broken", "the failed result is too long"
    failing = [i for i in reply["results"] if not i["success"]]
    return "failure", failing[0]["error"]


class Service:
    """A source as osbuild starts it."""

    def __init__(self, plan):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = Channel(ours)
        name = plan["name"]
        argv = [plan.get("argv0", plan["executable"]), "--service-id", f"source/{name}", "--service-fd", str(theirs.fileno())]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(plan["pythonpath"]), **plan.get("env", {}))
        self.process = subprocess.Popen(
            argv, executable=plan["executable"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, pass_fds=(theirs.fileno(),), close_fds=True)
        theirs.close()
        self.lines = []
        self.bad_lines = 0
        self.deaf = False

    def readline(self):
        line = self.process.stdout.readline()
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self.bad_lines += 1
            return
        if text:
            self.lines.append(text.rstrip("\n"))

    def answer(self):
        """Waits for the answer and reads one line each time the log is readable."""
        sock = self.channel.sock.fileno()
        pipe = -1 if self.deaf else self.process.stdout.fileno()
        watched = [sock] if self.deaf else [pipe, sock]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if pipe in ready:
                before = len(self.lines) + self.bad_lines
                self.readline()
                if len(self.lines) + self.bad_lines == before:
                    watched.remove(pipe)  # it has ended
            elif sock in ready:
                return self.channel.recv()

    def descriptors(self):
        """How many files the service has open: whatever was sent to it is one.
        Connections, pipes and such, which it may keep, do not count."""
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        if self.process.poll() is not None:
            return 0
        for name in os.listdir(folder):
            try:
                count += os.readlink(os.path.join(folder, name)).startswith("/")
            except FileNotFoundError:
                pass  # closed meanwhile
        return count

    def end(self):
        """Closes the socket and waits, as osbuild does. Returns the seconds."""
        start = time.monotonic()
        self.channel.sock.close()
        seen = len(self.lines)
        for line in () if self.deaf else self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
        self.process.wait()
        return time.monotonic() - start, len(self.lines) - seen


def orphans():
    """Processes that the service has left behind, zombies included."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
        pids = f.read().split()
    names = []
    for pid in pids:
        with open(f"/proc/{pid}/comm", encoding="utf8") as f:
            names.append(f.read().strip())
    return names


def largest_part(folder):
    """The size of the largest partial download."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                if "/." in os.path.join(path, name):
                    size = max(size, os.stat(os.path.join(path, name)).st_size)
            except FileNotFoundError:
                pass
    return size


def carry_out(service, version, call, tmp):
    """One call; returns what is reported about it."""
    channel, start = service.channel, time.monotonic()
    if "sleep" in call:
        time.sleep(call["sleep"])
        return {}
    if "signal" in call:
        os.kill(service.process.pid, call["signal"])
        return {}
    if "log" in call:
        service.deaf = True
        service.process.stdout.close()
        return {}
    fds = []
    if "method" in call:
        message, fds = request(version, call, tmp)
        channel.send(message, fds)
    elif "file" in call:
        fds.append(memfd(call["file"].encode()))
        channel.send_packet(VIA_FD, fds)
    else:
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(call.get("descriptors", 0))]
        channel.send_packet(call["raw"].encode("latin-1"), fds)
    for fd in fds:
        os.close(fd)
    if not call.get("answered", True) or call.get("unread"):
        return {}
    if "until" in call:
        deadline = start + 180
        while not os.path.exists(call["until"]):
            assert time.monotonic() < deadline, "nothing has happened"
            time.sleep(0.02)
        return {}
    if "await" in call:
        deadline = start + 180
        while largest_part(call["await"]) < 1 << 20:
            assert time.monotonic() < deadline, "nothing is downloaded"
            time.sleep(0.02)
        if "kill" not in call:
            return {}
        os.kill(service.process.pid, call["kill"])
    message = service.answer()
    outcome, text = verdict(version, message)
    return {"outcome": outcome, "text": text, "message": message, "seconds": time.monotonic() - start,
            "descriptors": service.descriptors() if outcome != "broken" else 0}


def main():
    with open(sys.argv[1], encoding="utf8") as f:
        plan = json.load(f)
    version = plan["version"]
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us
    own = len(os.listdir("/proc/self/fd"))
    start = time.monotonic()
    service = Service(plan)
    answers = []
    with tempfile.TemporaryDirectory() as tmp:
        for call in plan["calls"]:
            answers.append(carry_out(service, version, call, tmp))
    alive = service.process.poll() is None
    seconds, late = service.end()
    left = orphans()
    service.process.stdout.close()
    json.dump({
        "answers": answers, "lines": service.lines, "late_lines": late, "bad_lines": service.bad_lines, "alive": alive,
        "status": service.process.returncode, "end_seconds": seconds, "orphans": left, "seconds": time.monotonic() - start,
        "own_descriptors": len(os.listdir("/proc/self/fd")) - own, "sent_via_fd": service.channel.sent_via_fd,
        "received_via_fd": service.channel.received_via_fd,
    }, sys.stdout)


if __name__ == "__main__":
    main()
