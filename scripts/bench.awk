# Lines "native|occlum NAME VALUE UNIT" to a table: medians, extremes, ratio, target, verdict.
BEGIN {
    # time relative to native, at most
    split("syscall_libc 0.15 syscall_raw 0.15 open_close 0.2 stat 0.2 pipe_rtt_process 0.10 " \
          "futex_rtt 0.10 thread_create_join 0.10 spawn_static_musl 0.15 spawn_static_glibc 0.15 " \
          "spawn_musl_from_musl 0.15 spawn_dynamic_glibc 0.25 clock_gettime 1.2 compute_int 1.02 compute_fp 1.02 " \
          "compute_mem 1.02 cold_start_dynamic 15 fork_exit 0.2 fork_exec_static 0.2 " \
          "fork_exec_dynamic 0.3 fork_100mb_dirty_exit 0.5 fork_100mb_dirty_exec 0.5 fork_100mb_child_writes 2 " \
          "fork_100mb_snapshot 1 fork_chat_0 0.3 unix_rtt 0.10 signal_self 0.2 bash_1000_commands 0.3 make_j4 1", t, " ")
    for (i = 1; i in t; i += 2) target[t[i]] = t[i + 1]
    least["pipe_throughput"] = 1.5; least["unix_throughput"] = 1 # throughput: at least
}
{
    if (!($2 in unit)) order[++names] = $2
    unit[$2] = $4
    value[$1, $2, ++count[$1, $2]] = $3
}
END {
    line = "%-26s %-5s %-22s %-22s %8s %8s  %s\n"
    printf line, "benchmark", "unit", "native", "occlum", "ratio", "target", "verdict"
    for (i = 1; i <= names; i++) {
        name = order[i]
        a = collect("native", name); x = med
        b = collect("occlum", name); y = med
        ratio = x != "" && y != "" && x > 0 ? y / x : ""
        goal = name in target ? "<= " target[name] : name in least ? ">= " least[name] : ""
        verdict = ""
        if (ratio != "" && name in target) verdict = ratio <= target[name] ? "ok" : "MISSED"
        if (ratio != "" && name in least) verdict = ratio >= least[name] ? "ok" : "MISSED"
        if (verdict == "MISSED") missed++
        printf line, name, unit[name], a, b, ratio == "" ? "-" : sprintf("%.3f", ratio), goal, verdict
    }
    collect("occlum", "enclave_per_process"); x = med
    collect("occlum", "spawn_musl_from_musl"); y = med
    if (x != "" && y != "")
        printf "spawn of a static program against one enclave per process: %.0f times faster (target >= 1000: %s)\n",
               x * 1000 / y, x * 1000 / y >= 1000 ? "ok" : "MISSED"
    collect("occlum", "spawn_static_musl"); y = med
    if (x != "" && y != "") printf "the same from a glibc program: %.0f times\n", x * 1000 / y
    if (missed) print missed " targets missed"
}
