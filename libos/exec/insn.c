/* The wrapper around Zydis. Zydis is asked for lengths and raw fields only (its minimal mode). What an
 * instruction means for moving it is decided here from opcode map and opcode. */
#define ZYDIS_STATIC_BUILD
#define ZYDIS_DISABLE_FORMATTER
#define ZYDIS_DISABLE_ENCODER
#include <Zydis/Decoder.h>
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
