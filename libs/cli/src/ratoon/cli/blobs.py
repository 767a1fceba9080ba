"""`ratoon blobs`: files in the artifact store, by their SHA-256 digest."""

from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.context import session
from ratoon.cli.exit_codes import ExitCode
from ratoon.cli.output import say, show

app = typer.Typer(help="Files in the artifact store.", no_args_is_help=True)
Digest = Annotated[str, typer.Argument(help="SHA-256 digest of the file.")]


@app.command("upload")
def upload_blob(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="File, or directory of files.", exists=True)],
) -> None:
    """Upload a file or a directory, and print its digest. A partial upload is resumed.

    Examples:
      ratoon blobs upload tickets.csv
      ratoon blobs upload tickets.csv --output json
    """
    chosen = session(context)
    upload = chosen.client.blobs.upload_tree if path.is_dir() else chosen.client.blobs.upload
    digest = upload(path)
    show({"name": digest, "path": str(path), "digest": digest}, chosen.output)


@app.command("download")
def download_blob(
    context: typer.Context,
    digest: Digest,
    path: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Download a file. A partial download (`PATH.part`) is resumed, and the digest is verified.

    Example:
      ratoon blobs download DIGEST model.tar
    """
    session(context).client.blobs.download_to(digest, path)
    say(f"{path}: {path.stat().st_size:,} bytes.")


@app.command("exists")
def check_blob(context: typer.Context, digest: Digest) -> None:
    """Check that the artifact store has a file. Exit status 3 if it has not.

    Example:
      ratoon blobs exists DIGEST
    """
    if not session(context).client.blobs.exists(digest):
        say(f"There is no blob {digest}.")
        raise typer.Exit(ExitCode.NOT_FOUND)
    say(f"The blob {digest} exists.")
