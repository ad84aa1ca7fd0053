/* Other processes: signals, memory, descriptors, name spaces; and executing what nobody measured. */
#include "probe.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

static int victim_pid(void) { return number("victim"); }
static void *victim_memory(void) { return (void *)strtoul(arg("memory"), NULL, 16); }

static int open_pidfd(int pid) { return syscall(SYS_pidfd_open, pid, 0); }

static void kill_signal(void) { kill(victim_pid(), SIGUSR1); }
static void tgkill_signal(void) { syscall(SYS_tgkill, victim_pid(), victim_pid(), SIGUSR1); }
static void group_signal(void) { kill(-number("victim-group"), SIGUSR1); }
static void pidfd_signal(void) { syscall(SYS_pidfd_send_signal, open_pidfd(victim_pid()), SIGUSR1, NULL, 0); }

/* The kernel sends the signal for us, when a socket of ours becomes readable. */
static void owner_signal(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return;
    fcntl(pair[0], F_SETOWN, victim_pid());
    fcntl(pair[0], F_SETSIG, SIGUSR1);
    fcntl(pair[0], F_SETFL, O_ASYNC);
    if (write(pair[1], "x", 1) < 0) return;
    poll(NULL, 0, 50);
}

static void reveal_under(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    reveal_file(path);
}
static void environ_of(const char *directory, int pid) { (void)pid, reveal_under(directory, "environ"); }
static void command_of(const char *directory, int pid) { (void)pid, reveal_under(directory, "cmdline"); }
static void cwd_of(const char *directory, int pid) { (void)pid, reveal_under(directory, "cwd/secret"); }
static void fd_of(const char *directory, int pid) {
    char name[32];
    for (int fd = 0; fd < 32; fd++) {
        struct stat what;
        char path[4096];
        snprintf(name, sizeof name, "fd/%d", fd);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (pid != 1 && !stat(path, &what) && S_ISREG(what.st_mode) && what.st_size < 4096) reveal_under(directory, name);
    }
}
static void root_of(const char *directory, int pid) {
    char name[4096];
    (void)pid;
    snprintf(name, sizeof name, "root%s/.ssh/id_ed25519", arg("home"));
    reveal_under(directory, name);
}
static void memory_of(const char *directory, int pid) {
    char path[64], text[256];
    (void)pid;
    snprintf(path, sizeof path, "%s/mem", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? -1 : pread(fd, text, sizeof text, (off_t)(uintptr_t)victim_memory());
    if (count > 0 && write(1, text, count) < 0) return;
    if (fd >= 0) close(fd);
}
static void overwrite(const char *directory, int pid) {
    char path[64];
    /* Without a sandbox only the victim, or the test would harm others. */
    if (unsandboxed() && pid != victim_pid()) return;
    snprintf(path, sizeof path, "%s/mem", directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && pwrite(fd, "PLANTED", 7, (off_t)(uintptr_t)victim_memory()) < 0) perror("pwrite");
    if (fd >= 0) close(fd);
}

static void environment(void) { each_process(environ_of); }
static void command_line(void) { each_process(command_of); }
static void working_directory(void) { each_process(cwd_of); }
static void descriptors(void) { each_process(fd_of); }
static void root_directory(void) { each_process(root_of); }
static void memory_read(void) { each_process(memory_of); }
static void memory_write(void) { each_process(overwrite); }

static void vm_readv(void) {
    char text[256];
    struct iovec here = {text, sizeof text}, there = {victim_memory(), sizeof text};
    ssize_t count = process_vm_readv(victim_pid(), &here, 1, &there, 1, 0);
    if (count > 0 && write(1, text, count) < 0) return;
}
static void vm_writev(void) {
    struct iovec here = {"PLANTED", 7}, there = {victim_memory(), 7};
    process_vm_writev(victim_pid(), &here, 1, &there, 1, 0);
}
static void trace(void) {
    if (ptrace(PTRACE_ATTACH, victim_pid(), 0, 0)) return;
    waitpid(victim_pid(), NULL, __WALL);
    long planted;
    memcpy(&planted, "PLANTED!", 8);
    ptrace(PTRACE_POKEDATA, victim_pid(), victim_memory(), planted);
    ptrace(PTRACE_DETACH, victim_pid(), 0, 0);
}
static void take_descriptor(void) { reveal(syscall(SYS_pidfd_getfd, open_pidfd(victim_pid()), 20, 0)); }
static void limits(void) {
    struct rlimit few = {13, 13};
    prlimit(victim_pid(), RLIMIT_NOFILE, &few, NULL);
}
static void priority(void) { setpriority(PRIO_PROCESS, victim_pid(), 19); }

static void namespaces(void) {
    char path[64];
    const char *names[] = {"user", "mnt", "net", "pid", "ipc"};
    for (unsigned at = 0; at < sizeof names / sizeof *names; at++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", victim_pid(), names[at]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0) setns(fd, 0);
    }
    setns(open_pidfd(victim_pid()), CLONE_NEWNET);
    int here = open("/proc/self/ns/net", O_RDONLY);
    /* Joined, if what we are in is what the victim is in. */
    struct stat ours, theirs;
    snprintf(path, sizeof path, "/proc/%d/ns/net", victim_pid());
    if (here >= 0 && !fstat(here, &ours) && !stat(path, &theirs) && ours.st_ino == theirs.st_ino) say_tcp("127.0.0.1", number("port"));
}

static void trace_child(void) {
    pid_t child = fork();
    if (!child) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(1);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    if (WIFSTOPPED(status) && ptrace(PTRACE_PEEKDATA, child, (void *)mark(), 0) != -1) proof();
    kill(child, SIGKILL);
}

/* A tiny program of its own: it prints the proof that it is given as its argument. */
static void copy_self(int to) {
    char buffer[65536];
    ssize_t count;
    int from = open("/proc/self/exe", O_RDONLY);
    while ((count = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, count) < 0) break;
    close(from);
}
static char *const *say_proof(void) {
    static char mark_argument[256];
    static char *arguments[] = {"probe", "proc.proof", mark_argument, NULL};
    snprintf(mark_argument, sizeof mark_argument, "mark=%s", mark());
    return arguments;
}
static void memfd_exec(void) {
    int fd = syscall(SYS_memfd_create, "x", 0);
    copy_self(fd);
    fexecve(fd, say_proof(), environ);
}
static void dropped_exec(void) {
    int fd = open(in("work", "dropped"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    copy_self(fd);
    close(fd);
    execv(in("work", "dropped"), say_proof());
}
static void tmp_exec(void) {
    int fd = open("/tmp/dropped", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd < 0) return;
    copy_self(fd);
    close(fd);
    execv("/tmp/dropped", say_proof());
}
/* The dynamic loader runs files that may not be executed. */
static void loader_exec(void) {
    char *const *arguments = say_proof();
    int fd = open(in("work", "library"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    copy_self(fd);
    close(fd);
    char *library = (char *)in("work", "library");
    execl("/lib64/ld-linux-x86-64.so.2", "ld.so", library, arguments[1], arguments[2], NULL);
}

static void core_dump(void) {
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &all);
    chdir(arg("work"));
    if (!fork()) abort();
    wait(NULL);
}

static void fork_bomb(void) {
    int wanted = number("bomb");
    for (int at = 0; at < wanted; at++) {
        pid_t child = fork();
        if (child < 0) break;
        if (!child) {
            execl("/proc/self/exe", mark(), "sleeper", NULL);
            _exit(0);
        }
    }
    dprintf(1, "FORKED\n");
    poll(NULL, 0, 1500);
    kill(0, SIGKILL);
}

const struct attack proc_attacks[] = {
    {"proc.kill", kill_signal},
    {"proc.tgkill", tgkill_signal},
    {"proc.kill_group", group_signal},
    {"proc.pidfd_signal", pidfd_signal},
    {"proc.owner_signal", owner_signal},
    {"proc.environ", environment},
    {"proc.cmdline", command_line},
    {"proc.cwd", working_directory},
    {"proc.fd", descriptors},
    {"proc.root", root_directory},
    {"proc.mem_read", memory_read},
    {"proc.mem_write", memory_write},
    {"proc.vm_readv", vm_readv},
    {"proc.vm_writev", vm_writev},
    {"proc.ptrace", trace},
    {"proc.pidfd_getfd", take_descriptor},
    {"proc.prlimit", limits},
    {"proc.setpriority", priority},
    {"proc.setns", namespaces},
    {"proc.ptrace_child", trace_child},
    {"proc.memfd_exec", memfd_exec},
    {"proc.dropped_exec", dropped_exec},
    {"proc.tmp_exec", tmp_exec},
    {"proc.loader_exec", loader_exec},
    {"proc.core_dump", core_dump},
    {"proc.fork_bomb", fork_bomb},
    {"proc.proof", proof},
    {0},
};
