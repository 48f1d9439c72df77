"""What boto3 does to a Holdfast, a check a run: `boto.py ENDPOINT CHECK`. Silent when it holds.

Credentials and the certificate to trust come from the environment, as for any program that uses boto3.
"""

import datetime
import hashlib
import io
import json
import os
import random
import socket
import sys
import threading
import urllib.error
import urllib.request
import ssl

import boto3
import botocore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]
MIB = 1024 * 1024


def client(style="path", **more):
    config = Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"max_attempts": 1}, max_pool_connections=40)
    return boto3.client("s3", endpoint_url=endpoint, config=config, **more)


s3 = client()


def bucket(name):
    """A fresh bucket of this check and this endpoint."""
    scheme = endpoint.split(":")[0]
    name = f"{name}-{scheme}"
    s3.create_bucket(Bucket=name)
    return name


def refused(code, status, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        answer = error.response
        found = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
        assert found == (code, status), found
        return answer
    raise AssertionError(f"{call.__name__} was not refused")


def read(name, key, **more):
    return s3.get_object(Bucket=name, Key=key, **more)["Body"].read()


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def buckets():
    names = [bucket(f"buckets-{i}") for i in range(3)]
    assert set(names) <= {b["Name"] for b in s3.list_buckets()["Buckets"]}
    assert s3.head_bucket(Bucket=names[0])["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "in-mumbai"
    assert s3.get_bucket_location(Bucket=names[0])["LocationConstraint"] == "in-mumbai"
    refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, Bucket=names[0])
    s3.put_object(Bucket=names[0], Key="k", Body=b"x")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=names[0])
    s3.delete_object(Bucket=names[0], Key="k")
    for name in names:
        s3.delete_bucket(Bucket=name)
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=names[0])
    refused("404", 404, s3.head_bucket, Bucket=names[0])
    abroad = f"abroad-{endpoint.split(':')[0]}"
    s3.create_bucket(Bucket=abroad, CreateBucketConfiguration={"LocationConstraint": "de-frankfurt"})
    assert s3.get_bucket_location(Bucket=abroad)["LocationConstraint"] == "de-frankfurt"
    refused(
        "InvalidLocationConstraint",
        400,
        s3.create_bucket,
        Bucket="nowhere",
        CreateBucketConfiguration={"LocationConstraint": "mars-1"},
    )


def sizes():
    """Around every size at which something changes: empty, in the catalog, in a file, segments of 64 KiB."""
    name = bucket("sizes")
    segment = 65536 - 32
    around = [16 * 1024, segment, 2 * segment, 8 * segment, 512 * 1024, MIB]
    for size in sorted({0, 1, *[edge + step for edge in around for step in (-65, -64, -1, 0, 1)]}):
        body = noise(size, size)
        put = s3.put_object(Bucket=name, Key=f"{size}", Body=body)
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert s3.head_object(Bucket=name, Key=f"{size}")["ContentLength"] == size
        assert read(name, f"{size}") == body, size


