"""The record: what may be created, changed, deleted and found, and how; each rule once.

:class:`~tracklet.record.store.Store` has the verbs, over a
:class:`~tracklet.record.backend.Backend` that keeps entities and knows no rule. A folder, a SQLite
file and PostgreSQL are backends. A store behind a server is none: there, the rules are the
server's, so it is a ``Store`` that sends each verb over the wire instead (see there).
"""
