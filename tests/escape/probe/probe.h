/* What every attack has at hand. An attack does its worst and returns; whether it came through is seen from outside. */
#ifndef PROBE_H
#define PROBE_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct attack {
    const char *name;
    void (*run)(void);
};

/* The value of KEY=VALUE on the command line; exits if there is none, so that a misspelt case is never a quiet pass. */
const char *arg(const char *key);
int number(const char *key);
/* A path: the value of KEY, a slash, and NAME. In static memory; four at a time. */
const char *in(const char *key, const char *name);

/* Says that the attack came through, where nothing outside can see it. */
void proof(void);
/* Prints everything that can be read from FD; what is secret, the harness knows. */
void reveal(int fd);
void reveal_file(const char *path);
/* Writes "MARKER planted" to a file, creating it and its parents. */
void plant(const char *path);

/* An address and the case's mark, which the trap looks for. */
struct sockaddr_in inet4(const char *ip, int port);
struct sockaddr_in6 inet6(const char *ip, int port);
const char *mark(void);
/* Connects and says the mark; gives up after a second. */
void say_to(int fd, const void *address, socklen_t length);
void say_tcp(const char *ip, int port);

/* Calls BODY for each process that /proc shows, with its directory. */
void each_process(void (*body)(const char *directory, int pid));
/* True in the run without a sandbox, for the few steps that would harm the host there. */
int unsandboxed(void);
long now_ms(void);

extern const struct attack fs_attacks[], net_attacks[], proc_attacks[], sys_attacks[], ipc_attacks[], sup_attacks[];
int victim(void);
int netup(void);
int handle(void);
int unaddress(void);
#endif
