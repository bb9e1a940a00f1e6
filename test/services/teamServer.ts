import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import * as z from "zod";

export const wikiToken = "wiki-7f3a9c51d2e84b60";
export const botToken = "bot-91c4e7a2b5d86f03";
export const githubToken = "gho_Zq8vT3nLx2Rk5Wm9Yb7Cd4Fg6Hj1Ks0PaNeX";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly key: string;
  readonly body: string;
}

export interface TeamServer {
  readonly url: string;
  readonly received: readonly Received[];
  /** What was really posted, by channel; issues and comments are posts to their repository. */
  readonly posted: readonly { readonly to: string; readonly body: string }[];
  /** Whether the same `Idempotency-Key` is answered as before. */
  honoursKeys: boolean;
  /** Called when a post was done, before it is answered. */
  onPosted: () => void;
  close(): Promise<void>;
}

const post = z.object({ content: z.string() });
const issue = z.object({ title: z.string().default(""), body: z.string() });

/** A wiki that takes a bearer token, webhooks that take a bot's, and as much of GitHub as is used. */
export async function teamServer(): Promise<TeamServer> {
  const received: Received[] = [];
  const posted: { to: string; body: string }[] = [];
  const answered = new Map<string, object>();
  const team = { honoursKeys: true, onPosted: () => {} };
  const act = (request: Received, response: ServerResponse, does: () => object): void => {
    const { key } = request;
    const before = team.honoursKeys ? answered.get(key) : undefined;
    const answer = before ?? does();
    answered.set(key, answer);
    team.onPosted();
    json(response, 201, answer);
  };
  const serve = (request: Received, credential: string, response: ServerResponse): void => {
    received.push(request);
    const [, room = "", ...rest] = request.path.split("/").map(decodeURIComponent);
    if (room === "snippets") {
      if (credential !== `Bearer ${wikiToken}`) return json(response, 401, wrong(credential));
      return wiki(rest[0] ?? "", credential, response);
    }
    if (room === "webhooks") {
      if (credential !== `Bot ${botToken}`) return json(response, 401, wrong(credential));
      return act(request, response, () => {
        const { content } = post.parse(JSON.parse(request.body));
        posted.push({ to: rest[0] ?? "", body: content });
        return { id: `m-${posted.length}`, posted_at: "2026-11-21T12:00:00Z" };
      });
    }
    if (room !== "repos" || credential !== `Bearer ${githubToken}`) {
      return json(response, 401, wrong(credential));
    }
    const to = rest.slice(0, 2).join("/");
    if (request.method === "GET") {
      const found = posted.filter((one) => one.to === to).toReversed();
      return json(
        response,
        200,
        found.map(({ body }, index) => ({ body, html_url: `u-${index}` })),
      );
    }
    return act(request, response, () => {
      posted.push({ to, body: issue.parse(JSON.parse(request.body)).body });
      return { html_url: `https://github.example/${to}/issues/${posted.length}` };
    });
  };
  const server = createServer((incoming, response) => {
    text(incoming)
      .then((body) => serve(requestOf(incoming, body), credentialOf(incoming), response))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return Object.assign(team, {
    url: `http://127.0.0.1:${port}`,
    received,
    posted,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  });
}

function requestOf({ method = "", url = "", headers }: IncomingMessage, body: string): Received {
  const [path = ""] = url.split("?");
  return { method, path, key: String(headers["idempotency-key"] ?? ""), body };
}

function credentialOf({ headers }: IncomingMessage): string {
  return headers.authorization ?? "";
}

function wrong(credential: string): object {
  return { error: "wrong credential", given: credential };
}

function wiki(page: string, credential: string, response: ServerResponse): void {
  const answers: Readonly<Record<string, () => void>> = {
    durability: () => json(response, 200, { title: "Durability", text: "Records come first." }),
    echo: () => json(response, 200, { title: "Echo", text: `You sent ${credential}.` }),
    shape: () => json(response, 200, { name: "Durability" }),
    large: () => json(response, 200, { title: "Large", text: "x".repeat(2_000_000) }),
    long: () => json(response, 200, { title: "Long", text: "y".repeat(100_000) }),
    failing: () => json(response, 500, { error: "out of order" }),
    busy: () => json(response, 429, { error: "slow down" }, { "retry-after": "7" }),
    refusing: () => json(response, 422, { error: `not with ${credential}` }),
    moved: () => json(response, 302, {}, { location: "/snippets/durability" }),
    page: () => response.end("<html>Sign in</html>"),
    cut: () => response.destroy(),
    slow: () => {},
  };
  const answer = Object.hasOwn(answers, page) ? answers[page] : undefined;
  if (answer === undefined) json(response, 404, { error: "no such page" });
  else answer();
}

function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
