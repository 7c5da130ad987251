"""The real job of a sweep, whose workers end as they are told."""

import sys

from sdexp.launch import job, processes

if __name__ == "__main__":
    processes.WORKER = "tests.told_worker"
    sys.exit(job.main())
