"""How the server runs: where it listens, in how many processes, and how it ends."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tracklet import lazy, settings
from tracklet.errors import InvalidParameterValue, StorageError
from tracklet.stores import open_store
from tracklet_services.server.places import check_remote
from tracklet_services.server.private import PrivateFile
from tracklet_services.web.access import AccessLog
from tracklet_services.web.guard import Guard, Policy

_ARGUMENTS: Final = "TRACKLET_SERVER_ARGUMENTS"
_GRACE: Final = 30
_logger = lazy.logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a server runs.

    Args:
        store: The record's URI.
        host: The address to listen on.
        port: The port.
        uds: A Unix socket to listen on instead.
        workers: How many processes answer.
        prefix: What stands before every path.
        certificate: A file with the TLS certificate, and
        key: one with its key.
        accounts: The file of the users, if the server is to know them.
        hooks: The file of the webhooks.
        access_log: Whether a line of JSON is printed for each request.
        exposed: Whether anybody who reaches the server may use it.
        policy: Whom it answers to, and what a request may cost.
        destination: The place in an object store for artifacts of new experiments.
    """

    store: str
    host: str = "127.0.0.1"
    port: int = 5000
    uds: str | None = None
    workers: int = 1
    prefix: str = ""
    certificate: str | None = None
    key: str | None = None
    accounts: str | None = None
    hooks: str | None = None
    access_log: bool = False
    exposed: bool = False
    policy: Policy = field(default_factory=Policy)
    destination: str | None = None

    def __post_init__(self) -> None:
        if self.prefix and (self.prefix[0] != "/" or self.prefix[-1] == "/"):
            raise InvalidParameterValue(
                f"a static prefix begins and does not end with '/'; got {self.prefix!r}"
            )
        known = self.accounts is not None or self.exposed
        if self.destination is not None:
            check_remote(self.destination, "--artifacts-destination")
        if self.uds is None and not known and not _is_loopback(self.host):
            raise InvalidParameterValue(
                f"{self.host!r} can be reached from other machines, and whoever reaches this "
                "server may change and delete all of the record. Let it know its users by --auth, "
                "listen on 127.0.0.1, or say --expose-to-everybody"
            )

    @property
    def address(self) -> str:
        """Where it can be reached."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.prefix}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(options: Options) -> None:
    """Serve until interrupted; what is under way then is finished, within half a minute.

    Raises:
        MissingDependency: A library of the extra ``server`` is not installed.
        TrackletException: The store cannot be opened.
    """
    for library in ("starlette", "msgspec"):
        _imported(library)
    uvicorn = _imported("uvicorn")
    open_store(options.store)  # what is wrong with it is said here, once
    for kept in (options.accounts, options.hooks):
        if kept is not None:
            PrivateFile(Path(kept), "")  # so is this
    from tracklet_services.web.patience import Patient

    listening = None if options.uds is None else _listening(options.uds, options.accounts is None)
    os.environ[_ARGUMENTS] = json.dumps(asdict(options))  # for the processes that uvicorn starts
    try:
        uvicorn.run(
            f"{__name__}:app",
            factory=True,
            http=Patient,
            host=options.host,
            port=options.port,
            fd=None if listening is None else listening.fileno(),
            workers=options.workers,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
            log_level="warning",
            access_log=False,
            server_header=False,
            forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", ""),
            timeout_graceful_shutdown=_GRACE,
        )
    finally:
        del os.environ[_ARGUMENTS]
        if listening is not None:
            listening.close()


def _listening(path: str, private: bool) -> socket.socket:
    """A Unix socket for its owner alone, or for the group too; one that nobody has any more goes.

    Raises:
        InvalidParameterValue: Somebody listens there, or it is another file.
    """
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177 if private else 0o117)  # from its first moment on
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise InvalidParameterValue(f"{path!r} is there, and no socket; choose another")
            with socket.socket(socket.AF_UNIX) as asked, suppress(ConnectionRefusedError):
                asked.connect(path)
                raise InvalidParameterValue(f"a server listens at {path!r}; choose another socket")
            os.unlink(path)
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise InvalidParameterValue(f"cannot listen at {path!r}: {error}") from error
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def app() -> Guard | AccessLog:
    """The application of one of the server's processes."""
    from tracklet_services.server.accounts import Accounts
    from tracklet_services.server.app import create_app
    from tracklet_services.server.hooks import Hooks
    from tracklet_services.server.notifier import Notifier
    from tracklet_services.ui.app import routes
    from tracklet_services.ui.place import Place

    arguments: dict[str, Any] = json.loads(os.environ[_ARGUMENTS])
    options = Options(**{**arguments, "policy": Policy(**arguments["policy"])})
    accounts = None if options.accounts is None else Accounts(Path(options.accounts))
    store = open_store(options.store)
    notifier = None
    if options.hooks is not None:
        notifier = Notifier(Hooks(Path(options.hooks), options.store), store)
        notifier.watch()
    made = create_app(
        store,
        options.policy,
        routes=routes(Place(options.store)),
        prefix=options.prefix,
        accounts=accounts,
        notifier=notifier,
        knows_rights=True,
        destination=options.destination,
    )
    return AccessLog(made) if options.access_log else made


def first_token(options: Options) -> str | None:
    """The token that makes the first user, while there is none."""
    from tracklet_services.server.accounts import Accounts

    return None if options.accounts is None else Accounts(Path(options.accounts)).first_token()


def default_hooks() -> str | None:
    """The file of the webhooks, unless another is named; None where none can be written."""
    path = settings.config_dir() / "server-webhooks.db"
    try:
        PrivateFile(path, "")
    except StorageError as error:  # a server that has no home of its own
        _logger.warning("there are no webhooks: %s; --webhooks-file names another place", error)
        return None
    return str(path)


def default_store() -> str:
    """The record to serve: ``TRACKLET_`` or ``MLFLOW_BACKEND_STORE_URI``, or the default one."""
    configured = settings.option("BACKEND_STORE_URI")
    return settings.absolute_uri(configured) if configured else settings.tracking_uri()


def _imported(name: str) -> Any:
    return lazy.imported(name, name, purpose="the tracking server", extra="server")
