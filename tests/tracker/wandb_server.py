"""As much of a W&B server as one run needs: what it was sent, and who may append to it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Held:
    """What the server has of its run; `refuses` are queries that it answers with an error."""

    url: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_codes: list[int] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)

    def steps(self, name: str = "train") -> list[int]:
        axis = f"{name}/global_step"
        return [row[axis] for row in self.rows if axis in row]

    def stream(self, sent: dict[str, Any]) -> None:
        """A part of the run's files, each line at its place."""
        files = sent["files"] if "files" in sent else {}
        if "wandb-history.jsonl" in files:
            part = files["wandb-history.jsonl"]
            self.rows[part["offset"] :] = [json.loads(line) for line in part["content"]]
        if "wandb-summary.json" in files:
            self.summary = json.loads(files["wandb-summary.json"]["content"][-1])
        if "complete" in sent and sent["complete"]:
            self.exit_codes.append(sent["exitcode"])

    def answer(self, query: str, given: dict[str, Any]) -> dict[str, Any]:
        project = {"id": "p", "name": "sdexp", "entity": {"id": "e", "name": "me"}}
        if query == "Viewer":
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}"}}
        if query == "UpsertBucket":
            is_first = not self.run
            self.run |= {key: value for key, value in given.items() if value is not None}
            names = {"id": "b", "name": given["name"], "displayName": "x", "config": "{}"}
            bucket = names | {"project": project, "historyLineCount": len(self.rows)}
            return {"upsertBucket": {"bucket": bucket, "inserted": is_first}}
        if query == "RunResumeStatus":
            return {"model": project | {"bucket": self._bucket()}} if self.run else {"model": None}
        if query == "CreateRunFiles":
            files = [{"name": n, "uploadUrl": f"{self.url}/file"} for n in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return {}

    def _bucket(self) -> dict[str, Any]:
        return {
            "id": "b", "name": "x", "displayName": "x", "config": "{}", "tags": [],
            "summaryMetrics": json.dumps(self.summary), "wandbConfig": '{"t": 1}',
            "historyLineCount": len(self.rows), "eventsLineCount": 0, "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in self.rows[-1:]]),
            "eventsTail": "[]",
        }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    held: Held
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._reply({})

    def do_PUT(self) -> None:
        self._body()
        self._reply({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path.endswith("/file_stream"):
            self.held.stream(json.loads(body))
            return self._reply({"exitcode": None, "limits": {}})
        if not self.path.endswith("/graphql"):
            return self._reply({})
        asked = {"variables": {}} | json.loads(body)
        if asked["operationName"] in self.held.refuses:
            return self._reply({"errors": [{"message": "not for you"}]})
        self._reply({"data": self.held.answer(asked["operationName"], asked["variables"])})

    def _body(self) -> bytes:
        data = b""
        if "Content-Length" in self.headers:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        elif "Transfer-Encoding" in self.headers:
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        zipped = self.headers["Content-Encoding"] == "gzip"
        return gzip.decompress(data) if zipped else data

    def _reply(self, values: dict[str, Any]) -> None:
        data = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A guest that was killed in the midst of a request."""


@contextmanager
def wandb_server() -> Iterator[Held]:
    """A server on this machine, which is well."""
    held = Held()
    with Server(("127.0.0.1", 0), type("Handler", (Handler,), {"held": held})) as server:
        held.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield held
        server.shutdown()
