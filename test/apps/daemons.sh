# needs: openssh-server openssh-client openssh-sftp-server apache2-bin mariadb-server-core mariadb-client-core screen util-linux procps wget bash dash grep sed coreutils
# Servers that Debian users run by the dozen: sshd with PAM, apache2 with each of its process models, mariadb; and
# screen, lscpu and ss, which ask the kernel for what few programs need.
programs bash sshd ssh scp ssh-keygen apache2 mariadbd mariadb mariadb-admin mariadb-install-db my_print_defaults resolveip screen lscpu \
    pgrep wget cat cut tail head sed grep seq sleep mkdir chmod chown rm cp id tty stty hostname basename dirname touch md5sum sort uniq
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh /usr/lib/openssh/sftp-server
tree /usr/lib/x86_64-linux-gnu/security /usr/lib/apache2/modules /usr/lib/mysql/plugin
mkdir -p "$root"/etc/{ssh,apache2} "$root"/usr/share "$root"/run/{sshd,screen,apache2} "$root"/var/{run,tmp}
mkdir -p "$root/lib/x86_64-linux-gnu" && ln -sfn /usr/lib/x86_64-linux-gnu/security "$root/lib/x86_64-linux-gnu/security"
cp -a /etc/pam.d /etc/security /etc/login.defs /etc/shells /etc/mime.types "$root/etc/" 2>/dev/null || true
cp -a /usr/share/mysql "$root/usr/share/"
chmod 1777 "$root/run/screen"
printf 'root:x:0:0:root:/root:/usr/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534::/:/bin/false\nmysql:x:106:106::/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\nutmp:x:43:\nmysql:x:106:\n' >"$root/etc/group"
printf 'root:*:19000:0:99999:7:::\n' >"$root/etc/shadow"
echo "Subsystem sftp /usr/lib/openssh/sftp-server" >"$root/etc/ssh/sshd_config"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' >"$root/etc/nsswitch.conf"
file sshd.sh <<'E'
chmod 700 /root; mkdir -p -m 700 /root/.ssh /tmp/s; touch /root/.hushlogin
ssh-keygen -q -t ed25519 -N '' -f /tmp/s/host; ssh-keygen -q -t ed25519 -N '' -f /tmp/s/user
cp /tmp/s/user.pub /root/.ssh/authorized_keys
sshd=$(command -v sshd); "$sshd" -p 22822 -h /tmp/s/host -o PidFile=/tmp/s/pid -o ListenAddress=127.0.0.1 -o UsePAM=yes -E /tmp/s/log
for n in $(seq 50); do [ -s /tmp/s/pid ] && break; sleep 0.1; done
options="-i /tmp/s/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
on() { ssh -p 22822 $options root@127.0.0.1 "$@" </dev/null; }
on true || exit 99
on 'echo hello from $USER; tty || true; id -u'
on -tt 'tty | sed "s/[0-9]*$/N/"; stty size'
echo data >/tmp/s/a; scp -q -P 22822 $options /tmp/s/a root@127.0.0.1:/tmp/s/b && cat /tmp/s/b
head -c 5000000 /dev/zero | ssh -p 22822 $options root@127.0.0.1 'cat | md5sum'
on 'exit 3'; echo status $?
on 'kill -9 $$'; echo status $?
kill "$(cat /tmp/s/pid)"; sleep 0.5; pgrep -c -r R,S,D sshd
E
file apache.sh <<'E'
mkdir -p /tmp/a/htdocs; echo '<p>apache</p>' >/tmp/a/htdocs/index.html
get() { wget -qO- http://127.0.0.1:22880/; }
until_up() { for n in $(seq 50); do get >/dev/null && return; sleep 0.1; done; return 1; }
for mpm in event worker prefork; do
    m=/usr/lib/apache2/modules
    printf '%s\n' 'ServerName localhost' 'PidFile /tmp/a/pid' 'Listen 127.0.0.1:22880' "LoadModule mpm_${mpm}_module $m/mod_mpm_$mpm.so" \
        "LoadModule authz_core_module $m/mod_authz_core.so" "LoadModule dir_module $m/mod_dir.so" 'User www-data' 'Group www-data' \
        'DocumentRoot /tmp/a/htdocs' 'ErrorLog /tmp/a/error' 'ServerRoot /etc/apache2' '<Directory />' 'Require all granted' '</Directory>' >/tmp/a/conf
    apache2 -f /tmp/a/conf -k start; until_up || exit 99
    for n in $(seq 30); do get & done | sort | uniq -c | sed 's/  *//'; wait
    apache2 -f /tmp/a/conf -k graceful; sleep 0.5; until_up; get
    apache2 -f /tmp/a/conf -k stop
    for n in $(seq 100); do pgrep -r R,S,D apache2 >/dev/null || break; sleep 0.1; done
    echo "$mpm $(pgrep -c -r R,S,D apache2)"
done
grep -c ':error\]' /tmp/a/error
E
file mariadb.sh <<'E'
mkdir -p /tmp/m; chown mysql /tmp/m
small="--innodb-buffer-pool-size-max=128m --innodb-buffer-pool-size=64m --innodb-log-file-size=8m"
mariadb-install-db --user=mysql --datadir=/tmp/m/data --skip-test-db $small >/tmp/m/log 2>&1; echo install $?
mariadbd --user=mysql --datadir=/tmp/m/data --socket=/tmp/m/s --skip-networking --pid-file=/tmp/m/pid $small >/tmp/m/out 2>&1 &
for n in $(seq 300); do mariadb -S /tmp/m/s -e 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
mariadb-admin -S /tmp/m/s ping >/dev/null || exit 99
mariadb -S /tmp/m/s -e 'create database t; use t; create table a(i int primary key auto_increment, s varchar(99)) engine=innodb; insert into a(s) select seq from seq_1_to_5000; select count(*), sum(s) from a; begin; delete from a where i > 10; rollback; select count(*) from a; create table b engine=aria as select * from a; select max(s) from b;'
mariadb-admin -S /tmp/m/s shutdown; wait; echo down $?
E
file screen.sh <<'E'
export SCREENDIR=/tmp/screens TERM=vt100; mkdir -m 700 $SCREENDIR
screen -dmS a sh -c 'tty | sed "s/[0-9]*$/N/" >/tmp/sc; stty size >>/tmp/sc; sleep 2'
for n in $(seq 50); do [ -s /tmp/sc ] && break; sleep 0.1; done; sleep 0.2; [ -s /tmp/sc ] || exit 99; cat /tmp/sc
screen -S a -X quit; sleep 0.5; screen -ls | head -n 1
lscpu >/tmp/l 2>&1; [ $? -lt 128 ]; echo lscpu $? # without /sys it fails; it also probes a port
E
run <<'E'
bash sshd.sh
bash apache.sh
bash mariadb.sh
bash screen.sh
E