def checksums():
    name = bucket("checksums")
    body = noise(7, 300_000)
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        put = s3.put_object(Bucket=name, Key=algorithm, Body=body, ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=name, Key=algorithm, ChecksumMode="ENABLED")
        assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"], algorithm
        assert got["Body"].read() == body
    wrong = "AAAAAA=="
    refused("BadDigest", 400, s3.put_object, Bucket=name, Key="bad", Body=body, ChecksumCRC32=wrong)
    refused("BadDigest", 400, s3.put_object, Bucket=name, Key="bad", Body=body, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused("NoSuchKey", 404, s3.get_object, Bucket=name, Key="bad")


def metadata():
    name = bucket("metadata")
    headers = {
        "ContentType": "text/x-odd; charset=utf-8",
        "CacheControl": "max-age=3",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentLanguage": "hi-IN",
    }
    s3.put_object(Bucket=name, Key="k", Body=b"1", Metadata={"one": "1", "two-words": "a  b, c"}, **headers)
    head = s3.head_object(Bucket=name, Key="k")
    assert {key: head[key] for key in headers} == headers
    assert head["Metadata"] == {"one": "1", "two-words": "a  b, c"}, head["Metadata"]
    assert "ContentEncoding" not in head
    s3.put_object(Bucket=name, Key="z", Body=b"2", ContentEncoding="gzip")
    assert s3.head_object(Bucket=name, Key="z")["ContentEncoding"] == "gzip"
    s3.put_object(Bucket=name, Key="k", Body=b"2")
    assert s3.head_object(Bucket=name, Key="k")["Metadata"] == {}
    refused("MetadataTooLarge", 400, s3.put_object, Bucket=name, Key="m", Body=b"", Metadata={"a": "x" * 3000})


ODD_KEYS = [
    "with space",
    "plus+plus",
    "percent%20percent",
    "a//b",
    "a/../b",
    "../up",
    "./here",
    "trailing/",
    "/leading",
    "//",
    "quote'\"<&>",
    "question?mark#hash",
    "हिन्दी/ключ/鍵/🔑",
    "e\u0301 and \u00e9",
    "tab\there",
    "line\nbreak",
    "return\rhere",
    "semi;colon=equals&amp;",
    "*(!)~$,:@[]{}|\\^`",
    "x" * 1024,
    "鍵" * 341,
]


def odd_keys():
    name = bucket("odd-keys")
    for key in ODD_KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    for key in ODD_KEYS:
        assert read(name, key) == key.encode(), key
        assert s3.head_object(Bucket=name, Key=key)["ContentLength"] == len(key.encode())
    expected = sorted(ODD_KEYS, key=lambda key: key.encode())
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=name)["Contents"]] == expected
    assert [o["Key"] for o in s3.list_objects(Bucket=name)["Contents"]] == expected
    for i, key in enumerate(expected):
        after = s3.list_objects_v2(Bucket=name, StartAfter=key).get("Contents", [])
        assert [o["Key"] for o in after] == expected[i + 1 :], key
    for key in ODD_KEYS[:8]:
        s3.copy_object(Bucket=name, Key=f"copy/{key}", CopySource={"Bucket": name, "Key": key})
        assert read(name, f"copy/{key}") == key.encode(), key
        s3.delete_object(Bucket=name, Key=f"copy/{key}")
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert "Errors" not in gone, gone["Errors"]
    assert {d["Key"] for d in gone["Deleted"]} == set(ODD_KEYS)
    left = [o["Key"] for o in s3.list_objects_v2(Bucket=name).get("Contents", [])]
    assert left == [], left
    refused("KeyTooLongError", 400, s3.put_object, Bucket=name, Key="x" * 1025, Body=b"")


def listing():
    name = bucket("listing")
    keys = sorted(f"{top}/{mid}/{leaf}" for top in "abc" for mid in ("x", "y") for leaf in range(7)) + ["root1", "root2"]
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=b".")
    for call, size in [("list_objects", 1), ("list_objects", 5), ("list_objects_v2", 1), ("list_objects_v2", 5)]:
        pages = list(s3.get_paginator(call).paginate(Bucket=name, PaginationConfig={"PageSize": size}))
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == keys, (call, size)
        assert all(len(page.get("Contents", [])) <= size for page in pages)
        pages = list(s3.get_paginator(call).paginate(Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 2}))
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["a/", "b/", "c/"]
        assert [o["Key"] for page in pages for o in page.get("Contents", [])] == ["root1", "root2"]
        pages = list(s3.get_paginator(call).paginate(Bucket=name, Delimiter="/", Prefix="b/", PaginationConfig={"PageSize": 1}))
        assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == ["b/x/", "b/y/"]
    page = s3.list_objects_v2(Bucket=name, MaxKeys=3, Prefix="a/x/")
    assert page["KeyCount"] == 3 and page["IsTruncated"] and page["MaxKeys"] == 3
    assert not s3.list_objects_v2(Bucket=name, MaxKeys=0)["IsTruncated"]
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=name, ContinuationToken="?")


def delete_objects():
    name = bucket("delete-objects")
    for i in range(30):
        s3.put_object(Bucket=name, Key=f"{i:02}", Body=b".")
    wanted = [{"Key": f"{i:02}"} for i in range(20)] + [{"Key": "never was"}]
    gone = s3.delete_objects(Bucket=name, Delete={"Objects": wanted})
    assert len(gone["Deleted"]) == 21 and "Errors" not in gone
    quiet = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "20"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=name)["Contents"]] == [f"{i:02}" for i in range(21, 30)]


