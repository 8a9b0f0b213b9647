# Lines "ext4|tmpfs|occlum NAME VALUE UNIT" to a table: medians, extremes, the ratio to ext4, target, verdict.
BEGIN {
    # speed relative to ext4, at least
    split("seq_write_1m 0.6 seq_read_1m_cached 0.8 rand_read_4k 0.35 rand_write_4k 0.6 rand_write_4k_fsync 0.8", t, " ")
    for (i = 1; i in t; i += 2) least[t[i] "_1"] = least[t[i] "_4"] = t[i + 1]
    # time relative to ext4, at most
    split("many_create 1 many_unlink 1 one_create_unlink 1 image_build 1.5", t, " ")
    for (i = 1; i in t; i += 2) most[t[i]] = t[i + 1]
    # values, at most
    limit["write_amplification"] = 1.3; limit["start_after_crash"] = 50
}
{
    if (!($2 in unit)) order[++names] = $2
    unit[$2] = $4
    value[$1, $2, ++count[$1, $2]] = $3
}
END {
    line = "%-26s %-5s %-24s %-24s %-24s %7s %8s  %s\n"
    printf line, "row", "unit", "ext4", "tmpfs", "occlum", "ratio", "target", "verdict"
    for (i = 1; i <= names; i++) {
        name = order[i]
        a = collect("ext4", name); x = med
        b = collect("tmpfs", name)
        c = collect("occlum", name); y = med
        ratio = x != "" && y != "" && x > 0 ? y / x : ""
        goal = verdict = ""; good = 1
        if (name in least) { goal = ">= " least[name]; good = ratio >= least[name] }
        if (name in most) { goal = "<= " most[name]; good = ratio <= most[name] }
        if (name in limit) { goal = "<= " limit[name]; good = y != "" && y <= limit[name] }
        if (goal != "") verdict = good ? "ok" : "MISSED"
        if (!good) missed++
        printf line, name, unit[name], a, b, c, ratio == "" ? "-" : sprintf("%.2f", ratio), goal, verdict
    }
    if (missed) print missed " targets missed"
}
