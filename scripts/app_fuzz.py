"""Thousands of requests from the OpenAPI document: `python scripts/app_fuzz.py RUNS [EXAMPLES]`.

Schemathesis makes well-formed, malformed and linked requests of each route; ends with 1 when one
of them is a server error other than 503, or the service is not alive at the end. EXAMPLES are of
each route and phase; 300 make about 5,000 requests.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from app_service import HOME, service, wait_until_ready

# A line of jobs that is full is no fault.
SETTINGS = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
# Jobs that nobody asks about again go quickly, so that requests reach the line and not its end.
SERVICE = ["client_timeout=1", "max_queue=64", "max_inference_steps=20", "max_images=2"]


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
    with tempfile.TemporaryDirectory() as folder, service(runs, *SERVICE):
        wait_until_ready()
        code, count = fuzzed(Path(folder), examples)
        alive = httpx.get(f"{HOME}/api/health").status_code == 200
    print(f"{count} requests, exit code {code}, {'alive' if alive else 'dead'}")
    return 0 if alive and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
