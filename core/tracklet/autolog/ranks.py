"""Which of the processes of a distributed training this is.

Launchers such as torchrun, and all that is built on it, start the same script several times and
tell each process its number. All of them train, and one of them is to be on the record.
"""

from __future__ import annotations

import os


def is_follower() -> bool:
    """Whether this process repeats a training that the process of rank 0 records.

    Read from ``RANK`` and ``WORLD_SIZE``, which torchrun sets. The numbers of a batch system alone,
    such as ``SLURM_PROCID``, say nothing: its processes may be trainings of their own.
    """
    try:
        return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0
    except ValueError:
        return False
