/* Formatted output without libc. One pass over the format; every character goes through put(),
 * which counts all and stores what fits. */
#include "libos/base/printf.h"
#include "libos/base/string.h"

struct out {
    char *p;
    size_t size, n;
};

struct spec {
    bool left, zero, plus, upper, negative;
    int width, precision; /* precision -1: none */
};

static void put(struct out *o, char c)
{
    if (o->n + 1 < o->size)
        o->p[o->n] = c;
    o->n++;
}

static void pad(struct out *o, char c, int n)
{
    while (n-- > 0)
        put(o, c);
}

static void put_str(struct out *o, const char *s, const struct spec *sp)
{
    size_t n = sp->precision >= 0 ? strnlen(s, (size_t) sp->precision) : strlen(s);
    int fill = sp->width - (int) n;
    if (!sp->left)
        pad(o, ' ', fill);
    for (size_t i = 0; i < n; i++)
        put(o, s[i]);
    if (sp->left)
        pad(o, ' ', fill);
}

static void put_number(struct out *o, uint64_t v, unsigned base, const struct spec *sp)
{
    const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char buf[24];
    int n = 0;
    for (; v && n < (int) sizeof buf; v /= base)
        buf[n++] = digits[v % base];
    if (n == 0 && sp->precision != 0)
        buf[n++] = '0';
    int zeros = MAX(sp->precision - n, 0);
    bool sign = sp->negative || sp->plus;
    int fill = sp->width - n - zeros - sign;
    if (!sp->left && !(sp->zero && sp->precision < 0))
        pad(o, ' ', fill);
    if (sign)
        put(o, sp->negative ? '-' : '+');
    if (!sp->left && sp->zero && sp->precision < 0)
        pad(o, '0', fill);
    pad(o, '0', zeros);
    while (n > 0)
        put(o, buf[--n]);
    if (sp->left)
        pad(o, ' ', fill);
}

static const char *parse_spec(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    for (;; f++) {
        if (*f == '-')
            sp->left = true;
        else if (*f == '0')
            sp->zero = true;
        else if (*f == '+')
            sp->plus = true;
        else if (*f != '#' && *f != ' ')
            break;
    }
    if (*f == '*') {
        sp->width = va_arg(*ap, int);
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        sp->width = sp->width * 10 + (*f - '0');
    if (*f == '.') {
        f++;
        sp->precision = 0;
        if (*f == '*') {
            sp->precision = va_arg(*ap, int);
            f++;
        }
        for (; *f >= '0' && *f <= '9'; f++)
            sp->precision = sp->precision * 10 + (*f - '0');
    }
    return f;
}

static uint64_t take_unsigned(int longs, va_list *ap)
{
    return longs > 0 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);
}

static void put_signed(struct out *o, int longs, struct spec *sp, va_list *ap)
{
    int64_t v = longs > 0 ? va_arg(*ap, int64_t) : va_arg(*ap, int);
    sp->negative = v < 0;
    put_number(o, v < 0 ? 0 - (uint64_t) v : (uint64_t) v, 10, sp);
}

static void put_conversion(struct out *o, char c, int longs, struct spec *sp, va_list *ap)
{
    sp->upper = c == 'X';
    switch (c) {
    case 'd':
    case 'i':
        put_signed(o, longs, sp, ap);
        break;
    case 'u':
        put_number(o, take_unsigned(longs, ap), 10, sp);
        break;
    case 'x':
    case 'X':
        put_number(o, take_unsigned(longs, ap), 16, sp);
        break;
    case 'o':
        put_number(o, take_unsigned(longs, ap), 8, sp);
        break;
    case 'p':
        put(o, '0');
        put(o, 'x');
        put_number(o, (uintptr_t) va_arg(*ap, void *), 16, sp);
        break;
    case 'c':
        put(o, (char) va_arg(*ap, int));
        break;
    case 's': {
        const char *s = va_arg(*ap, const char *);
        put_str(o, s ? s : "(null)", sp);
        break;
    }
    default:
        put(o, c);
    }
}

size_t fmt_vstr(char *buf, size_t size, const char *fmt, va_list ap)
{
    struct out o = {buf, size, 0};
    va_list args;
    va_copy(args, ap);
    for (const char *f = fmt; *f; f++) {
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        struct spec sp;
        f = parse_spec(f + 1, &sp, &args);
        int longs = 0;
        for (; *f == 'l' || *f == 'h' || *f == 'z' || *f == 'j' || *f == 't'; f++)
            longs += *f == 'h' ? 0 : 1;
        if (!*f)
            break;
        put_conversion(&o, *f, longs, &sp, &args);
    }
    va_end(args);
    if (size > 0)
        buf[MIN(o.n, size - 1)] = 0;
    return o.n;
}

size_t fmt_str(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t n = fmt_vstr(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t room = t->max - t->n;
    size_t n = fmt_vstr(t->p + t->n, room, fmt, ap);
    va_end(ap);
    t->full |= n >= room;
    t->n += MIN(n, room ? room - 1 : 0);
}
