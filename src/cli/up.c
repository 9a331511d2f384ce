/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon up: checks the address before anything is built.
 */
#include "cli/cli_int.h"

#include <arpa/inet.h>
#include <string.h>

enum { DEFAULT_PORT = 8700 };

/* Only addresses nobody else can reach, until TLS and users are there to meet strangers. */
static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int parse_listen(struct cli *c, const char *text, struct up_options *o, struct err *err)
{
    str s = str_from(text), host = s, port = {0};
    size_t colon = s.n;
    while (colon && s.p[colon - 1] != ':' && s.p[colon - 1] != ']')
        colon--;
    if (colon && s.p[colon - 1] == ':') {
        host = str_n(s.p, colon - 1);
        port = str_skip(s, colon);
    }
    if (host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = str_n(host.p + 1, host.n - 2);
    uint64_t number = DEFAULT_PORT;
    if (port.n && (!str_u64(port, &number) || number > 65535))
        return err_set(err, E_INVALID, "--listen %s: '%.*s' is not a port", text, STR(port));
    o->port = (unsigned)number;
    o->host = str_is(host, "localhost") || !host.n ? "127.0.0.1" : arena_cstr(c->arena, host);
    if (is_loopback(o->host))
        return 0;
    return err_hint(err_set(err, E_FORBIDDEN,
                            "refusing to listen on %s: beyond this machine Tenon needs TLS and "
                            "users, which this version does not have",
                            o->host),
                    err, "listen on 127.0.0.1 and put an SSH tunnel in front");
}

int cmd_up(struct cli *c, struct err *err)
{
    const char *listen = cli_option(c, "listen");
    struct up_options o = {.data_dir = cli_data_dir(c), .host = "127.0.0.1", .port = DEFAULT_PORT};
    int rc = listen ? parse_listen(c, listen, &o, err) : 0;
    return rc ? rc : c->hooks->up(&o, err);
}
