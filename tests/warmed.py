"""What a warm process runs in a test: tells what it is, and ends as it is told."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from sdexp.launch import warm

if __name__ == "__main__":
    work = sys.argv[1]
    told = {
        "arguments": sys.argv[2:],
        "folder": os.getcwd(),
        "variable": os.environ.get("TOLD"),
        "leads its session": os.getsid(0) == os.getpid(),
        "warm": warm.is_warm(),
        "state": getattr(os, "left_by_another", None),
    }
    os.left_by_another = work  # type: ignore[attr-defined]
    print(json.dumps(told), flush=True)
    if work == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if work == "raise":
        sys.excepthook = lambda kind, error, trace: print(f"heard of {error!r}", flush=True)
        raise ZeroDivisionError("planted")
    if work == "wait":
        time.sleep(600)
    if work == "fork":
        child = warm.start_forked("tests.warmed", ["wait", sys.argv[2]], {})
        Path(sys.argv[2]).write_text(str(child.pid))
        child.wait()
    sys.exit(7 if work == "fail" else 0)
