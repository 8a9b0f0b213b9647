# needs: git make gcc libc6-dev bash coreutils python3 perl
# Version control and a build of many files, both of which start hundreds of processes.
programs bash git make ls cat sort head tail cut wc rm mkdir seq sed grep true env find perl diff touch
compiler
ln -sf bash "$root/usr/bin/sh"; ln -sf ../usr/bin/bash "$root/bin/sh"
tree /usr/lib/git-core /usr/share/git-core/templates
printf '[user]\n\tname = A\n\temail = a@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n' >"$root/root/.gitconfig"
file git.sh <<'END'
export HOME=/root GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git config --global user.name A; git config --global user.email a@example.org
git config --global init.defaultBranch main; git config --global gc.auto 0
rm -rf /tmp/repo /tmp/clone; git init -q /tmp/repo; cd /tmp/repo
for i in $(seq 20); do echo "line $i" >> file; echo $i > f$i; git add .; git commit -q -m "commit $i"; done
git log --oneline | head -3; git log --oneline | wc -l
git checkout -q -b side HEAD~5; echo side > side; git add side; git commit -q -m side; git checkout -q main
git merge -q -m merge side; git log --oneline --graph | head -4
git diff HEAD~3 --stat | tail -1; git blame file | head -2 | cut -c1-8
git gc -q; git count-objects -v | grep -E 'count|in-pack'; git fsck --strict; echo fsck $?
git clone -q /tmp/repo /tmp/clone; cd /tmp/clone; git log -1 --format=%H; git status --short | wc -l; ls | wc -l
git stash list; git tag v1; git describe --tags; git rev-parse HEAD^{tree}
END
mkdir -p "$root/data/proj"
for i in $(seq 60); do printf 'int f%d(int x) { int s = 0; for (int i = 0; i < x; i++) s += i ^ %d; return s; }\n' $i $i >"$root/data/proj/f$i.c"; done
{ seq -f 'int f%.0f(int);' 60; echo '#include <stdio.h>'; echo 'int main(void) { long s = 0;'; seq -f 's += f%.0f(1000);' 60; echo 'printf("%ld\n", s); return 0; }'; } >"$root/data/proj/main.c"
printf 'O := $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\nall: prog\n\t@./prog\nprog: $O ; @gcc -o $@ $O\n%%.o: %%.c ; @gcc -O1 -c $<\nclean: ; @rm -f *.o prog\n' >"$root/data/proj/Makefile"
run <<'END'
bash git.sh
make -C proj -s -j8 --no-print-directory all
make -C proj -s --no-print-directory clean
END
