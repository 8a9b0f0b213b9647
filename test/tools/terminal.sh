#!/bin/bash
# Programs on a terminal, under `occlum run` and `occlum exec -t`: makes an instance with less and vi and
# lets terminal.py type.
# usage: terminal.sh [BUILD-DIR [CASE...]]
. "$(dirname "$0")/instance.sh"
shift || true
at_end() { occlum -C "$dir/running" stop -t 0 > /dev/null 2>&1; }
instance i resident
"$top/scripts/copy-elf" "$PWD/image" /bin/cat /bin/bash /bin/sh /bin/sed /bin/sleep \
    /usr/bin/seq /usr/bin/tail /usr/bin/wc /usr/bin/tty /usr/bin/script /usr/bin/tmux /usr/bin/top /usr/bin/less=/usr/bin/less /usr/bin/vim.tiny=/usr/bin/vi
mkdir -p image/root image/lib/terminfo/x
cp /lib/terminfo/x/xterm image/lib/terminfo/x/
mkdir -p image/lib/terminfo/s image/usr/lib/locale
cp /lib/terminfo/s/screen image/lib/terminfo/s/
cp -r /usr/lib/locale/C.utf8 image/usr/lib/locale/
configure 's,"OCCLUM=yes","OCCLUM=yes"\, "LC_ALL=C.UTF-8",'
seq -f 'line %g' 200 > image/root/lines
echo 'set -g assume-paste-time 0' > image/root/tmux.conf # keys may come fast
occlum build > /dev/null
cp -a . "$dir/running"
occlum -C "$dir/running" start > /dev/null
python3 "$top/test/tools/terminal.py" "$build/bin/occlum" "$dir/i" "$dir/running" "$@"
