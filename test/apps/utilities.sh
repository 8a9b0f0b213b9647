# needs: rsync gnupg jq bc socat memcached haproxy lighttpd imagemagick cmake ninja-build bison flex ocaml-nox openssh-client vim-tiny emacs-nox graphviz ffmpeg m4 zip p7zip-full patch ed erlang-base python3
# Programs of every trade that no other family has: copying, keys, graphics, sound, build tools, editors, small servers.
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
compiler
programs "/usr/bin/python$version" bash rsync gpg gpg-agent gpgconf jq bc socat memcached haproxy lighttpd convert identify cmake ctest ninja bison flex ssh-keygen \
    ssh-agent ssh-add vim.tiny emacs dot ffmpeg m4 zip unzip 7z patch ed ocaml ocamlrun cat dirname basename readlink find sort sha256sum ls mkdir rm cp sleep sed grep make curl diff touch env cut head tail ar ranlib nm gpg-connect-agent sh uname tr printf
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version" /usr/share/bison /usr/share/cmake-3.25 /usr/lib/erlang /usr/share/vim /usr/lib/p7zip /usr/lib/lighttpd /usr/lib/ocaml \
    /etc/ImageMagick-6 /usr/lib/x86_64-linux-gnu/ImageMagick-6.9.11 /usr/share/emacs /usr/lib/emacs /usr/libexec/emacs /usr/lib/x86_64-linux-gnu/graphviz /etc/fonts /usr/share/fonts
