#!/bin/sh
# The real clients, exporters and servers that the tests run. Needs root and apt-get; without them those tests are
# skipped and counted.
set -eu
missing=""
need() { # command, package
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need rclone rclone
need restic restic
need s3cmd s3cmd
need s3fs s3fs
need wrk wrk
need tcpdump tcpdump
need softflowd softflowd
need nfdump nfdump
need pmacctd pmacct
need clickhouse-server clickhouse-server
need tshark tshark
need strace strace
need chromium chromium
need openssl openssl
need ip iproute2
[ -e /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 ] || missing="$missing libfaketime"
need python3 python3
python3 -c 'import boto3' >/dev/null 2>&1 || missing="$missing python3-boto3"
need aws awscli
need ssh-add openssh-client
# A witness that others wrote, where there is Go: no package of Debian's stable release has it.
tools=node_modules/.tools
if [ ! -x "$tools/litewitness" ] && command -v go >/dev/null 2>&1; then
  echo "setting up: litewitness" >&2
  mkdir -p "$tools"
  module=$(mktemp -d)
  (
    cd "$module" &&
      go mod init holdfast.test/tools &&
      GOFLAGS=-mod=mod timeout 300 go get filippo.io/torchwood/cmd/litewitness@v0.8.0 &&
      GOFLAGS=-mod=mod timeout 300 go build -o litewitness filippo.io/torchwood/cmd/litewitness
  ) >"$module/log" 2>&1 && mv "$module/litewitness" "$tools/litewitness" ||
    echo "setting up: litewitness cannot be built here, so its test is skipped" >&2
  rm -rf "$module"
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "setting up: not root, so these stay missing and their tests are skipped:$missing" >&2
  exit 0
fi
echo "setting up: Debian packages$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing >/dev/null
