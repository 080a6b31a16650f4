"""What an endpoint of the protocol is: from one table come routing, rights and the description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from tracklet_services.server.replies import Nothing, answer_of
from tracklet_services.server.requests import asked_of

if TYPE_CHECKING:
    from tracklet.record import Store
    from tracklet_services.server.accounts import Accounts, Caller
    from tracklet_services.server.authority import Authority
    from tracklet_services.server.notifier import Notifier
    from tracklet_services.server.places import Places
    from tracklet_services.web.guard import Policy
    from tracklet_services.web.workers import Workers

Right: TypeAlias = Literal["read", "log", "admin"]
"""To look at it; to add to it and change it; to delete it and say who may do what."""

Subject: TypeAlias = Literal[
    "nothing", "experiment", "experiments", "run", "runs", "model", "registered", "registry",
    "trace", "traces", "files", "new experiment", "new registered", "accounts", "resource",
]  # fmt: skip
"""What the request is about, and so whose rights decide: the fields that name it are the same in
all requests."""


KINDS: Final = {"experiment": "experiment", "registered_model": "registered"}
"""Our words for MLflow's types of resources."""


class Served(NamedTuple):
    """What handlers work on.

    Attributes:
        store: The record.
        places: Its artifacts, as clients see them.
        accounts: The users, where the server knows them.
        caller: Who asks, where that is known.
        notifier: Who tells webhooks, where there are any.
    """

    store: Store
    places: Places
    accounts: Accounts | None = None
    caller: Caller | None = None
    notifier: Notifier | None = None


@dataclass(eq=False)
class Part:
    """Answers some of a server's requests.

    Args:
        served: What they are about.
        workers: Who does what they ask for.
        policy: What a request may cost.
        authority: Who may do what; everybody everything without one.
    """

    served: Served
    workers: Workers
    policy: Policy
    authority: Authority | None = None


class Endpoint(NamedTuple):
    """A verb of the protocol.

    Attributes:
        method: GET, or another whose request is a JSON body.
        path: The path below ``/api/<version>/mlflow/``; ``{name}`` is a field of the request.
        right: What the caller must be allowed to do
        subject: to what.
        call: Does it, in a thread: what is asked are its parameters, what is answered its result.
        versions: The versions of the protocol that have it.
    """

    method: str
    path: str
    right: Right
    subject: Subject
    call: Callable[..., Any]
    versions: Sequence[str] = ("2.0",)

    @property
    def request(self) -> type[Struct]:
        """The class of what is asked."""
        return asked_of(self.call)

    @property
    def reply(self) -> type[Struct]:
        """The class of what is answered."""
        return answer_of(self.call)

    def answer(self, served: Served, asked: Struct) -> Struct:
        """Do what is asked."""
        code, reply = self.call.__code__, self.reply
        given = [getattr(asked, name) for name in code.co_varnames[1 : code.co_argcount]]
        result = self.call(served, *given)
        if result is None or isinstance(result, reply):
            return result or Nothing()
        return reply(**{reply.__struct_fields__[0]: result})
