/* The simulated processor's secrets: one random file per user, everything else derived from it. */
#ifndef SIM_PLATFORM_H
#define SIM_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

enum platform_label {
    PLATFORM_KEY, /* the key derivation's own key */
    PLATFORM_SEAL_FUSES,
    PLATFORM_OWNER_EPOCH,
    PLATFORM_REPORT_KEYID, /* CR_REPORT_KEYID: another one after each boot */
};

/* Fills in the secret of that name; the same bytes each time. size <= 64. */
void platform_secret(enum platform_label label, uint8_t *ret_bytes, size_t size);

/* AES-128-CMAC under a secret or a key. -EIO: the crypto library failed. */
int platform_cmac(enum platform_label key, const void *bytes, size_t size, uint8_t ret_mac[16]);
int platform_cmac_with(const uint8_t key[16], const void *bytes, size_t size, uint8_t ret_mac[16]);
#endif
