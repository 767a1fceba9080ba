"""The S3 server in memory does what the platform's file system asks of a real one."""

from collections.abc import Iterator

import pytest
import s3fs

from ratoon.testkit.object_store import BUCKET, MemoryStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryStore]:
    store = MemoryStore(tmp_path_factory.mktemp("objects"))
    store.start()
    yield store
    store.close()


@pytest.fixture(scope="module")
def files(store: MemoryStore) -> s3fs.S3FileSystem:
    environment = store.environment
    files = s3fs.S3FileSystem(
        key=environment["AWS_ACCESS_KEY_ID"],
        secret=environment["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
    )
    files.mkdir(BUCKET)
    return files


def test_a_large_file_is_put_in_parts_and_read_by_range(files, tmp_path):
    data = bytes(range(256)) * 48_000
    (tmp_path / "large").write_bytes(data)
    files.put_file(str(tmp_path / "large"), f"{BUCKET}/large", chunksize=5 << 20)
    assert files.info(f"{BUCKET}/large")["ETag"].endswith('-3"'), "an upload in three parts"
    start = 6 << 20
    assert files.cat_file(f"{BUCKET}/large", start=start, end=start + 300) == data[start : start + 300]


def test_an_object_is_not_created_twice(files):
    files.pipe_file(f"{BUCKET}/once", b"first", mode="create")
    with pytest.raises(FileExistsError):
        files.pipe_file(f"{BUCKET}/once", b"second", mode="create")
    assert files.cat_file(f"{BUCKET}/once") == b"first"


def test_objects_outlive_a_stop(store, files):
    files.pipe_file(f"{BUCKET}/kept", b"kept")
    for _ in range(2):
        store.stop()
        store.start()
    assert files.cat_file(f"{BUCKET}/kept") == b"kept"
