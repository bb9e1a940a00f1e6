import * as z from "zod";
import type { GithubAccess } from "../core/ports.ts";
import { defineService, type Seen, type Service, type ServiceHttp } from "../core/service.ts";

const repository = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/, "is owner/name");
const body = z.string().max(60_000);

const args = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("create"),
    repository,
    title: z.string().min(1).max(256),
    body,
  }),
  z.strictObject({
    action: z.literal("comment"),
    repository,
    issue: z.int().positive(),
    body: body.min(1),
  }),
]);
type Args = z.infer<typeof args>;

const result = z.object({ action: z.enum(["create", "comment"]), url: z.string() });
const written = z.object({ html_url: z.string() });
const listed = z.array(z.object({ html_url: z.string(), body: z.nullish(z.string()) }));

/** Creates issues and comments as the user, by the editor's GitHub session. */
export function githubIssue(github: GithubAccess): Service {
  const headers = async (ask: boolean) => ({
    accept: "application/vnd.github+json",
    authorization: `Bearer ${await github.token(ask)}`,
    "x-github-api-version": "2022-11-28",
  });
  return defineService({
    name: "github_issue",
    description: "Creates a GitHub issue, or comments on one, in the user's name.",
    args,
    result,
    effect: "external",
    secrets: [],
    address: () => github.api(),
    needsEditor: true,
    what,
    says: ({ action, url }) =>
      `${action === "create" ? "Created the issue" : "Commented on the issue"}: ${url}`,
    handler: async ({ args: given, http, idempotencyKey }) => {
      const text = `${given.body}\n\n${mark(idempotencyKey)}`;
      const created = await http.send(
        {
          method: "POST",
          path: pathOf(given),
          headers: await headers(true),
          json: given.action === "create" ? { title: given.title, body: text } : { body: text },
        },
        written,
      );
      return { action: given.action, url: created.html_url };
    },
    observe: async ({ args: given, http, idempotencyKey }) =>
      look(http, given, { mark: mark(idempotencyKey), headers: await headers(false) }),
  });
}

function what(given: Args): string {
  return given.action === "create"
    ? `create an issue in ${given.repository}: ${given.title}\n${given.body}`
    : `comment on ${given.repository}#${given.issue}\n${given.body}`;
}

function pathOf(given: Args): readonly string[] {
  const issues = ["repos", ...given.repository.split("/"), "issues"];
  return given.action === "create" ? issues : [...issues, String(given.issue), "comments"];
}

/** GitHub knows no idempotency keys; this is not shown to readers, and can be found again. */
function mark(idempotencyKey: string): string {
  return `<!-- cairn ${idempotencyKey.slice(0, 32)} -->`;
}

/** The newest hundred of the repository, whoever wrote them. */
async function look(
  http: ServiceHttp,
  { action, repository: name }: Args,
  { mark: text, headers }: { readonly mark: string; readonly headers: Record<string, string> },
): Promise<Seen<z.infer<typeof result>>> {
  const issues = ["repos", ...name.split("/"), "issues"];
  const found = await http.send(
    {
      method: "GET",
      path: action === "create" ? issues : [...issues, "comments"],
      query: { state: "all", sort: "created", direction: "desc", per_page: "100" },
      headers,
    },
    listed,
  );
  const same = found.find((one) => one.body?.includes(text) === true);
  if (same === undefined) {
    return { text: `None of the newest ${found.length} of ${name} has its mark.`, seen: "absent" };
  }
  const words = `${action === "create" ? "The issue" : "The comment"} is there: ${same.html_url}`;
  return { text: words, seen: "happened", result: { action, url: same.html_url } };
}
