/* The host's side: a process that must come to no harm, and the addresses that stand for the world. */
#include "probe.h"
#include <linux/keyctl.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>

static volatile sig_atomic_t signals;
static void count(int signal) {
    (void)signal;
    signals++;
}

static volatile int vsock_touched;
static void *vsock_listen(void *unused) {
    (void)unused;
    struct sockaddr_vm here = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 5005};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)&here, sizeof here) || listen(fd, 4)) return NULL;
    while (accept(fd, NULL, NULL) >= 0) vsock_touched = 1;
    return NULL;
}

/* Holds the secret in memory and at descriptor 20, owns one of each kind of IPC, and at the end says what became of them. */
int victim(void) {
    static char memory[256];
    pthread_t thread;
    char line[16];
    int key = number("ipc-key");
    alarm(600);
    setpgid(0, 0);
    signal(SIGUSR1, count);
    snprintf(memory, sizeof memory, "%s", arg("secret"));
    int secret = open(in("outside", "secret"), O_RDONLY);
    dup2(secret, 20);
    if (chdir(arg("outside"))) return 1;
    int shm = shmget(key, 4096, IPC_CREAT | 0600), msg = msgget(key, IPC_CREAT | 0600), sem = semget(key, 1, IPC_CREAT | 0600);
    char *shared = shm < 0 ? NULL : shmat(shm, NULL, 0);
    int posix = shm_open(arg("ipc-name"), O_RDWR | O_CREAT, 0600);
    if (posix >= 0 && pwrite(posix, "intact!", 7, 0) < 0) return 1;
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
    mqd_t queue = mq_open(arg("ipc-name"), O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes);
    syscall(SYS_add_key, "user", arg("key"), arg("secret"), strlen(arg("secret")), KEY_SPEC_USER_KEYRING);
    pthread_create(&thread, NULL, vsock_listen, NULL);
    struct rlimit before, after;
    getrlimit(RLIMIT_NOFILE, &before);
    int nice_before = getpriority(PRIO_PROCESS, 0);
    printf("ready %d %lx %d\n", getpid(), (unsigned long)memory, getpgrp());
    fflush(stdout);
    while (read(0, line, sizeof line) < 0 && errno == EINTR) {}

    getrlimit(RLIMIT_NOFILE, &after);
    char seen[8] = {0}, text[64];
    struct {
        long type;
        char text[64];
    } message;
    if (posix >= 0 && pread(posix, seen, 7, 0) < 0) seen[0] = 0;
    printf("signals=%d\n", signals != 0);
    printf("memory=%d\n", strcmp(memory, arg("secret")) != 0);
    printf("nofile=%d\n", before.rlim_cur != after.rlim_cur);
    printf("nice=%d\n", nice_before != getpriority(PRIO_PROCESS, 0));
    printf("sysv-memory=%d\n", shared && shared[0] != 0);
    printf("sysv-queue=%d\n", msgrcv(msg, &message, sizeof message.text, 0, IPC_NOWAIT) >= 0);
    printf("sysv-semaphore=%d\n", semctl(sem, 0, GETVAL) > 0);
    printf("posix-memory=%d\n", posix >= 0 && strcmp(seen, "intact!") != 0);
    printf("posix-queue=%d\n", queue != (mqd_t)-1 && mq_receive(queue, text, sizeof text, NULL) >= 0);
    printf("key=%d\n", syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", arg("new-key"), 0) >= 0);
    printf("vsock=%d\n", vsock_touched);
    fflush(stdout);
    shmctl(shm, IPC_RMID, NULL);
    msgctl(msg, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    shm_unlink(arg("ipc-name"));
    mq_unlink(arg("ipc-name"));
    for (const char **name = (const char *[]){"key", "new-key", NULL}; *name; name++) {
        long found = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", arg(*name), 0);
        if (found >= 0) syscall(SYS_keyctl, KEYCTL_UNLINK, found, KEY_SPEC_USER_KEYRING);
    }
    return 0;
}

static void address4(int fd, int alias, const char *ip) {
    struct ifreq request = {0};
    struct sockaddr_in address = inet4(ip, 0), mask = inet4("255.255.255.255", 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "lo:%d", alias);
    memcpy(&request.ifr_addr, &address, sizeof address);
    ioctl(fd, SIOCSIFADDR, &request);
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    ioctl(fd, SIOCSIFNETMASK, &request);
}

static void address6(const char *ip) {
    struct {
        struct in6_addr address;
        uint32_t prefix;
        int index;
    } request = {.prefix = 128, .index = if_nametoindex("lo")};
    inet_pton(AF_INET6, ip, &request.address);
    ioctl(socket(AF_INET6, SOCK_DGRAM, 0), SIOCSIFADDR, &request);
}

/* In an empty network name space: a loopback that answers for the world. */
int netup(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(fd, SIOCGIFFLAGS, &request)) return 1;
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request)) return 1;
    address4(fd, 1, "198.51.100.7");
    address4(fd, 2, "169.254.169.254");
    address4(fd, 3, "8.8.8.8");
    address6("fd00:ec2::254");
    /* Fast open as client and server; ports from 1 for everybody, as the world has them. */
    int open_fast = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY);
    if (open_fast >= 0 && write(open_fast, "1031", 4) < 0) perror("tcp_fastopen");
    int low_ports = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
    if (low_ports >= 0 && write(low_ports, "1", 1) < 0) perror("ip_unprivileged_port_start");
    return 0;
}
