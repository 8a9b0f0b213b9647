# To be sourced behind instance.sh: checks that are counted and let the test go on; verdict is its end.
# shellcheck shell=bash
set +e
passed=0 failed=0

pass() { passed=$((passed + 1)); }
miss() { # WORDS
    failed=$((failed + 1))
    echo "FAIL $1"
    sed 's/^/    /' "$dir/out" "$dir/err" | head -n 20
}
is() { # NAME STATUS COMMAND...: it ends with that status
    local name=$1 want=$2 got
    shift 2
    timeout -k 5 120 "$@" > "$dir/out" 2> "$dir/err" < /dev/null
    got=$?
    if [ $got -eq "$want" ]; then pass; else miss "$name: exit status $got, not $want: $*"; fi
}
ok() { is "$1" 0 "${@:2}"; }
# NAME FILE(out|err) TEXT: the last command printed this, or did not
says() { if grep -qF -- "$3" "$dir/$2"; then pass; else miss "$1: no \"$3\" in $2"; fi; }
silent() { if grep -qF -- "$3" "$dir/$2"; then miss "$1: \"$3\" in $2"; else pass; fi; }
verdict() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
}
