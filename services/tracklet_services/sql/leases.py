"""Runs that lost their process, by the leases that processes leave in the database."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from tracklet.liveness import END_REASON_TAG, LOST, Lease, is_alive, is_rival
from tracklet_services.sql import values
from tracklet_services.sql.schema import leases, metrics, runs, tags


def leave(connection: Connection, run: int) -> int:
    """Leave this process's lease on a run and return its row."""
    return values.add(connection, leases, run=run, text=Lease.mine().to_json())


def carry_on(connection: Connection, run: int) -> int:
    """Make a run RUNNING again, carried by this process, and return the row of its lease."""
    values.change(connection, runs, run, status="RUNNING", end_time=None)
    values.discard_tag(connection, tags, "run", run, END_REASON_TAG)
    drop_dead(connection, run)
    return leave(connection, run)


def has_rivals(connection: Connection, run: int, rivals: str) -> bool:
    """Whether another process that is in the way has a lease on a run."""
    texts = connection.execute(select(leases.c.text).where(leases.c.run == run)).scalars()
    return any(is_rival(text, rivals) for text in texts)


def drop_dead(connection: Connection, run: int) -> None:
    """Remove the leases of processes that are certainly dead."""
    rows = connection.execute(select(leases.c.id, leases.c.text).where(leases.c.run == run)).all()
    dead = [row for row, text in rows if _is_dead(text)]
    if dead:
        connection.execute(delete(leases).where(leases.c.id.in_(dead)))


def lost_runs(connection: Connection, run: int | None = None) -> list[int]:
    """The rows of runs that are RUNNING by the record, but whose processes are all dead.

    Args:
        connection: Where to ask.
        run: Only this one.
    """
    statement = (
        select(leases.c.run, leases.c.text)
        .join(runs, runs.c.id == leases.c.run)
        .where(runs.c.status == "RUNNING")
    )
    if run is not None:
        statement = statement.where(leases.c.run == run)
    alive: dict[int, bool] = {}
    for row, text in connection.execute(statement):
        alive[row] = alive.get(row, False) or not _is_dead(text)
    return [row for row, lives in alive.items() if not lives]


def settle(connection: Connection, run: int) -> None:
    """Write down that a run was lost; its last point says when it was last alive."""
    locked = select(runs.c.start_time).where(runs.c.id == run, runs.c.status == "RUNNING")
    started = connection.execute(locked.with_for_update()).first()
    if started is None or run not in lost_runs(connection, run):
        return
    last = connection.execute(
        select(func.max(metrics.c.timestamp)).where(metrics.c.run == run)
    ).scalar()
    end_time = max(last or 0, started[0] or 0) or None
    values.change(connection, runs, run, status="KILLED", end_time=end_time)
    reason = values.insert(connection, tags).values(run=run, key=END_REASON_TAG, value=LOST)
    connection.execute(reason.on_conflict_do_nothing())
    connection.execute(delete(leases).where(leases.c.run == run))


def _is_dead(text: str) -> bool:
    lease = Lease.from_json(text)
    return lease is not None and is_alive(lease) is False
