import * as z from "zod";

/** Where the services of a demo session lie; no such host is ever looked up. */
export const demoTeamUrl = "http://team.cairn.invalid";

const pages: Readonly<Record<string, { readonly title: string; readonly text: string }>> = {
  durability: {
    title: "Durability",
    text: "What is recorded before it is shown survives whatever happens next. A call that may have happened is asked about, never repeated.",
  },
};

const post = z.object({ content: z.string() });

interface TeamRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string;
  readonly idempotencyKey: string;
  readonly body: string;
}

interface TeamAnswer {
  readonly status: number;
  readonly body: object;
}

/** A wiki and a channel for demo sessions, as real ones answer. A message that comes twice is one. */
export class DemoTeam {
  readonly #key: string;
  readonly #posted = new Map<string, object>();

  constructor(key: string) {
    this.#key = key;
  }

  answer(request: TeamRequest): TeamAnswer {
    const [, room, name = "", rest] = request.path.split("/");
    const scheme = room === "webhooks" ? "Bot" : "Bearer";
    if (request.authorization !== `${scheme} ${this.#key}`) {
      return { status: 401, body: { error: "Wrong credential." } };
    }
    if (room === "webhooks" && rest === "messages" && request.method === "POST") {
      return { status: 201, body: this.#message(request) };
    }
    const page = room === "snippets" && Object.hasOwn(pages, name) ? pages[name] : undefined;
    return page === undefined
      ? { status: 404, body: { error: "No such page." } }
      : { status: 200, body: page };
  }

  #message({ idempotencyKey, body }: TeamRequest): object {
    const known = this.#posted.get(idempotencyKey);
    if (known !== undefined) return known;
    post.parse(JSON.parse(body));
    const message = { id: `demo-${this.#posted.size + 1}`, posted_at: new Date().toISOString() };
    this.#posted.set(idempotencyKey, message);
    return message;
  }
}