ln -sf ../lib/erlang/bin/erl "$root/usr/bin/erl"
rm -rf "$root/usr/lib/python$version"/{test,config-*,idlelib,ensurepip}
mkdir -p "$root/run" "$root/var/tmp" "$root/var/run" "$root/root" "$root/etc/alternatives"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
mkdir -p "$root/data/tree/sub/deep" && seq 1 5000 >"$root/data/tree/a" && seq 1 77 >"$root/data/tree/sub/b" && ln -s ../a "$root/data/tree/sub/link"
file sync.sh <<'E'
rsync -a tree/ /tmp/copy/ && diff -r tree /tmp/copy && echo same
echo more >> /tmp/copy/a; rsync -aicc --delete tree/ /tmp/copy/ | cut -c1-4 2>/dev/null || true
rsync -a --checksum --stats tree/ /tmp/copy/ | grep 'Number of created'
E
file keys.sh <<'E'
export GNUPGHOME=/tmp/gpg HOME=/root; mkdir -p -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-gen-key 'a <a@b.c>' ed25519 default never 2>/dev/null; echo gen $?
echo text | gpg --batch --quiet --sign --armor 2>/dev/null | gpg --batch --quiet --decrypt 2>/dev/null
echo secret | gpg --batch --quiet --passphrase x --pinentry-mode loopback --symmetric 2>/dev/null | gpg --batch --quiet --passphrase x --pinentry-mode loopback --decrypt 2>/dev/null
gpgconf --kill all
ssh-keygen -q -t ed25519 -N '' -f /tmp/id && ssh-keygen -lf /tmp/id.pub | cut -d' ' -f1
eval "$(ssh-agent)" >/dev/null; ssh-add -q /tmp/id 2>/dev/null; ssh-add -l | cut -d' ' -f1; ssh-agent -k >/dev/null; echo $?
E
file pics.sh <<'E'
convert -size 64x64 gradient:red-blue -rotate 30 -resize 200% /tmp/a.png && identify -format '%m %w %h\n' /tmp/a.png
convert /tmp/a.png -blur 2 /tmp/a.ppm && sha256sum < /tmp/a.ppm
echo 'digraph { a -> b -> c; a -> c; }' | dot -Tplain | head -n 3
ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x64:rate=10 -f lavfi -i sine=frequency=440:duration=1 -threads 2 -f framemd5 - | tail -n 2
ffmpeg -v error -y -f lavfi -i testsrc=duration=1:size=64x64:rate=10 -c:v mpeg4 -threads 2 /tmp/o.avi && ffmpeg -v error -i /tmp/o.avi -f null - ; echo $?
E
file build.sh <<'E'
mkdir -p /tmp/p && cd /tmp/p
cat > CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.10)
project(p C)
add_library(l STATIC l.c)
add_executable(p p.c)
target_link_libraries(p l)
enable_testing()
add_test(NAME t COMMAND p)
C
echo 'int l(void) { return 42; }' > l.c
echo '#include <stdio.h>
int l(void); int main(void) { printf("%d\n", l()); return 0; }' > p.c
cmake -G Ninja -B b . > log 2>&1 || cat log; ninja -C b > log 2>&1 || cat log; b/p; ctest --test-dir b > log 2>&1 || cat log
cmake -G 'Unix Makefiles' -B m . > log 2>&1 || cat log; make -C m -j4 > log 2>&1 || cat log; m/p
cp /data/y.y /data/x.l .
bison -o y.c y.y && gcc y.c -o y && echo 1+2+3 | ./y
flex -o x.c x.l && gcc x.c -o x && echo ab12c | ./x
E
file y.y <<'E'
%{
#include <stdio.h>
int yylex(void);
void yyerror(const char *s) { puts(s); }
%}
%token N
%%
l: e { printf("%d\n", $1); };
e: N | e '+' N { $$ = $1 + $3; };
%%
int yylex(void)
{
    int c = getchar();
    yylval = c - '0';
    return c >= '0' && c <= '9' ? N : c == '\n' || c == EOF ? 0 : c;
}
int main(void) { return yyparse(); }
E
file x.l <<'E'
%option noyywrap main
%%
[0-9]+ printf("<%s>", yytext);
E
file edit.sh <<'E'
printf 'one\ntwo\n' > /tmp/t; printf '%s\n' 2s/two/three/ w q | ed -s /tmp/t; cat /tmp/t
printf '%%s/o/0/g\nwq\n' | vim.tiny -es -u NONE /tmp/t; cat /tmp/t
emacs -Q --batch --eval '(progn (princ (* 6 7)) (terpri) (with-temp-file "/tmp/e" (insert "elisp")))' && cat /tmp/e && echo
emacs -Q --batch --eval '(princ (shell-command-to-string "echo from emacs"))'
printf -- '--- a\n+++ b\n@@ -1 +1 @@\n-0ne\n+1\n' > /tmp/d; patch -s /tmp/t /tmp/d; cat /tmp/t
E
file pack.sh <<'E'
cd /tmp && rm -rf tree && cp -r /data/tree . && zip -qr t.zip tree && unzip -tq t.zip && 7z a -bd t.7z tree > /dev/null && 7z t t.7z | grep -c Ok
E
file erl.sh <<'E'
export HOME=/root
erl -noshell -eval 'P = self(), [spawn(fun() -> P ! N * N end) || N <- lists:seq(1, 1000)], S = lists:sum([receive X -> X end || _ <- lists:seq(1, 1000)]), io:format("~p~n", [S]), {ok, L} = gen_tcp:listen(0, [{ip, {127,0,0,1}}, {active, false}]), {ok, Port} = inet:port(L), spawn(fun() -> {ok, C} = gen_tcp:connect({127,0,0,1}, Port, []), gen_tcp:send(C, "hello") end), {ok, A} = gen_tcp:accept(L), io:format("~p~n", [gen_tcp:recv(A, 5)]), halt(3).'
E
file net.sh <<'E'
socat TCP-LISTEN:7711,bind=127.0.0.1,reuseaddr,fork EXEC:/usr/bin/cat & s=$!
until echo ping | socat -t 5 - TCP:127.0.0.1:7711 2>/dev/null; do sleep 0.1; done
socat UNIX-LISTEN:/tmp/sock,fork SYSTEM:'echo $((6*7))' & u=$!
until socat -t 5 - UNIX-CONNECT:/tmp/sock < /dev/null 2>/dev/null; do sleep 0.1; done
kill $s $u; wait $s; echo $?
memcached -u root -l 127.0.0.1 -p 7712 -t 4 & m=$!
until printf 'set a 0 0 5\r\nhello\r\nget a\r\nquit\r\n' | socat -t 5 - TCP:127.0.0.1:7712 2>/dev/null; do sleep 0.1; done
kill $m; wait $m; echo $?
mkdir -p /tmp/www; echo page > /tmp/www/index.html
printf 'server.document-root = "/tmp/www"\nserver.port = 7713\nserver.bind = "127.0.0.1"\nindex-file.names = ("index.html")\nserver.errorlog="/tmp/lerr"\n' > /tmp/l.conf
lighttpd -D -f /tmp/l.conf & l=$!
printf 'defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nfrontend f\n bind 127.0.0.1:7714\n default_backend b\nbackend b\n server s1 127.0.0.1:7713\n' > /tmp/h.cfg
haproxy -f /tmp/h.cfg > /dev/null 2>&1 & h=$!
until curl -sf http://127.0.0.1:7713/; do sleep 0.1; done
until curl -sf http://127.0.0.1:7714/; do sleep 0.1; done
for i in 1 2 3 4 5 6 7 8; do curl -s http://127.0.0.1:7714/ & done; wait $(jobs -p | tail -n 8)
kill -USR1 $h; kill $l; wait $h $l; echo done
E
file j.json <<'E'
[{"a": 1}, {"a": 2}, {"a": 30}]
E
file m4.txt <<'E'
define(f, `ifelse($1, 0, 1, `eval($1 * f(eval($1 - 1)))')')f(X) syscmd(echo shell)
E
file o.ml <<'E'
let rec fib n = if n < 2 then n else fib (n - 1) + fib (n - 2);;
Printf.printf "%d\n" (fib 20);; exit 4;;
E
run <<'END'
bash sync.sh
bash keys.sh
bash pics.sh
bash build.sh
bash edit.sh
bash pack.sh
bash erl.sh
bash net.sh
jq -c '[.[] | select(.a > 1) | {b: (.a * 2)}]' j.json
bc -l <tree/sub/b
m4 -DX=3 m4.txt
ocaml o.ml
END
