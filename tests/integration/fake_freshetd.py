"""The least that freshet.Freshetd can talk to, so that the harness is tested without the C program.

"tests" in the configuration says how to misbehave: "mute" (never ready), "stubborn" (ignores
SIGTERM), "leak" (a sanitizer's line at the end), "crash" (exit code 3 at once).
"""

import http.server
import json
import os
import signal
import socketserver
import sys
import threading


class Control(socketserver.StreamRequestHandler):
    def handle(self):
        request = json.loads(self.rfile.readline())
        self.wfile.write(json.dumps({"echo": request}).encode() + b"\n")


class Metrics(http.server.BaseHTTPRequestHandler):
    TEXT = ("# TYPE freshet_queries_total counter\n"
            'freshet_queries_total{tier="os",transport="udp"} 7\n'
            'freshet_queries_total{tier="os",transport="tcp"} 2\n'
            'freshet_queries_total{tier="regional",transport="udp"} 1\n'
            "freshet_feed_in_sync 1\n")

    def do_GET(self):
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.TEXT.encode())

    def log_message(self, *_):
        pass


def log(text):
    print(text, file=sys.stderr, flush=True)


def load():
    with open(sys.argv[sys.argv.index("-c") + 1], encoding="utf-8") as file:
        return json.load(file)


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    config = load()
    how = config.get("tests")
    if how == "crash":
        log('level=error msg="cannot \\"start\\""')
        return 3
    wanted = {signal.SIGHUP, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)  # before the threads, which inherit it
    if os.path.exists(config["control"]):
        os.unlink(config["control"])
    serve(socketserver.UnixStreamServer(config["control"], Control))
    host, port = config["metrics"].split(":")
    serve(http.server.HTTPServer((host, int(port)), Metrics))
    if how != "mute":
        log(f"level=info msg=ready tier={config['tiers'][0]['name']}")
    while True:
        number = signal.sigwait(wanted)
        if number == signal.SIGHUP:
            log(f"level=info msg=reloaded log={load()['log']}")
        elif how != "stubborn":
            break
    if how == "leak":
        log("==1==ERROR: LeakSanitizer: detected memory leaks\n    #0 malloc")
    return 0


if __name__ == "__main__":
    sys.exit(main())
