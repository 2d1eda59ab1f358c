"""Measures the function beside one in Python with DuckDB and one with Polars, under AWS's Runtime Interface Emulator.

    python3 bench/function.py BOOTSTRAP TARGET_DIR

Needs Python's standard library; the emulators and the packages of the peers come from PyPI into environments below
TARGET_DIR. All functions use one S3 server (MiniStack). Requests and bytes are counted by a proxy in processes of their
own: while times are taken nothing stands between a function and the server.

- Cold: from the start of the emulator, which starts the function with the first event, to the first answer. The lake
  has one file and its tables already: a function starts often, a table once.
- Warm: further events, each of a new file, in the same process.
- Without a project, as the peers have none either; and with a project of one gold table that sums the rows by day,
  which is refreshed before each answer.

REPEATS in the environment sets how many processes of each are started, 5 without it.

Memory is the highest resident size of the function's process (VmHWM).
"""

import base64
import hashlib
import http.client
import http.server
import itertools
import json
import os
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).parent
REPEATS = int(os.environ.get("REPEATS", "5"))
ROWS = {"1,000 rows": 1_000, "50 MB": 1_315_000}


class Proxy(http.server.BaseHTTPRequestHandler):
    """Counts what goes by."""

    protocol_version = "HTTP/1.1"
    # Else an answer with a body, which is sent in two parts, waits 40 ms for a delayed acknowledgement.
    disable_nagle_algorithm = True
    upstream, requests, received, sent, lock = 0, 0, 0, 0, threading.Lock()

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        connection = http.client.HTTPConnection("127.0.0.1", Proxy.upstream)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "expect"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        with Proxy.lock:
            Proxy.requests, Proxy.received, Proxy.sent = Proxy.requests + 1, Proxy.received + len(data), Proxy.sent + len(body)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("content-length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(15_000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.002)
    sys.exit(f"nothing listens on port {port}")


def ask(port, method, path, body=b"", headers={}):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def peers_environment(target):
    """The interpreter that has function.txt installed."""
    digest = hashlib.sha256((HERE / "function.txt").read_bytes()).hexdigest()[:12]
    folder = target / f"venv-bench-{digest}"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "function.txt"], check=True)
        (folder / "complete").touch()
    return folder / "bin/python"


