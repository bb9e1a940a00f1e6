#!/usr/bin/env bash
# Builds an image for tests from this machine's own programs, so that no registry is needed.
# Usage: makeTestImage.sh [NAME]. Needs root (owners in the image) and DOCKER_HOST if not default.
set -euo pipefail

name=${1:-cairn-sandbox:test}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

add() { # a file and the libraries that it needs, at the same places
  mkdir -p "$root$(dirname "$1")"
  cp -Ln "$1" "$root$1"
  { ldd "$1" 2>/dev/null || true; } | grep -oE '/[^ ]+' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -Ln "$library" "$root$library"
  done
}

mkdir -p "$root"/{usr/bin,usr/lib,usr/lib64,etc,dev,proc,sys,run,tmp,workspace,agent/runtime,agent/logs,agent/secrets}
for directory in bin lib lib64; do ln -s "usr/$directory" "$root/$directory"; done

programs="bash sh awk base64 basename cat chmod cmp comm cp curl cut date dd df diff dirname du echo env
  expr false file find git grep gzip head hostname id jq kill ln ls md5sum mkdir mkfifo mktemp mv node nproc od
  patch paste pgrep pkill printf ps pwd readlink realpath rg rm rmdir sed seq setsid sha256sum sleep
  sort split stat stty sync tail tar tee test timeout touch tr true truncate uname uniq wc whoami xargs xxd yes"
for program in $programs; do
  path=$(PATH=/usr/bin:/bin:/usr/sbin:/sbin type -P "$program" 2>/dev/null || true)
  case $path in /*) add "$path" ;; esac
done
# What git fetches over HTTPS with.
remote=$(git --exec-path 2>/dev/null || true)/git-remote-https
[ ! -x "$remote" ] || add "$remote"
# Debian's own Python, not one that a version manager put first.
if [ -x /usr/bin/python3 ]; then
  add "$(readlink -f /usr/bin/python3)"
  ln -sf "$(basename "$(readlink -f /usr/bin/python3)")" "$root/usr/bin/python3"
  library=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))')
  mkdir -p "$root$library"
  tar -C "$library" --exclude=test --exclude=__pycache__ --exclude=dist-packages -c . |
    tar -C "$root$library" -x
fi

printf 'root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000::/agent/runtime:/bin/bash\n' >"$root/etc/passwd"
printf 'root:x:0:\nagent:x:1000:\n' >"$root/etc/group"
printf 'PRETTY_NAME="Cairn test image"\nID=cairn-test\n' >"$root/etc/os-release"
chmod 1777 "$root/tmp"
chown -R 1000:1000 "$root/workspace" "$root/agent/runtime" "$root/agent/logs"

tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
  --change 'WORKDIR /workspace' \
  --change 'USER 1000:1000' \
  --change 'CMD ["bash"]' \
  - "$name"