def copies():
    name = bucket("copies")
    body = noise(3, 200_000)
    s3.put_object(Bucket=name, Key="from", Body=body, ContentType="text/plain", Metadata={"a": "1"})
    s3.copy_object(Bucket=name, Key="kept", CopySource=f"{name}/from")
    head = s3.head_object(Bucket=name, Key="kept")
    assert read(name, "kept") == body and head["Metadata"] == {"a": "1"} and head["ContentType"] == "text/plain"
    s3.copy_object(Bucket=name, Key="new", CopySource=f"{name}/from", MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket=name, Key="new")["Metadata"] == {"b": "2"}
    s3.copy_object(Bucket=name, Key="from", CopySource=f"{name}/from", MetadataDirective="REPLACE", Metadata={"c": "3"})
    assert read(name, "from") == body and s3.head_object(Bucket=name, Key="from")["Metadata"] == {"c": "3"}
    refused("InvalidRequest", 400, s3.copy_object, Bucket=name, Key="from", CopySource=f"{name}/from")
    refused("NoSuchKey", 404, s3.copy_object, Bucket=name, Key="x", CopySource=f"{name}/missing")
    etag = s3.head_object(Bucket=name, Key="from")["ETag"]
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=name, Key="x", CopySource=f"{name}/from", CopySourceIfNoneMatch=etag)
    upload = s3.create_multipart_upload(Bucket=name, Key="parts")["UploadId"]
    big = noise(4, 6 * MIB)
    s3.put_object(Bucket=name, Key="big", Body=big)
    spans = [(0, 5 * MIB - 1), (1, 1000)]
    parts = []
    for number, (first, last) in enumerate(spans, 1):
        made = s3.upload_part_copy(
            Bucket=name, Key="parts", UploadId=upload, PartNumber=number, CopySource=f"{name}/big", CopySourceRange=f"bytes={first}-{last}"
        )
        parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert read(name, "parts") == b"".join(big[first : last + 1] for first, last in spans)


