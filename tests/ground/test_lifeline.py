import subprocess
import sys
import time

CODE = """
import threading, time
from sdexp.ground.lifeline import end_with_parent
threading.Thread(target=end_with_parent, daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_child_lives_as_long_as_its_parent_holds_the_pipe() -> None:
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin and child.stdout and child.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(10) == 130
