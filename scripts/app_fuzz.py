"""Thousands of requests from the OpenAPI document: `python scripts/app_fuzz.py RUNS [EXAMPLES]`.

Schemathesis makes well-formed, malformed and linked requests of each route; ends with 1 when one
of them is a server error other than 503, or the service is not alive at the end. EXAMPLES are of
each route and phase; 300 make about 5,000 requests.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

PORT = 7897
HOME = f"http://127.0.0.1:{PORT}"
START_SECONDS = 120
# A line of jobs that is full is no fault.
SETTINGS = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
# Jobs that nobody asks about again go quickly, so that requests reach the line and not its end.
SERVICE = ["client_timeout=1", "max_queue=64", "max_inference_steps=20", "max_images=2"]


def ready() -> None:
    for _ in range(START_SECONDS * 5):
        try:
            if httpx.get(f"{HOME}/api/ready").json()["ready"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the service did not start")


def fuzzed(folder: Path, examples: int) -> tuple[int, int]:
    """Exit code of schemathesis, and how many requests it made; what it says is shown."""
    (folder / "schemathesis.toml").write_text(SETTINGS)
    command = [
        str(Path(sys.executable).with_name("st")),
        "run",
        f"{HOME}/api/openapi.json",
        "--checks=not_a_server_error",
        f"--max-examples={examples}",
        "--seed=0",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--warnings=off",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(done.stdout[-4000:], done.stderr[-1000:], flush=True)
    counted = re.findall(r"([\d,]+) generated", done.stdout)
    return done.returncode, sum(int(number.replace(",", "")) for number in counted)


def main() -> int:
    runs = Path(sys.argv[1]).absolute()
    examples = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"SDEXP_STORE": f"{folder}/store", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-m", "sdexp.app", f"runs={runs}", f"port={PORT}", *SERVICE]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            ready()
            code, count = fuzzed(Path(folder), examples)
            alive = httpx.get(f"{HOME}/api/health").status_code == 200
        finally:
            server.terminate()
            server.wait(30)
    print(f"{count} requests, exit code {code}, {'alive' if alive else 'dead'}")
    return 0 if alive and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
