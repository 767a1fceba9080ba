"""Starts one PostgreSQL server, with the roles and databases that files name.

PGDATA is its folder; POSTGRESQL_SUPERUSER_PASSWORD a file with the password of `postgres`; POSTGRESQL_ROLES a folder of
files named after roles, each with a password. A role owns the database of its name. Roles that exist get the password
that their file has now.
"""

import os
import subprocess
from pathlib import Path

SOCKETS = "/var/run/postgresql"


def main() -> None:
    """Make the data folder the first time, see to the roles, and hand this process over to the server."""
    data = Path(os.environ["PGDATA"])
    if not (data / "PG_VERSION").exists():
        initialise(data, Path(os.environ["POSTGRESQL_SUPERUSER_PASSWORD"]))
    with_server(data, statements(Path(os.environ["POSTGRESQL_ROLES"])))
    os.execvp("postgres", server(data, "*"))


def initialise(data: Path, password: Path) -> None:
    """Make an empty installation, in a folder that takes its name only once it is whole."""
    unfinished = data.with_name(f"{data.name}.unfinished")
    subprocess.run(["rm", "-rf", str(unfinished)], check=True)
    whole = ["initdb", "-D", str(unfinished), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]
    access = ["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", str(password)]
    subprocess.run([*whole, *access], check=True)
    with (unfinished / "pg_hba.conf").open("a") as file:
        file.write("host all all all scram-sha-256\n")
    unfinished.rename(data)


def statements(folder: Path) -> str:
    """What gives each role its password and its database, for psql."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        role, password = identifier(path.name), literal(path.read_text().strip())
        exists = f"SELECT FROM pg_roles WHERE rolname = {literal(path.name)}"
        lines += [
            f"SELECT {literal(f'CREATE ROLE {role} LOGIN')} WHERE NOT EXISTS ({exists}) \\gexec",
            f"ALTER ROLE {role} PASSWORD {password};",
            f"SELECT {literal(f'CREATE DATABASE {role} OWNER {role}')} WHERE NOT EXISTS"
            f" (SELECT FROM pg_database WHERE datname = {literal(path.name)}) \\gexec",
            f"REVOKE ALL ON DATABASE {role} FROM PUBLIC;",
        ]
    return "\n".join(lines) + "\n"


def with_server(data: Path, script: str) -> None:
    """Run statements on a server that nobody else can reach."""
    options = "-c " + " -c ".join(("listen_addresses=''", f"unix_socket_directories={SOCKETS}"))
    control = ["pg_ctl", "-D", str(data), "-w", "-t", "120", "-o", options, "-l", "/tmp/start.log"]
    subprocess.run([*control, "start"], check=True)
    try:
        psql = ["psql", "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-h", SOCKETS, "-U", "postgres"]
        subprocess.run(psql, input=script, text=True, check=True, stdout=subprocess.DEVNULL)
    finally:
        subprocess.run(["pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop"], check=True)


def server(data: Path, addresses: str) -> list[str]:
    """The command that serves."""
    return [
        "postgres",
        "-D",
        str(data),
        "-c",
        f"listen_addresses={addresses}",
        "-c",
        f"unix_socket_directories={SOCKETS}",
        "-c",
        "max_connections=200",
    ]


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