def emulators(target):
    """MiniStack and the Runtime Interface Emulator."""
    script = HERE.parent / "handler/tests/python/environment.py"
    python = subprocess.run([sys.executable, script, target, "emulators.txt"], check=True, capture_output=True, text=True).stdout.strip()
    folder = Path(python).parent.parent
    emulator = next(folder.glob("lib/*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))
    emulator.chmod(0o755)
    return folder / "bin/ministack", emulator


def csv(rows, seed):
    lines = (f"{n},customer {n * 7 % 977},{n % 1000}.{n * seed % 90 + 10},2026-10-{n % 28 + 1:02}" for n in range(rows))
    return ("id,name,amount,day\n" + "\n".join(lines) + "\n").encode()


def write_project(folder):
    (folder / "models/gold").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: bench\nversion: '1.0.0'\nprofile: bench\n")
    columns = {"id": "bigint", "name": "varchar", "amount": "decimal(10, 2)", "day": "date"}
    listed = "".join(f"          - {{name: {name}, data_type: '{kind}'}}\n" for name, kind in columns.items())
    (folder / "models/sources.yml").write_text(f"sources:\n  - name: shop\n    tables:\n      - name: sales\n        columns:\n{listed}")
    (folder / "models/gold/by_day.sql").write_text(
        "{{ config(materialized='table') }}\nselect day, count(*) as sales, sum(amount) as amount from {{ source('shop', 'sales') }} group by day\n"
    )


class Function:
    """A function under its emulator; the bytes and requests since it was started."""

    def __init__(self, emulator, command, variables):
        self.port, api = free_port(), free_port()
        self.began = time.perf_counter()
        arguments = [emulator, "--log-level", "ERROR", "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        arguments += ["--runtime-api-address", f"127.0.0.1:{api}", *command]
        self.log = tempfile.TemporaryFile()
        environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048", **variables}
        self.process = subprocess.Popen(arguments, env=environment, stdout=self.log, stderr=self.log)
        wait_for(self.port)

    def invoke(self, key):
        """Seconds from the event to its answer."""
        event = {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
                              "eventTime": "2026-11-25T10:00:00.000Z", "userIdentity": {"principalId": "A"}, "requestParameters": {},
                              "responseElements": {}, "s3": {"bucket": {"name": "raw"}, "object": {"key": key}}}]}
        begin = time.perf_counter()
        answer = json.loads(ask(self.port, "POST", "/2015-03-31/functions/function/invocations", json.dumps(event).encode()))
        seconds = time.perf_counter() - begin
        if answer.get("files") != 1:
            self.log.seek(0)
            sys.exit(f"{key}: {answer}\n{self.log.read().decode()}")
        return seconds

    def peak(self):
        """MiB of the function's own process, the emulator's child."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            except OSError:
                continue
            if int(lines["PPid"]) == self.process.pid and "VmHWM" in lines:
                return int(lines["VmHWM"].split()[0]) / 1024
        sys.exit("the function's process is gone")

    def stop(self):
        self.process.kill()
        self.process.wait()


def count(function, put):
    """Requests and bytes (in, out) of one warm event of a function behind the proxy."""
    function.invoke(put())
    key = put()
    before = (Proxy.requests, Proxy.received, Proxy.sent)
    function.invoke(key)
    after = (Proxy.requests, Proxy.received, Proxy.sent)
    function.stop()
    return [now - then for now, then in zip(after, before)]


def measure(start, put):
    """Cold and warm seconds, and peak MiB."""
    cold, warm, peaks = [], [], []
    for _ in range(REPEATS):
        key = put()
        function = start()
        function.invoke(key)
        cold.append(time.perf_counter() - function.began)
        warm += [function.invoke(put()) for _ in range(2)]
        peaks.append(function.peak())
        function.stop()
    return cold, warm, max(peaks)


def shown(times):
    return f"{statistics.median(times) * 1000:,.0f} ms ({min(times) * 1000:,.0f} to {max(times) * 1000:,.0f})"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 bench/function.py BOOTSTRAP TARGET_DIR")
    bootstrap, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    python, (ministack, emulator) = peers_environment(target), emulators(target)
    Proxy.upstream = free_port()
    server = Server(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        log = (Path(scratch) / "ministack.log").open("w")
        s3 = subprocess.Popen([ministack], env={**os.environ, "GATEWAY_PORT": str(Proxy.upstream)}, stdout=log, stderr=log)
        try:
            run(scratch, (bootstrap, python, emulator), server.server_address[1])
        finally:
            s3.kill()
            s3.wait()


def run(scratch, programs, proxy):
    bootstrap, python, emulator = programs
    wait_for(Proxy.upstream)
    for bucket in ("raw", "silver", "gold", "out"):
        ask(Proxy.upstream, "PUT", f"/{bucket}")
    write_project(Path(scratch) / "project")
    access = {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_REGION": "us-east-1"}
    access |= {"AWS_DEFAULT_REGION": "us-east-1", "OUT": "out", "PYTHONPATH": str(HERE), "TMPDIR": scratch, "HOME": scratch}
    zones = lambda prefix: {f"PINTAIL_{zone.upper()}": f"s3://{zone}/{prefix}" for zone in ("raw", "silver", "gold")}
    print("| file | function | cold | warm | peak memory | requests | bytes in | bytes out |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for number, (size, rows) in enumerate(ROWS.items()):
        functions = {
            "Python, DuckDB": ([python, "-m", "awslambdaric", "peer_duckdb.handler"], {}),
            "Python, Polars": ([python, "-m", "awslambdaric", "peer_polars.handler"], {}),
            "Pintail": ([bootstrap], zones(f"a{number}")),
            "Pintail, project": ([bootstrap], zones(f"b{number}") | {"PINTAIL_PROJECT": f"{scratch}/project", "PINTAIL_GENERATION": "1"}),
        }
        bodies = [csv(rows, seed) for seed in (7, 11, 13)]
        first = None
        for name, (command, variables) in functions.items():
            prefix = variables.get("PINTAIL_RAW", "s3://raw/peer").removeprefix("s3://raw/")
            numbers = itertools.count()

            def put():
                n = next(numbers)
                key = f"{prefix}/sales/{n}.csv"
                # S3 itself gives an object a CRC where its sender does not; the emulator would leave it at an MD5.
                crc = base64.b64encode(zlib.crc32(bodies[n % 3]).to_bytes(4, "big")).decode()
                ask(Proxy.upstream, "PUT", f"/raw/{key}", bodies[n % 3], {"x-amz-checksum-crc32": crc})
                return key

            def start(port):
                return Function(emulator, command, access | variables | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})

            # The tables exist from here on.
            requests, received, sent = count(start(proxy), put)
            cold, warm, peak = measure(lambda: start(Proxy.upstream), put)
            first = first or (statistics.median(cold), statistics.median(warm))
            ratio = [statistics.median(own) / of for own, of in zip((cold, warm), first)]
            print(f"| {size} ({len(bodies[0]):,} B) | {name} | {shown(cold)}, {ratio[0]:.2f}x | {shown(warm)}, {ratio[1]:.2f}x | {peak:,.0f} MiB | {requests:,.0f} | {received:,.0f} | {sent:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
