/* The wrapper around Zydis. Zydis is asked for lengths and raw fields only (its minimal mode). What an
 * instruction means for moving it is decided here from opcode map and opcode. */
#define ZYDIS_STATIC_BUILD
#define ZYDIS_DISABLE_FORMATTER
#define ZYDIS_DISABLE_ENCODER
#include <Zydis/Decoder.h>
#include "libos/base/string.h"
#include "libos/exec/insn.h"

static enum insn_kind kind_one_byte(const ZydisDecodedInstruction *z, struct insn *ret)
{
    uint8_t op = z->opcode;
    if (op >= 0x70 && op <= 0x7f) {
        ret->cond = op & 15;
        return INSN_JCC;
    }
    switch (op) {
    case 0xe9:
    case 0xeb:
        return INSN_JMP;
    case 0xc3:
        return INSN_RET;
    case 0x90:
    case 0xcc:
        return z->mnemonic == ZYDIS_MNEMONIC_NOP || op == 0xcc ? INSN_PAD : INSN_PLAIN;
    case 0xe8: /* call: the return address must be the original */
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3: /* loop, jrcxz: 8-bit distances only */
    case 0xc2:
    case 0xca:
    case 0xcb:
    case 0xcf:
    case 0xcd:
    case 0xf1:
    case 0xf4:
        return INSN_FIXED;
    case 0xff: /* /2 .. /5: indirect calls and jumps */
        return z->raw.modrm.reg >= 2 && z->raw.modrm.reg <= 5 ? INSN_FIXED : INSN_PLAIN;
    default:
        return INSN_PLAIN;
    }
}

static enum insn_kind kind_two_byte(const ZydisDecodedInstruction *z, struct insn *ret)
{
    uint8_t op = z->opcode;
    if (op >= 0x80 && op <= 0x8f) {
        ret->cond = op & 15;
        return INSN_JCC;
    }
    switch (op) {
    case 0x05:
        return INSN_SYSCALL;
    case 0xa2:
        return INSN_CPUID;
    case 0x0b:
    case 0xb9:
    case 0xff: /* ud2, ud1, ud0 */
    case 0x34:
    case 0x07:
        return INSN_FIXED;
    default:
        if (z->mnemonic == ZYDIS_MNEMONIC_ENDBR64)
            return INSN_FIXED; /* something jumps here */
        return z->mnemonic == ZYDIS_MNEMONIC_NOP ? INSN_PAD : INSN_PLAIN;
    }
}

static enum insn_kind kind_of(const ZydisDecodedInstruction *z, struct insn *ret)
{
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return INSN_PLAIN;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return kind_one_byte(z, ret);
    if (z->opcode_map == ZYDIS_OPCODE_MAP_0F)
        return kind_two_byte(z, ret);
    return INSN_PLAIN;
}

/* I/O, segments, far transfers, flags by hand, 64-bit absolute moves; add %al, (%rax) is two zero bytes.
 * Not hlt: it is musl's way to crash, in the middle of functions with system calls. */
static bool unlikely_one_byte(const ZydisDecodedInstruction *z)
{
    static const uint8_t rare[] = {
        0x6c, 0x6d, 0x6e, 0x6f, 0x8c, 0x8e, 0x9b, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
        0xa3, 0xc8, 0xca, 0xcb, 0xcd, 0xcf, 0xd7, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4,
        0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf5, 0xfa, 0xfb,
    };
    uint8_t op = z->opcode;
    if (op == 0x00)
        return z->raw.modrm.mod == 0 && z->raw.modrm.reg == 0 && z->raw.modrm.rm == 0;
    if (op == 0xff)
        return z->raw.modrm.reg == 3 || z->raw.modrm.reg == 5;
    return memchr(rare, op, sizeof rare);
}

/* What only a kernel may do. */
static bool unlikely_two_byte(const ZydisDecodedInstruction *z)
{
    uint8_t op = z->opcode;
    return op == 0x00 || op == 0x02 || op == 0x03 || (op >= 0x06 && op <= 0x09) ||
           (op >= 0x20 && op <= 0x23) || (op >= 0x30 && op <= 0x35 && op != 0x31);
}

static bool is_unlikely(const ZydisDecodedInstruction *z)
{
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        return unlikely_one_byte(z);
    return z->opcode_map == ZYDIS_OPCODE_MAP_0F && unlikely_two_byte(z);
}

bool insn_decode(struct cspan code, struct insn *ret)
{
    ZydisDecoder d;
    ZydisDecodedInstruction z;
    *ret = (struct insn){0};
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE)))
        return false;
    size_t n = MIN(code.n, (size_t) INSN_MAX);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, code.p, n, &z)) || z.length == 0 ||
        z.length > n)
        return false;
    ret->len = z.length;
    ret->kind = kind_of(&z, ret);
    ret->unlikely = is_unlikely(&z);
    if (z.raw.imm[0].is_relative) {
        ret->relative = true;
        ret->rel = (int32_t) z.raw.imm[0].value.s;
        if ((ret->kind != INSN_JCC && ret->kind != INSN_JMP) || z.raw.imm[0].size == 16)
            ret->kind = INSN_FIXED;
    }
    if ((z.attributes & ZYDIS_ATTRIB_HAS_MODRM) && z.raw.modrm.mod == 0 && z.raw.modrm.rm == 5) {
        bool eip = (z.attributes & ZYDIS_ATTRIB_HAS_ADDRESSSIZE) != 0;
        ret->disp_at = z.raw.disp.offset;
        if (ret->kind == INSN_PLAIN)
            ret->kind = eip || z.raw.disp.size != 32 ? INSN_FIXED : INSN_RIP;
    }
    return true;
}
