"""The real job of a sweep, whose workers have a fault planted by their seed."""

import sys

from sdexp.launch import job, processes

if __name__ == "__main__":
    processes.WORKER = "tests.faulty_worker"
    sys.exit(job.main())
