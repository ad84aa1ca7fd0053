/* Channels that have no path, the terminal, and what comes in with the environment. */
#include "probe.h"
#include <mqueue.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

extern char **environ;

static void shared_memory(void) {
    int id = shmget(number("ipc-key"), 0, 0600);
    char *memory = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
    if (memory != (void *)-1) strcpy(memory, "PLANTED");
}
static void message_queue(void) {
    struct {
        long type;
        char text[8];
    } message = {1, "PLANTED"};
    msgsnd(msgget(number("ipc-key"), 0600), &message, sizeof message.text, IPC_NOWAIT);
}
static void semaphore(void) {
    struct sembuf raise_it = {0, 5, IPC_NOWAIT};
    semop(semget(number("ipc-key"), 1, 0600), &raise_it, 1);
}
static void posix_memory(void) {
    int fd = shm_open(arg("ipc-name"), O_RDWR, 0600);
    if (fd >= 0 && pwrite(fd, "PLANTED", 7, 0) < 0) return;
}
static void posix_queue(void) {
    mqd_t queue = mq_open(arg("ipc-name"), O_WRONLY | O_NONBLOCK);
    if (queue != (mqd_t)-1) mq_send(queue, "PLANTED", 7, 0);
}

/* Standard input is a unix socket in whose queue a host file waits. */
static void passed_descriptor(void) {
    char byte, control[256];
    struct iovec text = {&byte, 1};
    struct msghdr message = {NULL, 0, &text, 1, control, sizeof control, 0};
    if (recvmsg(0, &message, 0) < 0) return;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) reveal(*(int *)CMSG_DATA(at));
}

static void push_keys(int fd) {
    const char *keys = mark();
    for (; *keys; keys++) ioctl(fd, TIOCSTI, keys);
    ioctl(fd, TIOCSTI, "\n");
}
static void push_stdin(void) { push_keys(0); }
static void push_controlling(void) { push_keys(open("/dev/tty", O_RDWR)); }
static void push_by_path(void) { push_keys(open(arg("tty"), O_RDWR | O_NOCTTY)); }
/* The high half of an ioctl's number is ignored by the kernel, and must not fool a filter. */
static void push_wide(void) {
    const char *keys = mark();
    for (; *keys; keys++) syscall(SYS_ioctl, 0L, 0xdead00000000L | TIOCSTI, keys);
    syscall(SYS_ioctl, 0L, 0xdead00000000L | TIOCSTI, "\n");
}
static void paste_selection(void) {
    char paste = 3;
    ioctl(0, TIOCLINUX, &paste);
}

static void environment(void) {
    for (char **at = environ; *at; at++) dprintf(1, "%s\n", *at);
}

const struct attack ipc_attacks[] = {
    {"ipc.sysv_memory", shared_memory},
    {"ipc.sysv_queue", message_queue},
    {"ipc.sysv_semaphore", semaphore},
    {"ipc.posix_memory", posix_memory},
    {"ipc.posix_queue", posix_queue},
    {"ipc.passed_descriptor", passed_descriptor},
    {"tty.push_stdin", push_stdin},
    {"tty.push_controlling", push_controlling},
    {"tty.push_by_path", push_by_path},
    {"tty.push_wide", push_wide},
    {"tty.linux_paste", paste_selection},
    {"env.secrets", environment},
    {"env.loader", environment},
    {"env.sockets", environment},
    {"env.startup", environment},
    {0},
};
