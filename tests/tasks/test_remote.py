"""Sources and outputs at URLs, tried against a real S3 server and real web servers on this machine."""

import hashlib
import http.server
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from culpa.flows.command import answer
from culpa.tasks.errors import BadInput, CulpaError
from culpa.tasks.locations import as_location, redacted
from culpa.tasks.publishing.publish import publish
from culpa.tasks.reviews.decide import decide
from culpa.tasks.settings import read_settings
from culpa.tasks.sinks import urls
from tests.tasks.small_store import ask as ask_store
from tests.tasks.small_store import pets
from tests.tasks.tables import animals, ask, ingested, saved

SECRET = "never-shown"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="module")
def bucket(s3_server: str) -> Any:
    import boto3

    session = boto3.Session("an-id", SECRET, region_name="us-east-1")
    bucket = session.resource("s3", endpoint_url=s3_server).Bucket("zoo-data")
    bucket.create()
    return bucket


@pytest.fixture
def s3(bucket: Any, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The empty bucket `zoo-data`, as boto3 has it; the credentials stand in the environment."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket.objects.delete()
    return bucket


def uploaded(bucket: Any, file: Path, key: str) -> str:
    bucket.upload_file(str(file), key)
    return f"s3://zoo-data/{key}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class _Guarded(_Quiet):
    def do_GET(self) -> None:
        if self.headers.get("Authorization") == "Basic YW5uOm5ldmVyLXNob3du":  # ann:never-shown
            super().do_GET()
        else:
            self.send_error(401)


class _Cut(_Quiet):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"weight,animal\n1,cat\n2,dog\n")
        self.close_connection = True


@contextmanager
def web_server(folder: Path, handler: type = _Quiet, context: ssl.SSLContext | None = None) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.duckdb"])
def test_a_file_in_s3_is_read_as_the_same_rows_as_the_file_here(tmp_path: Path, s3: Any, name: str) -> None:
    here = saved(animals(), tmp_path / name)
    (tmp_path / "here").mkdir()
    ingested(here, tmp_path / "here", dataset="a")
    ingested(uploaded(s3, here, f"in/{name}"), tmp_path, dataset="a")
    rows = "SELECT row_id, row_hash, given_label FROM rows ORDER BY position"
    assert ask(tmp_path, rows) == ask(tmp_path / "here", rows)
    assert ask(tmp_path, "SELECT run_id FROM runs") == ask(tmp_path / "here", "SELECT run_id FROM runs")


def test_the_store_names_the_url_and_nothing_of_the_fetch_is_left(tmp_path: Path, s3: Any) -> None:
    url = uploaded(s3, saved(animals(), tmp_path / "a.parquet"), "in/a.parquet")
    ingested(url, tmp_path)
    assert ask(tmp_path, "SELECT source, dataset FROM runs") == [(url, "a")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "culpa.duckdb"]
    assert SECRET.encode() not in (tmp_path / "culpa.duckdb").read_bytes()


@pytest.mark.parametrize("url", ["s3://zoo-data/days/", "s3://zoo-data/days/day=*/part-*.parquet"])
def test_patterns_and_folders_in_s3_bring_their_partitions(tmp_path: Path, s3: Any, url: str) -> None:
    for day in (1, 2):
        uploaded(s3, saved(animals(30), tmp_path / "part.parquet"), f"days/day={day}/part-0.parquet")
    uploaded(s3, saved(animals(3), tmp_path / "part.parquet"), "days/day=1/_part-9.parquet")
    ingested(url, tmp_path, out=tmp_path / "clean.parquet", dataset="days")
    [(table,)] = ask(tmp_path, "SELECT data_table FROM runs")
    assert ask(tmp_path, f"SELECT day, count(*) FROM {table} GROUP BY day ORDER BY day") == [(1, 30), (2, 30)]


def test_keys_that_climb_out_of_their_folder_stay_in_the_work_folder(tmp_path: Path, s3: Any) -> None:
    store = tmp_path / "deep" / "er"
    store.mkdir(parents=True)
    url = uploaded(s3, saved(animals(), tmp_path / "a.parquet"), "x/../../../../../escaped.parquet")
    ingested(url, store, out=store / "clean.parquet")
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == ["a.parquet"]


