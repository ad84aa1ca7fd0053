/* Finds the attack by its name, runs it, ends. */
#include "probe.h"
#include <dirent.h>
#include <time.h>

static char **arguments;

const char *arg(const char *key) {
    size_t length = strlen(key);
    for (char **at = arguments; *at; at++)
        if (!strncmp(*at, key, length) && (*at)[length] == '=') return *at + length + 1;
    dprintf(2, "probe: no %s= on the command line\n", key);
    _exit(97);
}

int number(const char *key) { return atoi(arg(key)); }

const char *in(const char *key, const char *name) {
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", arg(key), name);
    return path;
}

const char *mark(void) { return arg("mark"); }
int unsandboxed(void) { return number("unsandboxed"); }

void proof(void) { dprintf(1, "PROOF:%s\n", mark()); }

void reveal(int fd) {
    char buffer[65536];
    ssize_t count;
    if (fd < 0) return;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        if (write(1, buffer, count) < 0) return;
}

void reveal_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    reveal(fd);
    if (fd >= 0) close(fd);
}

void plant(const char *path) {
    char parents[4096];
    snprintf(parents, sizeof parents, "%s", path);
    for (char *slash = parents + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(parents, 0755);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0755);
    if (fd < 0) return;
    if (write(fd, "\n# MARKER planted\n", 18) < 0) perror("write");
    close(fd);
}

long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void each_process(void (*body)(const char *directory, int pid)) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    char path[64];
    while (proc && (entry = readdir(proc))) {
        int pid = atoi(entry->d_name);
        if (pid <= 0 || pid == getpid()) continue;
        snprintf(path, sizeof path, "/proc/%d", pid);
        body(path, pid);
    }
    if (proc) closedir(proc);
}

static int run(const struct attack *table, const char *name) {
    for (; table->name; table++)
        if (!strcmp(table->name, name)) {
            table->run();
            /* What runs later has time to be noticed from outside, and undone. */
            for (int at = 0; !strncmp(name, "later.", 6) && at < 150 && access(in("work", ".seen"), F_OK); at++) poll(NULL, 0, 10);
            return 1;
        }
    return 0;
}

static void list(const struct attack *table) {
    for (; table->name; table++) puts(table->name);
}

int main(int argc, char **argv) {
    const struct attack *tables[] = {fs_attacks, net_attacks, proc_attacks, sys_attacks, ipc_attacks, sup_attacks};
    const int count = sizeof tables / sizeof *tables;
    arguments = argv;
    if (argc < 2) return 96;
    alarm(60);
    if (!strcmp(argv[1], "victim")) return victim();
    if (!strcmp(argv[1], "netup")) return netup();
    if (!strcmp(argv[1], "handle")) return handle();
    if (!strcmp(argv[1], "unaddress")) return unaddress();
    if (!strcmp(argv[1], "sleeper")) {
        pause();
        return 0;
    }
    if (!strcmp(argv[1], "list")) {
        for (int at = 0; at < count; at++) list(tables[at]);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    /* The harness must see that the attack was tried at all. */
    dprintf(1, "ATTACK %s\n", argv[1]);
    for (int at = 0; at < count; at++)
        if (run(tables[at], argv[1])) {
            dprintf(1, "DONE %s\n", argv[1]);
            return 0;
        }
    dprintf(2, "probe: no attack called %s\n", argv[1]);
    return 96;
}
