"""A worker without work: it ends as `TOLD` says, a code and the reason that it tells, if any."""

import os
import signal
import sys
from pathlib import Path

from sdexp.ground.record_files import write_record
from sdexp.ground.records import Outcome
from sdexp.ground.run import RunFolder

if __name__ == "__main__":
    run = RunFolder(Path(sys.argv[1]))
    code, _, reason = os.environ["TOLD"].partition(":")
    asked = os.environ["TOLD_STAGES"] if "TOLD_STAGES" in os.environ else ""
    if asked:
        Path(asked).write_text(" ".join(sys.argv[2:]))
    if code == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if code == "0" or reason:
        write_record(run.outcome, Outcome(int(code), reason or None))
    sys.exit(int(code))