def ranges():
    name = bucket("ranges")
    body = noise(5, 700_001)
    s3.put_object(Bucket=name, Key="k", Body=body)
    upload = s3.create_multipart_upload(Bucket=name, Key="m")["UploadId"]
    parts = []
    for number, part in enumerate([noise(6, 5 * MIB + 11), body], 1):
        made = s3.upload_part(Bucket=name, Key="m", UploadId=upload, PartNumber=number, Body=part)
        parts.append({"PartNumber": number, "ETag": made["ETag"]})
    s3.complete_multipart_upload(Bucket=name, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    whole = {"k": body, "m": noise(6, 5 * MIB + 11) + body}
    chance = random.Random(11)
    for key, bytes_ in whole.items():
        size = len(bytes_)
        edges = [0, 1, 65503, 65504, 65505, 131008, size - 1, min(size - 1, 5 * MIB + 10), min(size - 1, 5 * MIB + 11)]
        spans = [(a, b) for a in edges for b in edges if a <= b]
        spans += [tuple(sorted((chance.randrange(size), chance.randrange(size)))) for _ in range(10)]
        for first, last in spans:
            got = s3.get_object(Bucket=name, Key=key, Range=f"bytes={first}-{last}")
            assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert got["ContentRange"] == f"bytes {first}-{last}/{size}"
            assert got["Body"].read() == bytes_[first : last + 1], (key, first, last)
        assert read(name, key, Range="bytes=-10") == bytes_[-10:]
        assert read(name, key, Range=f"bytes={size - 5}-") == bytes_[-5:]
        assert read(name, key, Range=f"bytes=5-{size * 2}") == bytes_[5:]
        refused("InvalidRange", 416, s3.get_object, Bucket=name, Key=key, Range=f"bytes={size}-")
    assert s3.head_object(Bucket=name, Key="k", Range="bytes=3-7")["ContentLength"] == 5


def conditions():
    name = bucket("conditions")
    etag = s3.put_object(Bucket=name, Key="k", Body=b"1")["ETag"]
    assert read(name, "k", IfMatch=etag) == b"1"
    refused("PreconditionFailed", 412, s3.get_object, Bucket=name, Key="k", IfMatch='"other"')
    refused("304", 304, s3.get_object, Bucket=name, Key="k", IfNoneMatch=etag)
    modified = s3.head_object(Bucket=name, Key="k")["LastModified"]
    refused("304", 304, s3.get_object, Bucket=name, Key="k", IfModifiedSince=modified)
    assert read(name, "k", IfUnmodifiedSince=modified) == b"1"
    when_absent(name, "k", 412)
    when_absent(name, "fresh", 200)


def put_when_absent(name, key, body):
    """If-None-Match as a header: older boto3 has no argument for it."""

    def add(params, **_):
        params["headers"]["If-None-Match"] = "*"

    own = client()
    own.meta.events.register("before-call.s3.PutObject", add)
    try:
        return own.put_object(Bucket=name, Key=key, Body=body)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def when_absent(name, key, status):
    found = put_when_absent(name, key, b"?")
    assert found == status, found


def race():
    """Of many writers that all want to be the first, one is; the others are told so, and its bytes stay."""
    name = bucket("race")
    for round_ in range(5):
        size = [10, 40_000][round_ % 2]
        outcomes = {}
        bodies = {i: noise(i, size) for i in range(16)}
        start = threading.Barrier(16)

        def write(i):
            start.wait()
            outcomes[i] = put_when_absent(name, f"{round_}", bodies[i])

        threads = [threading.Thread(target=write, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [i for i, status in outcomes.items() if status == 200]
        assert len(winners) == 1, outcomes
        assert all(status in (409, 412) for i, status in outcomes.items() if i not in winners), outcomes
        assert read(name, f"{round_}") == bodies[winners[0]]


def multipart():
    name = bucket("multipart")
    body = noise(9, 100 * MIB)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(body), name, "big", Config=config)
    head = s3.head_object(Bucket=name, Key="big")
    assert head["ContentLength"] == len(body)
    digests = b"".join(hashlib.md5(body[at : at + 8 * MIB]).digest() for at in range(0, len(body), 8 * MIB))
    assert head["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-13"'
    back = io.BytesIO()
    s3.download_fileobj(name, "big", back, Config=config)
    assert hashlib.sha256(back.getvalue()).digest() == hashlib.sha256(body).digest()
    streamed = hashlib.sha256()
    for chunk in s3.get_object(Bucket=name, Key="big")["Body"].iter_chunks(MIB):
        streamed.update(chunk)
    assert streamed.digest() == hashlib.sha256(body).digest()
    assert s3.list_multipart_uploads(Bucket=name).get("Uploads", []) == []


def multipart_by_hand():
    """Parts out of order, of uneven sizes, sent twice, left out; uploads listed, aborted, refused."""
    name = bucket("by-hand")
    upload = s3.create_multipart_upload(Bucket=name, Key="k", Metadata={"m": "1"}, ContentType="text/plain")["UploadId"]
    bodies = {2: noise(2, 6 * MIB), 7: noise(7, 5 * MIB), 9: noise(9, 3)}

    def send(number, body):
        return s3.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=number, Body=body)["ETag"]

    send(9, b"replaced")
    send(4, b"left out")
    tags = {number: send(number, bodies[number]) for number in (9, 2, 7)}
    listed = s3.list_parts(Bucket=name, Key="k", UploadId=upload)["Parts"]
    assert [(p["PartNumber"], p["ETag"]) for p in listed if p["PartNumber"] != 4] == sorted(tags.items())
    pages = s3.get_paginator("list_parts").paginate(Bucket=name, Key="k", UploadId=upload, PaginationConfig={"PageSize": 1})
    assert [p["PartNumber"] for page in pages for p in page.get("Parts", [])] == [2, 4, 7, 9]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=name)["Uploads"]] == [upload]

    def complete(*numbers, **more):
        parts = [{"PartNumber": number, "ETag": more.get("tag", tags.get(number, '"none"'))} for number in numbers]
        return {"Bucket": name, "Key": "k", "UploadId": upload, "MultipartUpload": {"Parts": parts}}

    refused("InvalidPart", 400, s3.complete_multipart_upload, **complete(2, 5))
    refused("InvalidPart", 400, s3.complete_multipart_upload, **complete(2, tag='"wrong"'))
    refused("InvalidPartOrder", 400, s3.complete_multipart_upload, **complete(7, 2))
    refused("EntityTooSmall", 400, s3.complete_multipart_upload, **complete(9) | {"MultipartUpload": {"Parts": [
        {"PartNumber": 4, "ETag": f'"{hashlib.md5(b"left out").hexdigest()}"'}, {"PartNumber": 9, "ETag": tags[9]}]}})
    refused("NoSuchKey", 404, s3.get_object, Bucket=name, Key="k")
    s3.complete_multipart_upload(**complete(2, 7, 9))
    assert read(name, "k") == bodies[2] + bodies[7] + bodies[9]
    head = s3.head_object(Bucket=name, Key="k")
    assert head["Metadata"] == {"m": "1"} and head["ContentType"] == "text/plain"
    refused("NoSuchUpload", 404, s3.complete_multipart_upload, **complete(2, 7, 9))
    other = s3.create_multipart_upload(Bucket=name, Key="gone")["UploadId"]
    s3.upload_part(Bucket=name, Key="gone", UploadId=other, PartNumber=1, Body=b"1")
    s3.abort_multipart_upload(Bucket=name, Key="gone", UploadId=other)
    refused("NoSuchUpload", 404, s3.upload_part, Bucket=name, Key="gone", UploadId=other, PartNumber=1, Body=b"1")
    assert s3.list_multipart_uploads(Bucket=name).get("Uploads", []) == []


