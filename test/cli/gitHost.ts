import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A bare repository that git itself serves over HTTP, below `/repo.git`. */
export class GitHost {
  readonly #place = mkdtempSync(join(tmpdir(), "cairn-git-host-"));
  /** Called when a push has been taken and before that is answered: with true nobody hears of it. */
  swallows: () => boolean = () => false;
  pushes = 0;

  constructor() {
    this.#git("init", "-q", "--bare", "-b", "main", "repo.git");
    this.#git("-C", "repo.git", "config", "http.receivepack", "true");
  }

  /** Subjects of the commits on its branch, newest first. */
  get commits(): readonly string[] {
    return this.#git("-C", "repo.git", "log", "--format=%s", "main").trim().split("\n");
  }

  async answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(message.url ?? "/", "http://host");
    const backend = spawn("git", ["http-backend"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: this.#place,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: message.method,
        CONTENT_TYPE: message.headers["content-type"],
        HTTP_CONTENT_ENCODING: message.headers["content-encoding"],
        HTTP_GIT_PROTOCOL: String(message.headers["git-protocol"] ?? ""),
      },
    });
    message.pipe(backend.stdin);
    const said = Buffer.concat(await backend.stdout.toArray());
    const isPush = message.method === "POST" && pathname.endsWith("/git-receive-pack");
    if (isPush) this.pushes += 1;
    if (isPush && this.swallows()) return;
    const end = said.indexOf("\r\n\r\n");
    for (const line of said.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(said.subarray(end + 4));
  }

  #git(...args: readonly string[]): string {
    return execFileSync("git", [...args], { cwd: this.#place, encoding: "utf8" });
  }
}
