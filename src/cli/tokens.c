/* SPDX-License-Identifier: Apache-2.0
 *
 * tenon token.
 */
#include "cli/cli_int.h"

#include <string.h>

int cmd_token_list(struct cli *c, struct err *err)
{
    static const struct column columns[] = {{"ID", "id", cell_text},
                                            {"NAME", "name", cell_text},
                                            {"ROLE", "role", cell_text},
                                            {"KIND", "kind", cell_text},
                                            {"MADE", "created_at", cell_ago}};
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_get(c, &j, err, "/api/v1/tokens");
    if (rc)
        return rc;
    if (c->json)
        print_json(j);
    else
        print_table(c, json_object_get(j, "tokens"), columns, LENGTH(columns),
                    "make one with: tenon token create NAME");
    return 0;
}

int cmd_token_create(struct cli *c, struct err *err)
{
    int64_t days;
    const char *role = cli_option(c, "role");
    int rc = cli_option_i64(c, "ttl", 0, &days, err);
    if (!rc && days > 3650)
        rc = err_set(err, E_INVALID, "--ttl %lld: at most 3650 days", (long long)days);
    if (rc)
        return rc;
    CLEANUP(json_freep)
    json_t *body = json_pack("{s:s,s:s,s:I}", "name", c->args[0], "role", role ? role : "reader",
                             "ttl_s", (json_int_t)(days * 86400));
    CLEANUP(json_freep) json_t *j = NULL;
    if (!body)
        return err_set(err, E_INVALID, "the name is not valid UTF-8");
    rc = cli_send(c, "POST", body, &j, err, "/api/v1/tokens");
    if (rc)
        return rc;
    if (c->json)
        print_json(j);
    else
        printf("%s\n", json_s(j, "secret"));
    fprintf(stderr, "keep it: it is not shown again. Revoke it with: tenon token revoke %s\n",
            json_s(j, "id"));
    return 0;
}

int cmd_token_revoke(struct cli *c, struct err *err)
{
    id token;
    CLEANUP(json_freep) json_t *j = NULL;
    if (!id_parse(str_from(c->args[0]), &token))
        return err_hint(err_set(err, E_INVALID, "'%s' is not the id of a token", c->args[0]), err,
                        "see them with: tenon token list");
    return cli_send(c, "DELETE", NULL, &j, err, "/api/v1/tokens/%s", token.s);
}

int cmd_token_link(struct cli *c, struct err *err)
{
    CLEANUP(json_freep) json_t *j = NULL;
    int rc = cli_send(c, "POST", NULL, &j, err, "/api/v1/links");
    if (rc)
        return rc;
    if (c->json)
        print_json(j);
    else
        printf("%s\n", json_s(j, "url"));
    fprintf(stderr, "works once, for 30 minutes\n");
    return 0;
}
