# For tables of benchmarks: value[side, name, 1..count[side, name]] to text, and med, the median.
function sort(v, n,    i, j, t) {
    for (i = 2; i <= n; i++) {
        t = v[i]
        for (j = i - 1; j >= 1 && v[j] > t; j--) v[j + 1] = v[j]
        v[j + 1] = t
    }
}
function short(x) { return sprintf(x >= 1000 ? "%.0f" : "%.3g", x) }
function collect(side, name,    n, i, v) {
    n = count[side, name]
    if (!n) { med = ""; return "-" }
    for (i = 1; i <= n; i++) v[i] = value[side, name, i]
    sort(v, n)
    med = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    return short(med) " (" short(v[1]) "-" short(v[n]) ")"
}