def fetch(url, data=None, method="GET"):
    trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if url.startswith("https") else None
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, context=trust) as answer:
        return answer.read()


def presigned():
    name = bucket("presigned")
    key = "a b+c/é.txt"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": name, "Key": key}, ExpiresIn=60)
    fetch(put, b"by url", "PUT")
    get = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key, "ResponseContentType": "text/x"}, ExpiresIn=60)
    assert fetch(get) == b"by url"
    signature = get.index("X-Amz-Signature=") + len("X-Amz-Signature=")
    flipped = "0" if get[signature] != "0" else "1"
    for bad in (get[:signature] + flipped + get[signature + 1 :], get.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), put):
        try:
            fetch(bad)
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code
        else:
            raise AssertionError(f"{bad} was answered")


def virtual_hosts():
    """`<bucket>.localhost`, resolved here, because not every resolver knows names under localhost."""
    look_up = socket.getaddrinfo

    def resolve(host, *more, **named):
        return look_up("127.0.0.1" if str(host).endswith("localhost") else host, *more, **named)

    socket.getaddrinfo = resolve
    global endpoint
    endpoint = endpoint.replace("127.0.0.1", "localhost")
    hosted = client("virtual")
    urls = []
    hosted.meta.events.register("before-send.s3.*", lambda request, **_: urls.append(request.url))
    name = bucket("virtual")
    hosted.put_object(Bucket=name, Key="a b/c", Body=b"hosted")
    assert hosted.get_object(Bucket=name, Key="a b/c")["Body"].read() == b"hosted"
    assert [o["Key"] for o in hosted.list_objects_v2(Bucket=name)["Contents"]] == ["a b/c"]
    assert all(f"//{name}.localhost" in url for url in urls) and len(urls) == 3, urls


def subresources():
    name = bucket("subresources")
    for call, code in [
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ]:
        refused(code, 404, call, Bucket=name)
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    assert s3.get_bucket_request_payment(Bucket=name)["Payer"] == "BucketOwner"
    assert s3.get_bucket_acl(Bucket=name)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]


def strangers():
    name = bucket("strangers")
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    wrong = client(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong")
    refused("SignatureDoesNotMatch", 403, wrong.get_object, Bucket=name, Key="k")
    refused("SignatureDoesNotMatch", 403, wrong.put_object, Bucket=name, Key="k", Body=b"2" * 100_000)
    unknown = client(aws_access_key_id="AKIANOBODY", aws_secret_access_key="wrong")
    refused("InvalidAccessKeyId", 403, unknown.list_buckets)
    try:
        fetch(f"{endpoint}/{name}/k")
    except urllib.error.HTTPError as error:
        assert error.code == 403
    else:
        raise AssertionError("anybody may read")
    assert read(name, "k") == b"1"


def versions():
    name = bucket("versions")
    s3.put_object(Bucket=name, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    ids = [s3.put_object(Bucket=name, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    assert read(name, "k", VersionId=ids[0]) == b"one"
    assert read(name, "k", VersionId="null") == b"null"
    deleted = s3.delete_object(Bucket=name, Key="k")
    assert deleted["DeleteMarker"] is True
    marker = deleted["VersionId"]
    refused("NoSuchKey", 404, s3.get_object, Bucket=name, Key="k")
    refused("MethodNotAllowed", 405, s3.get_object, Bucket=name, Key="k", VersionId=marker)
    refused("NoSuchVersion", 404, s3.get_object, Bucket=name, Key="other", VersionId=ids[0])
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name, PaginationConfig={"PageSize": 1})
    listed = [(v["VersionId"], v["IsLatest"]) for page in pages for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert listed == [(marker, True), (ids[1], False), (ids[0], False), ("null", False)], listed
    s3.delete_object(Bucket=name, Key="k", VersionId=marker)
    assert read(name, "k") == b"two"
    s3.copy_object(Bucket=name, Key="k", CopySource={"Bucket": name, "Key": "k", "VersionId": ids[0]})
    assert read(name, "k") == b"one"
    whole = s3.list_object_versions(Bucket=name)
    objects = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in whole["Versions"]]
    assert len(s3.delete_objects(Bucket=name, Delete={"Objects": objects})["Deleted"]) == 4
    s3.delete_bucket(Bucket=name)


def tags():
    name = bucket("tags")
    tag_set = [{"Key": "team", "Value": "red + blue"}, {"Key": "ünï", "Value": ""}]
    s3.put_object(Bucket=name, Key="k", Body=b"", Tagging="a=1&b=")
    assert s3.head_object(Bucket=name, Key="k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": tag_set})
    assert s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] == tag_set
    refused("InvalidTag", 400, s3.put_object_tagging, Bucket=name, Key="k", Tagging={"TagSet": tag_set + tag_set[:1]})
    s3.delete_object_tagging(Bucket=name, Key="k")
    assert s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] == []
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_set})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tag_set
    s3.delete_bucket_tagging(Bucket=name)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=name)


