"""What ties a child process to the command that started it."""

import os
import signal

# Set for a child whose standard input closes when its parent ends.
FOLLOW_PARENT = "SDEXP_FOLLOW_PARENT"
# Makes a worker write the stacks of its threads.
STACKS_SIGNAL = signal.SIGUSR1


def end_with_parent() -> None:
    """Wait for the standard input to close, and end.

    A worker without its command would write into a folder that the next command takes over.
    """
    os.read(0, 1)
    os._exit(130)
