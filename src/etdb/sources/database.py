"""A lab's database through SQLAlchemy, only read: sessions that cannot write, limits of time and rows, no secret shown.

What a session is told, where the database can: MariaDB and MySQL `SET SESSION TRANSACTION READ ONLY` and their limits
of time, PostgreSQL `default_transaction_read_only` and `statement_timeout`, SQLite is opened with `mode=ro` and
`query_only` and asked now and then whether its time is up. A user who may only SELECT is better than all of them.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from etdb.errors import ConfigurationError, InputError, SourceError
from etdb.sources.rows import Row

__all__ = ["MAX_ROWS", "Database", "shown_url"]

MAX_ROWS: Final = 5_000_000
_MAX_SECRET_BYTES: Final = 4096
_FETCHED: Final = 10_000
_CONNECT_S: Final = 20
_STEPS: Final = 100_000  # of SQLite's machine, between two looks at the clock
_DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "sqlite": "sqlite+pysqlite",
}
_WORDS: Final = frozenset(
    {"unix_socket", "host", "sslmode", "sslrootcert", "ssl_ca", "ssl_verify_cert", "ssl_verify_identity"}
)
"""What may stand behind the `?` of an address; anything else could be a secret, or change what the session may do."""


class Database:
    """An address of a database, and whoever reads it.

    Args:
        url: such as ``mysql://reader@db.lab.example/publicdb``, ``postgresql://...`` or ``sqlite:///lab.sqlite``.
            A password in it is refused.
        password_file: a file with the password, readable by its owner alone; seen from where the caller says.
        base: the folder from which an SQLite file is seen.
        timeout_s: for each query.

    Raises:
        ConfigurationError: not such an address, or SQLAlchemy is not installed.
    """

    def __init__(
        self, url: str, *, password_file: Path | None = None, base: Path = Path(), timeout_s: float = 60
    ) -> None:
        self._alchemy = _library()
        self.shown = shown_url(url)
        try:
            parsed = self._alchemy.engine.make_url(url)
        except (self._alchemy.exc.ArgumentError, ValueError):
            raise ConfigurationError(f"{self.shown} is not the address of a database", hint=_HINT) from None
        if parsed.password is not None:
            raise ConfigurationError(
                f"the address {self.shown} has a password in it",
                hint="put it into a file that you alone can read, and name that with password_file",
            )
        dialect = parsed.drivername.partition("+")[0]
        if dialect not in _DRIVERS:
            raise ConfigurationError(f"{self.shown}: {dialect!r} is none of the databases that are read", hint=_HINT)
        if strange := set(parsed.query) - _WORDS:
            raise ConfigurationError(
                f"{self.shown}: {min(strange)!r} may not stand in the address", hint=f"only {', '.join(sorted(_WORDS))}"
            )
        self.dialect = {"mariadb": "mysql", "postgres": "postgresql"}.get(dialect, dialect)
        self.notes: list[str] = []
        self._timeout_s = timeout_s
        self._password_file = password_file
        self._url = parsed.set(drivername=_DRIVERS[dialect])
        if self.dialect == "sqlite":
            path = (base / Path(parsed.database or "").expanduser()).absolute()
            if not parsed.database or not path.is_file():
                raise SourceError(f"there is no database {path}", hint="check `url` under [source]", path=str(path))
            self._url = parsed.set(
                drivername=_DRIVERS[dialect], database=f"file:{quote(str(path))}", query={"uri": "true", "mode": "ro"}
            )
        self._engine: Any = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One connection, told to read only.

        Raises:
            SourceError: it cannot be reached, refuses the user, or does not answer in time.
        """
        try:
            with self._opened().connect() as connection:
                self._restrict(connection)
                yield Session(connection, self.shown, self.dialect, self._timeout_s)
        except (self._alchemy.exc.SQLAlchemyError, UnicodeError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(
                f"{self.shown}: {_first_line(error)}", hint="is it there, and may this user read it?", url=self.shown
            ) from None  # the chain of causes could show the address with its password

    def close(self) -> None:
        """Let go of the connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> Any:
        if self._engine is None:
            url = self._url
            if self._password_file is not None:
                url = url.set(password=_secret(self._password_file))
            arguments: dict[str, Any] = {"timeout": _CONNECT_S} if self.dialect == "sqlite" else {}
            if self.dialect == "mysql":
                # Texts come as the server stores them, changed to UTF-8; what was stored wrongly is mended by us.
                arguments = {"connect_timeout": _CONNECT_S, "charset": "utf8mb4", "local_infile": False}
                arguments |= {"read_timeout": self._timeout_s + _CONNECT_S}
            elif self.dialect == "postgresql":
                arguments = {"connect_timeout": _CONNECT_S, "client_encoding": "utf8"}
            try:
                self._engine = self._alchemy.create_engine(
                    url, connect_args=arguments, poolclass=self._alchemy.pool.NullPool
                )
            except ImportError:
                raise _missing() from None
        return self._engine

    def _restrict(self, connection: Any) -> None:
        seconds, milliseconds = self._timeout_s, int(self._timeout_s * 1000)
        if self.dialect == "sqlite":
            # A database that is attached would be another file, made when it is not there.
            connection.connection.driver_connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.exec_driver_sql("PRAGMA query_only = ON")
            return
        if self.dialect == "postgresql":
            for words in (f"SET statement_timeout = {milliseconds}", "SET default_transaction_read_only = on"):
                connection.exec_driver_sql(words)
            connection.commit()  # the transaction in which this was said is not one of those that it is about
            return
        # Old servers know neither; MariaDB and MySQL name the limit of time differently.
        for words in (
            f"SET SESSION max_statement_time = {seconds}",
            f"SET SESSION max_execution_time = {milliseconds}",
        ):
            with suppress(self._alchemy.exc.DBAPIError):
                connection.exec_driver_sql(words)
        try:
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        except self._alchemy.exc.DBAPIError:
            self.notes.append(f"{self.shown} cannot make a session read only: give its user no right but SELECT")
        connection.commit()


class Session:
    """Queries over one connection."""

    def __init__(self, connection: Any, shown: str, dialect: str, timeout_s: float) -> None:
        self._connection = connection
        self._shown = shown
        self._dialect = dialect
        self._timeout_s = timeout_s

    def rows(self, query: str, *, max_rows: int = MAX_ROWS) -> list[Row]:
        """All rows of one query, by the names of its columns. The query goes out as it stands: nothing is put into it.

        Raises:
            InputError: more rows than the limit, or a column name twice.
            SourceError: as :meth:`Database.session`.
        """
        connection = self._connection.execution_options(no_parameters=True, stream_results=True)
        if self._dialect == "sqlite":
            end = time.monotonic() + self._timeout_s
            raw = connection.connection.dbapi_connection
            raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        with connection.exec_driver_sql(query) as result:
            names: Sequence[str] = list(result.keys())
            if len(set(names)) != len(names):
                raise InputError(f"{self._shown}: a query gives two columns of one name", hint="rename one with AS")
            found: list[Row] = []
            while some := result.fetchmany(_FETCHED):
                found += [dict(zip(names, row, strict=True)) for row in some]
                if len(found) > max_rows:
                    raise InputError(
                        f"{self._shown}: a query gives more than {max_rows} rows", hint="make it several sources"
                    )
        return found


def shown_url(url: str) -> str:
    """An address for messages: without what may be a password, wherever it stands."""
    scheme, slashes, rest = url.partition("://")
    if not slashes or not scheme.replace("+", "").isalnum():
        return "an address without ://"
    place, _, _ = rest.partition("?")
    user, at, host = place.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}://{name}{':***' if colon else ''}{at}{host}"


_HINT: Final = "such as mysql://reader@db.lab.example/publicdb, postgresql://reader@host/lab or sqlite:///lab.sqlite"


def _library() -> Any:
    try:
        alchemy = importlib.import_module("sqlalchemy")
        importlib.import_module("sqlalchemy.pool")
        importlib.import_module("sqlalchemy.exc")
    except ImportError:
        raise _missing() from None
    return alchemy


def _missing() -> ConfigurationError:
    return ConfigurationError("reading a database needs SQLAlchemy and a driver", hint="pip install 'etdb[databases]'")


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            rights = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", hint="check password_file") from error
    if rights & 0o077:
        raise ConfigurationError(f"others can read {path}", hint=f"run: chmod 600 {path}", path=str(path))
    try:
        line = data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        line = ""
    if not line or len(data) > _MAX_SECRET_BYTES:
        raise ConfigurationError(f"{path} should hold the password in its first line", path=str(path))
    return line


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    parts: tuple[Any, ...] = getattr(original, "args", ())
    text = str(parts[1]) if len(parts) > 1 else str(original)
    line = " ".join(text.split())
    return line[:300] or type(original).__name__