def locks():
    name = f"locks-{endpoint.split(':')[0]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"] == configuration
    version = s3.put_object(Bucket=name, Key="k", Body=b"locked")["VersionId"]
    assert s3.head_object(Bucket=name, Key="k")["ObjectLockMode"] == "GOVERNANCE"
    until = datetime.datetime(2100, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    s3.put_object_retention(Bucket=name, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    assert s3.get_object_retention(Bucket=name, Key="k")["Retention"]["RetainUntilDate"] == until
    s3.put_object_legal_hold(Bucket=name, Key="k", LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(Bucket=name, Key="k")["LegalHold"]["Status"] == "ON"
    named = {"Bucket": name, "Key": "k", "VersionId": version}
    refused("AccessDenied", 403, s3.delete_object, **named, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=name, Key="k", LegalHold={"Status": "OFF"})
    refused("AccessDenied", 403, s3.delete_object, **named)
    s3.delete_object(**named, BypassGovernanceRetention=True)
    s3.upload_fileobj(io.BytesIO(noise(1, 6 * MIB)), name, "large", Config=TransferConfig(multipart_threshold=5 * MIB))
    assert s3.head_object(Bucket=name, Key="large")["ObjectLockMode"] == "GOVERNANCE"


def conditional_deletes():
    name = bucket("conditional-deletes")
    etag = s3.put_object(Bucket=name, Key="k", Body=b"1")["ETag"]
    # A client of before 2024 does not know the condition and cannot send it.
    if "IfMatch" not in s3.meta.service_model.operation_model("DeleteObject").input_shape.members:
        return
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=name, Key="k", IfMatch='"other"')
    answer = s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "k", "ETag": '"other"'}]})
    assert answer["Errors"][0]["Code"] == "PreconditionFailed"
    s3.delete_object(Bucket=name, Key="k", IfMatch=etag)
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=name, Key="k", IfMatch="*")
def accounts():
    scheme = endpoint.split(":")[0]
    iam = boto3.client("iam", endpoint_url=endpoint)
    sts = boto3.client("sts", endpoint_url=endpoint)
    root = sts.get_caller_identity()
    assert root["Arn"].endswith(":root"), root
    name = f"ann-{scheme}"
    user = iam.create_user(UserName=name, Path="/staff/", Tags=[{"Key": "team", "Value": "a b"}])["User"]
    assert iam.get_user(UserName=name)["User"]["Arn"] == user["Arn"]
    assert user["CreateDate"].year > 2000
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    assert iam.get_user_policy(UserName=name, PolicyName="p")["PolicyDocument"] == document
    key = iam.create_access_key(UserName=name)["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    as_user = client(**own)
    bucket_name = f"accounts-{scheme}"
    as_user.create_bucket(Bucket=bucket_name)
    as_user.put_object(Bucket=bucket_name, Key="k", Body=b"1")
    iam.delete_user_policy(UserName=name, PolicyName="p")
    refused("AccessDenied", 403, as_user.get_object, Bucket=bucket_name, Key="k")
    names = [u["UserName"] for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1}) for u in page["Users"]]
    assert name in names, names
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=f"role-{scheme}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    assert role["AssumeRolePolicyDocument"] == trust
    arn = iam.create_policy(PolicyName=f"read-{scheme}", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    lent = boto3.client("sts", endpoint_url=endpoint, **own).assume_role(RoleArn=role["Arn"], RoleSessionName="job")["Credentials"]
    as_role = client(aws_access_key_id=lent["AccessKeyId"], aws_secret_access_key=lent["SecretAccessKey"], aws_session_token=lent["SessionToken"])
    assert as_role.get_object(Bucket=bucket_name, Key="k")["Body"].read() == b"1"
    url = as_role.generate_presigned_url("get_object", Params={"Bucket": bucket_name, "Key": "k"})
    assert fetch(url) == b"1"
    refused("EntityAlreadyExists", 409, iam.create_user, UserName=name)
    refused("NoSuchEntity", 404, iam.get_user, UserName="nobody")
    refused("MalformedPolicyDocument", 400, iam.create_policy, PolicyName="bad", PolicyDocument="{}")


def anonymous():
    name = bucket("anonymous")
    s3.delete_public_access_block(Bucket=name)
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    config = Config(signature_version=botocore.UNSIGNED, s3={"addressing_style": "path"})
    nobody = boto3.client("s3", endpoint_url=endpoint, config=config)
    assert nobody.get_object(Bucket=name, Key="k")["Body"].read() == b"1"
    assert [o["Key"] for o in nobody.list_objects_v2(Bucket=name)["Contents"]] == ["k"]
    refused("AccessDenied", 403, nobody.put_object, Bucket=name, Key="k", Body=b"2" * 100_000)
    refused("AccessDenied", 403, nobody.delete_object, Bucket=name, Key="k")
    assert s3.get_bucket_policy_status(Bucket=name)["PolicyStatus"]["IsPublic"]


def customer_keys():
    name = bucket("customer-keys")
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    s3.put_object(Bucket=name, Key="k", Body=b"sealed", **own)
    assert read(name, "k", **own) == b"sealed"
    refused("InvalidRequest", 400, s3.get_object, Bucket=name, Key="k")
    refused("AccessDenied", 403, s3.get_object, Bucket=name, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=b"o" * 32)
    source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": b"k" * 32}
    s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"}, **source)
    assert read(name, "copy") == b"sealed"
    # In parts, and read in parts, as the transfer manager does it.
    body = noise(11, 12 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), name, "large", ExtraArgs=own, Config=config)
    back = io.BytesIO()
    s3.download_fileobj(name, "large", back, ExtraArgs=own, Config=config)
    assert back.getvalue() == body


