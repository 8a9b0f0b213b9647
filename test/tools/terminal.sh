#!/bin/bash
# Programs on a terminal, under `occlum run` and `occlum exec -t`: makes an instance with less and vi and
# lets terminal.py type.
# usage: terminal.sh [BUILD-DIR [CASE...]]
set -euo pipefail
export LC_ALL=C OCCLUM_QUIET=1
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
shift || true
occlum=$build/bin/occlum
if [ -z "${SGX_MODE:-}" ] && [ ! -e /dev/sgx_enclave ]; then export SGX_MODE=SIM; fi
work=$(mktemp -d /tmp/occlum-terminal.XXXXXX)
trap 'cd "$work/inst" 2>/dev/null && "$occlum" stop -t 0 > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work"
"$occlum" new inst > /dev/null
cd inst
"$build/bin/occlum-gcc" -O1 -o image/bin/resident "$top/test/tools/resident.c"
"$top/scripts/copy-elf" "$PWD/image" /bin/cat /bin/bash /bin/sh /bin/sed /bin/sleep \
    /usr/bin/seq /usr/bin/tail /usr/bin/wc /usr/bin/tty /usr/bin/script /usr/bin/tmux /usr/bin/top /usr/bin/less=/usr/bin/less /usr/bin/vim.tiny=/usr/bin/vi
mkdir -p image/root image/lib/terminfo/x
cp /lib/terminfo/x/xterm image/lib/terminfo/x/
mkdir -p image/lib/terminfo/s image/usr/lib/locale
cp /lib/terminfo/s/screen image/lib/terminfo/s/
cp -r /usr/lib/locale/C.utf8 image/usr/lib/locale/
sed -i 's,"OCCLUM=yes","OCCLUM=yes"\, "LC_ALL=C.UTF-8",' Occlum.json
seq -f 'line %g' 200 > image/root/lines
echo 'set -g assume-paste-time 0' > image/root/tmux.conf # keys may come fast
"$occlum" build > /dev/null
"$occlum" start > /dev/null
python3 "$top/test/tools/terminal.py" "$occlum" . "$@"
