/* Checks of the installation and of the instance in the current directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/config.h"
#include "tools/lib/fsutil.h"
#include "tools/lib/spawn.h"
#include "tools/occlum/doctor.h"
#include "tools/occlum/instance.h"

void doctor_add(struct doctor *d, const char *name, enum finding_status status, char *detail,
                char *next)
{
    d->findings = mem_grow(d->findings, d->count + 1, sizeof *d->findings);
    d->findings[d->count++] =
        (struct finding){.name = name, .status = status, .detail = detail, .next = next};
}

void doctor_fini(struct doctor *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->findings[i].detail);
        free(d->findings[i].next);
    }
    free(d->findings);
}

static void check_program(struct doctor *d, const char *program, const char *package,
                          enum finding_status lack)
{
    AUTO_FREE char *path = spawn_find(program);
    if (path)
        doctor_add(d, program, FINDING_OK, MEM_TAKE(path), NULL);
    else
        doctor_add(d, program, lack, mem_printf("%s is not installed", program),
                   mem_printf("apt-get install %s", package));
}

static void check_installed(struct doctor *d, const char *finding, const char *name)
{
    AUTO_FREE char *path = instance_installed(name);
    if (path)
        doctor_add(d, finding, FINDING_OK, MEM_TAKE(path), NULL);
    else
        doctor_add(d, finding, FINDING_FAIL, mem_printf("%s is missing beside this program", name),
                   mem_strdup("make, or make install"));
}

void doctor_check_installation(struct doctor *d)
{
    check_installed(d, "kernel-image", "lib/libos.elf");
    check_installed(d, "runtime", "bin/occlum-run");
    check_installed(d, "template", "etc/template/Occlum.json");
    check_program(d, "mkfs.erofs", "erofs-utils", FINDING_FAIL);
    check_program(d, "veritysetup", "cryptsetup-bin", FINDING_FAIL);
    check_program(d, "musl-gcc", "musl-tools", FINDING_WARN);
}

static void check_config(struct doctor *d)
{
    char *messages = NULL;
    size_t size;
    FILE *stream = open_memstream(&messages, &size);
    if (!stream)
        return;
    struct config *config = config_load(INSTANCE_CONFIG, stream);
    fclose(stream);
    size_t line = strcspn(messages, "\n");
    if (config)
        doctor_add(d, "config", FINDING_OK, mem_strdup("Occlum.json is valid"), NULL);
    else
        doctor_add(d, "config", FINDING_FAIL, mem_strndup(messages, line),
                   mem_strdup("correct it; docs/config.md explains every key"));
    config_free(config);
    free(messages);
}

void doctor_check_instance(struct doctor *d)
{
    const char *state = instance_state(true);
    if (!state) {
        doctor_add(d, "instance", FINDING_OK, mem_strdup("this directory is no instance"), NULL);
        return;
    }
    doctor_add(d, "instance", FINDING_OK, mem_strdup(state), NULL);
    check_config(d);
    bool built = fs_exists(BUILD_SGXS) && fs_exists(BUILD_SIG) && fs_exists(BUILD_IMAGE);
    if (built)
        doctor_add(d, "build", FINDING_OK, mem_strdup("enclave and root image are there"), NULL);
    else
        doctor_add(d, "build", FINDING_WARN, mem_strdup("nothing is built yet"),
                   mem_strdup("occlum build"));
}
