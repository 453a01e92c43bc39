#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/log.h"

enum { CAPABILITIES = 64 };

int privileges_find(const char *user, const char *group, struct identity *ret,
                    char ret_error[PRIVILEGES_MAX_ERROR])
{
    struct identity identity = {.wanted = user || group, .uid = geteuid(), .gid = getegid()};
    const struct passwd *passwd = user ? getpwnam(user) : NULL;
    const struct group *entry = group ? getgrnam(group) : NULL;
    if ((user && !passwd) || (group && !entry)) {
        snprintf(ret_error, PRIVILEGES_MAX_ERROR, "no such %s; expected one of this machine",
                 user && !passwd ? "user" : "group");
        return ERR_CONFIG;
    }
    if (passwd) {
        identity.uid = passwd->pw_uid;
        identity.gid = passwd->pw_gid;
    }
    if (entry)
        identity.gid = entry->gr_gid;
    if (geteuid() != 0 && (identity.uid != geteuid() || identity.gid != getegid())) {
        snprintf(ret_error, PRIVILEGES_MAX_ERROR,
                 "only root may become another; expected a start as root, or as that user");
        return ERR_CONFIG;
    }
    *ret = identity;
    return ERR_OK;
}

static int fail(const char *what, char error[PRIVILEGES_MAX_ERROR])
{
    snprintf(error, PRIVILEGES_MAX_ERROR, "%s: %s", what, strerror(errno));
    return ERR_SYSTEM;
}

/* capset(2) of the calling thread; the library that wraps it would be one more. */
static bool set_capabilities(uint64_t capabilities)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted = (uint32_t)(capabilities >> (32 * i));
    return syscall(SYS_capset, &header, data) == 0;
}

static uint64_t capabilities_held(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* Nothing beyond can be had again, whatever is executed. In vain without the right to. */
static void bound_capabilities(uint64_t capabilities)
{
    for (int i = 0; i < CAPABILITIES; i++)
        if (!(capabilities >> i & 1))
            (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int become(const struct identity *identity, char error[PRIVILEGES_MAX_ERROR])
{
    if (!identity->wanted || geteuid() != 0)
        return ERR_OK;
    if (setgroups(1, &identity->gid) != 0)
        return fail("setgroups", error);
    if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
        return fail("setresgid", error);
    (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); /* what is kept is said next */
    if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
        return fail("setresuid", error);
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    return ERR_OK;
}

bool privileges_may_read(const struct identity *identity, const char *path)
{
    char ignored[PRIVILEGES_MAX_ERROR];
    int status = 0;
    if (!identity->wanted || geteuid() != 0)
        return true;
    pid_t child = fork();
    if (child == 0) {
        int error = become(identity, ignored);
        _exit(error == ERR_OK && access(path, R_OK) != 0 && errno == EACCES);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return true;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

int privileges_gain_none(char ret_error[PRIVILEGES_MAX_ERROR])
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? ERR_OK : fail("no_new_privs", ret_error);
}

int privileges_drop(const struct identity *identity, bool keep_low_ports,
                    char ret_error[PRIVILEGES_MAX_ERROR])
{
    uint64_t kept = keep_low_ports ? UINT64_C(1) << CAP_NET_BIND_SERVICE : 0;
    bool root = geteuid() == 0;
    kept &= capabilities_held();
    bound_capabilities(kept);
    int error = become(identity, ret_error);
    if (error)
        return error;
    if (!set_capabilities(kept) && root)
        return fail("capset", ret_error);
    if (root && geteuid() == 0)
        log_line(LOG_LEVEL_WARNING,
                 "msg=\"runs as root, though without root's powers: name somebody "
                 "else as `user` in the configuration\"");
    log_line(LOG_LEVEL_INFO, "msg=\"privileges dropped\" uid=%d gid=%d capabilities=%s",
             (int)geteuid(), (int)getegid(), kept ? "net_bind_service" : "none");
    return ERR_OK;
}