def attributes():
    name = bucket("attributes")
    body = noise(12, 12 * MIB)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), name, "k", Config=config)
    found = s3.get_object_attributes(Bucket=name, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"])
    head = s3.head_object(Bucket=name, Key="k", PartNumber=2)
    assert found["ObjectSize"] == len(body) and f'"{found["ETag"]}"' == head["ETag"], found
    assert [p["Size"] for p in found["ObjectParts"]["Parts"]] == [5 * MIB, 5 * MIB, 2 * MIB], found
    assert found["ObjectParts"]["TotalPartsCount"] == head["PartsCount"] == 3
    assert read(name, "k", PartNumber=2, ChecksumMode="ENABLED") == body[5 * MIB : 10 * MIB]


def forms():
    name = bucket("forms")
    conditions = [["content-length-range", 1, 100], {"success_action_status": "201"}]
    post = s3.generate_presigned_post(name, "up/${filename}", Fields={"success_action_status": "201"}, Conditions=conditions)
    boundary = "boto"

    def send(body):
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in post["fields"].items()]
        file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n{body}\r\n--{boundary}--\r\n'
        trust = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if endpoint.startswith("https") else None
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(post["url"], data="".join([*parts, file]).encode(), headers=headers)
        with urllib.request.urlopen(request, context=trust) as answer:
            return answer.status

    assert send("by form") == 201
    assert read(name, "up/a.txt") == b"by form"
    try:
        send("x" * 101)
    except urllib.error.HTTPError as error:
        assert error.code == 400, error.code
    else:
        raise AssertionError("a file that is too large was taken")


def cors():
    name = bucket("cors")
    rule = {"AllowedOrigins": ["https://page.test"], "AllowedMethods": ["GET"], "MaxAgeSeconds": 5}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket=name)
    refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=name)


globals()[sys.argv[2]]()