def test_trusted_rows_can_lie_in_s3(tmp_path: Path, s3: Any) -> None:
    trusted = uploaded(s3, saved(animals()[:9], tmp_path / "trusted.parquet"), "trusted.parquet")
    ingested(saved(animals(), tmp_path / "a.parquet"), tmp_path, reference=f"good={trusted}")
    assert ask(tmp_path, "SELECT reference, count(*) FROM reference_rows GROUP BY ALL") == [("good", 9)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://zoo-data/none.parquet", "no such file: s3://zoo-data/none.parquet"),
        ("s3://no-bucket/none.parquet", "no such file: s3://no-bucket/none.parquet"),
        ("s3://zoo-data/no*.parquet", r"no such file: s3://zoo-data/no\*.parquet"),
        ("s3://zoo-data/notes", "cannot tell the format of"),
        ("s3://zoo-data/bad.parquet", r"cannot read s3://zoo-data/bad.parquet: .*"),
        ("s3://zoo-data/empty.csv", "s3://zoo-data/empty.csv is empty"),
        ("nowhere://x/a.csv", "cannot read nowhere:// here"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_url(tmp_path: Path, s3: Any, url: str, message: str) -> None:
    s3.put_object(Key="bad.parquet", Body=b"no parquet")
    s3.put_object(Key="notes", Body=b"?")
    s3.put_object(Key="empty.csv", Body=b"")
    with pytest.raises(BadInput, match=message) as told:
        ingested(url, tmp_path, out=tmp_path / "clean.parquet")
    assert "fetched" not in str(told.value)
    assert not (tmp_path / "culpa.duckdb").exists()


def test_a_broken_line_of_a_fetched_file_is_told_by_its_url(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Key="a.jsonl", Body=b'{"x": 1, "animal": "cat"}\n{"x": ')
    with pytest.raises(BadInput, match=r"cannot read s3://zoo-data/a\.jsonl") as told:
        ingested("s3://zoo-data/a.jsonl", tmp_path)
    assert "fetched" not in str(told.value)


def test_without_credentials_the_variables_to_set_are_named(
    tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.delenv("AWS_ACCESS_KEY_ID")
        context.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(BadInput, match=r"no credentials for s3://zoo-data/a\.parquet: .*AWS_ACCESS_KEY_ID"):
            ingested("s3://zoo-data/a.parquet", tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        f"s3://an-id:{SECRET}@zoo-data/a.parquet",
        f"https://ann:{SECRET}@zoo.org/a.csv",
        f"https://{SECRET}@zoo.org/a.csv",
        f"https://ann:{SECRET}/x@zoo.org/a.csv",
        f"https://zoo.org/a.csv?X-Amz-Signature={SECRET}",
        f"https://zoo.org/a.csv?page=1&access_token={SECRET}",
        f"https://zoo.org/a.csv?sv=2024&SIG={SECRET}",
        f"https://zoo.org/a.csv?accessKey={SECRET}",
        f"https://zoo.org/a.csv?api-key={SECRET}",
        f"https://zoo.org/a.csv?key={SECRET}",
        f"https://zoo.org/a.csv?AWSAccessKeyId={SECRET}",
        f"https://zoo.org/a.csv?authtoken={SECRET}",
        f"postgresql://ann:{SECRET}@host/db",
        f"postgresql://host/db?password={SECRET}",
    ],
)
@pytest.mark.parametrize("setting", ["source", "reference", "out", "judge_on"])
def test_a_url_with_a_secret_is_refused_and_the_secret_is_not_repeated(url: str, setting: str) -> None:
    options = {"source": "a.csv", "label": "animal", setting: url}
    with pytest.raises(BadInput, match=r"must not hold|malformed") as told:
        read_settings(**options)
    assert SECRET not in str(told.value)
    assert SECRET not in redacted(url)


def test_names_that_only_look_like_a_secrets_are_let_through() -> None:
    names = ["country_code", "keyword", "author", "design", "primaryKey", "passenger", "sort-key", "assignment", "page"]
    url = "https://zoo.org/a.csv?" + "&".join(f"{name}=x" for name in names)
    assert as_location(url) == url == redacted(url)


@pytest.mark.parametrize(
    "words",
    [
        ["clean", "a.csv", "--label", "animal", "--out", f"s3://id:{SECRET}@zoo/a.csv"],
        ["flag", f"https://zoo.org/a.csv?sig={SECRET}", "--label", "animal", "--json"],
        ["publish", "abc", "--out", f"s3://id:{SECRET}@zoo/a.csv"],
        ["publish", "abc", "--plain", "--out", f"postgresql://zoo:{SECRET}/x@host/db"],
    ],
)
def test_the_command_line_does_not_repeat_a_secret(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(words) == 2
    told = capsys.readouterr()
    assert "URL" in told.err
    assert SECRET not in told.err + told.out


def test_paths_stay_paths_and_urls_stay_as_they_are() -> None:
    assert as_location("data/a=1/x.csv") == Path("data/a=1/x.csv")
    assert as_location("file:///data/a%20b.csv") == Path("/data/a b.csv")
    assert as_location("https://zoo.org/a.csv?page=2") == "https://zoo.org/a.csv?page=2"
    with pytest.raises(BadInput, match="drops a slash"):
        as_location(Path("s3://zoo-data/a.csv"))


def test_a_url_as_source_needs_a_place_for_the_output() -> None:
    with pytest.raises(BadInput, match="name one with --out"):
        read_settings("https://zoo.org/a.csv", label="animal").out_path  # noqa: B018


def test_a_file_is_read_from_a_web_server_and_names_no_query(tmp_path: Path) -> None:
    saved(animals(), tmp_path / "a.csv")
    with web_server(tmp_path) as address:
        assert ingested(f"{address}/a.csv?page=1", tmp_path, out=tmp_path / "clean.csv").rows == 60
        assert ask(tmp_path, "SELECT source, dataset FROM runs") == [(f"{address}/a.csv?page=1", "a")]
        with pytest.raises(BadInput, match="no such file: http"):
            ingested(f"{address}/b.csv", tmp_path, out=tmp_path / "clean.csv")
        with pytest.raises(BadInput, match="cannot list its files"):
            ingested(f"{address}/*.csv", tmp_path, out=tmp_path / "clean.csv")
    with pytest.raises(CulpaError, match="cannot reach http"):
        ingested(f"{address}/a.csv", tmp_path, out=tmp_path / "clean.csv")


def test_half_a_file_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    with web_server(tmp_path, _Cut) as address, pytest.raises(CulpaError, match="cannot reach http"):
        ingested(f"{address}/a.csv", tmp_path, out=tmp_path / "clean.csv")


def test_the_password_of_a_web_server_comes_from_the_netrc_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(animals(), tmp_path / "a.csv")
    with web_server(tmp_path, _Guarded) as address:
        monkeypatch.setenv("NETRC", str(tmp_path / "none"))
        with pytest.raises(CulpaError, match="401"):
            ingested(f"{address}/a.csv", tmp_path, out=tmp_path / "clean.csv")
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login ann password {SECRET}\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert ingested(f"{address}/a.csv", tmp_path, out=tmp_path / "clean.csv").rows == 60


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    """In a process of its own: what certificates to trust is read from the environment once."""
    saved(animals(), tmp_path / "a.csv")
    certificate, context = _certificate(tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fetching = "import sys; from pathlib import Path; from culpa.tasks.fetching import fetch; "
    fetching += "print(fetch(sys.argv[1], Path(sys.argv[2]), None).files[0].read_text())"
    with web_server(tmp_path, context=context) as address:
        command = [sys.executable, "-c", fetching, f"{address}/a.csv", str(tmp_path)]
        trusting = {**os.environ, "SSL_CERT_FILE": str(certificate)}
        trusted = subprocess.run(command, env=trusting, capture_output=True, text=True)
        assert trusted.stdout.strip() == (tmp_path / "a.csv").read_text().strip()
        doubtful = subprocess.run(command, capture_output=True, text=True)
        assert "certificate verify failed" in doubtful.stderr
        assert "CulpaError: cannot reach https://" in doubtful.stderr


def _certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "zoo")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    file, form = folder / "certificate.pem", serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return file


OUT = "s3://zoo-data/out/cleaned.parquet"


def keys(bucket: Any) -> dict[str, str]:
    return {one.key: one.e_tag for one in bucket.objects.all()}


def test_an_output_in_s3_is_the_same_bytes_as_one_here(folder: Path, s3: Any) -> None:
    run = pets(folder)
    here, there = run.publish(), run.publish(OUT)
    assert there.clean == OUT
    assert there.manifest == "s3://zoo-data/out/cleaned.manifest.json"
    for role in ("clean", "quarantine"):
        key = getattr(there, role).removeprefix("s3://zoo-data/")
        assert s3.Object(key).get()["Body"].read() == getattr(here, role).read_bytes()
    assert sorted(keys(s3)) == [f"out/cleaned.{end}" for end in ("manifest.json", "parquet", "quarantine.parquet")]
    assert ask_store(run.store, "SELECT out FROM runs") == [(OUT,)]
    assert not list(folder.glob("*.work/publish*"))


def test_the_manifest_in_s3_seals_the_files_by_what_s3_calls_them(folder: Path, s3: Any) -> None:
    pets(folder).publish(OUT)
    manifest = json.loads(s3.Object("out/cleaned.manifest.json").get()["Body"].read())
    for role, key in {"clean": "out/cleaned.parquet", "quarantine": "out/cleaned.quarantine.parquet"}.items():
        body = s3.Object(key).get()["Body"].read()
        sealed = manifest["files"][role]
        assert (sealed["sha256"], sealed["bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
        assert f'"{sealed["etag"]}"' == s3.Object(key).e_tag
    assert SECRET not in json.dumps(manifest)


def test_publishing_again_to_s3_sends_nothing_and_a_changed_file_is_sent_anew(folder: Path, s3: Any) -> None:
    run = pets(folder)
    run.publish(OUT)
    before = keys(s3)
    assert publish(run.store, run.run_id, max_drop=0.3).unchanged
    s3.put_object(Key="out/cleaned.quarantine.parquet", Body=b"changed by hand")
    assert not run.publish(OUT).unchanged
    assert keys(s3) == before


@pytest.mark.parametrize("broken", ["out/cleaned.quarantine.parquet", "out/cleaned.parquet"])
def test_an_interrupted_upload_leaves_no_manifest_not_even_the_one_before(
    folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    import s3fs

    run = pets(folder)
    run.publish(OUT)
    decide(run.store, ["r4"], "keep", by="ann")
    put = s3fs.S3FileSystem._put_file

    async def cut(self: Any, file: str, path: str, **options: Any) -> None:
        if path.endswith(broken):
            raise ConnectionError("the line is cut")
        await put(self, file, path, **options)

    with monkeypatch.context() as context:
        context.setattr(s3fs.S3FileSystem, "_put_file", cut)
        with pytest.raises(CulpaError, match=r"cannot reach s3://zoo-data/out/cleaned\.parquet: the line is cut"):
            run.publish(OUT)
    assert "out/cleaned.manifest.json" not in keys(s3)
    assert ask_store(run.store, "SELECT state, count(*) FROM runs GROUP BY state") == [("published", 1)]
    assert (run.publish(OUT).counts["dropped"], len(keys(s3))) == (1, 3)


def test_bytes_that_change_on_the_way_are_noticed(folder: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    put = s3fs.S3FileSystem._put_file

    async def garbled(self: Any, file: str, path: str, **options: Any) -> None:
        Path(file).write_bytes(Path(file).read_bytes()[:-1] + b"?") if path.endswith("cleaned.parquet") else None
        await put(self, file, path, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_put_file", garbled)
    monkeypatch.setattr(urls, "_expected_tags", lambda file: ())  # a store whose ETag is not a hash of ours
    with pytest.raises(CulpaError, match=r"out/cleaned\.parquet is not what was sent"):
        pets(folder).publish(OUT)
    assert "out/cleaned.manifest.json" not in keys(s3)


def test_a_large_upload_in_parts_is_known_by_its_tag(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "PART", 5 << 20)
    monkeypatch.setattr(urls, "_read_back", None)  # not needed, then
    file = tmp_path / "large"
    file.write_bytes(os.urandom(12 << 20))
    system, path = urls.file_system("s3://zoo-data/large")
    tag = urls._upload(system, file, path, "")["etag"]
    assert tag.endswith("-3")


def test_a_bucket_that_is_not_there_says_so(folder: Path, s3: Any) -> None:
    with pytest.raises(BadInput, match=r"no such file: s3://no-bucket/cleaned\.parquet"):
        pets(folder).publish("s3://no-bucket/cleaned.parquet")


def test_an_output_that_nobody_takes_is_refused_before_the_work(tmp_path: Path, s3: Any) -> None:
    source = saved(animals(), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="no such file: s3://no-bucket/"):
        ingested(source, tmp_path, out="s3://no-bucket/cleaned.parquet")
    with pytest.raises(BadInput, match="cannot tell the format"):
        ingested(source, tmp_path, out="s3://zoo-data/cleaned.xlsx")
    assert not (tmp_path / "culpa.duckdb").exists()
    assert ingested(source, tmp_path, out="s3://zoo-data/new/folder/cleaned.parquet").rows == 60


def test_nothing_can_be_written_to_a_web_server(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot write to https://zoo\.org/a\.csv"):
        pets(folder).publish("https://zoo.org/a.csv")
